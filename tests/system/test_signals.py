"""Stop signals: a run ends within a round, with the state after its last complete round saved."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.small_runs import (
    COMING_AND_GOING,
    NETWORK,
    ROOT,
    airtune,
    assert_same_tables,
    network,
    parts_in,
    start,
    tables,
    wait_until,
)

from coupling import run
from coupling.simulation.run import resume

HANGING = ROOT / "tests" / "support" / "hanging_run.py"
GENEROUS_S = 30.0
"""Limit of a stop in these tests; the product's is 2 s on an idle machine."""
COUNTING = '''
"""A policy whose memory changes while it schedules and when it observes."""

import numpy as np

from netsim.scheduling import Allocation, Policy


class Counting(Policy):
    def __init__(self):
        self.count = 0
        self.seen = 0

    def schedule(self, state):
        self.count += 1
        chosen = np.unique([self.count, self.seen] % np.array(len(state.device)))
        return Allocation.equal_finish(state, chosen)

    def observe(self, record):
        self.seen += 2

    def state_dict(self):
        return {"count": self.count, "seen": self.seen}

    def load_state_dict(self, state):
        self.count, self.seen = state["count"], state["seen"]
'''


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_and_the_last_line_resumes_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    network(tmp_path, rounds=600, every=5)
    process = start("run", "small.toml", "--out", "stopped", cwd=tmp_path)
    wait_until(lambda: len(list(parts_in(tmp_path / "stopped"))) > 2, process)

    process.send_signal(number)

    _, err = process.communicate(timeout=GENEROUS_S)
    state = json.loads((tmp_path / "stopped" / "provenance.json").read_text())
    assert process.returncode == 130
    assert state["state"] == "interrupted"
    line = err.strip().splitlines()[-1]
    assert (
        line == f"interrupted after round {state['round']}; continue with: airtune resume stopped"
    )

    done = airtune(*line.partition("airtune ")[2].split(), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert airtune("run", "small.toml", "--out", "whole", cwd=tmp_path).returncode == 0
    assert_same_tables(tmp_path / "stopped", tmp_path / "whole")


def hung(tmp_path: Path, place: str) -> "subprocess.Popen[str]":
    """Return the process of a run that hangs at a place."""
    process = start(place, "run", "small.toml", "--out", "stopped", cwd=tmp_path, program=[HANGING])
    wait_until((tmp_path / "here").exists, process)
    return process


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("world", signal.SIGTERM),
        ("policy", signal.SIGINT),
        ("training", signal.SIGTERM),
        ("evaluation", signal.SIGINT),
    ],
)
def test_a_signal_within_a_round_undoes_it_to_the_last_bit(
    tmp_path: Path, tiny_learner_table: dict[str, object], place: str, number: signal.Signals
) -> None:
    """Training, heads, batteries, queue and the memory of the policy are those before round 3."""
    (tmp_path / "counting.py").write_text(COUNTING)
    scenario = network(
        tmp_path,
        rounds=5,
        every=None,
        learner=tiny_learner_table,
        devices=COMING_AND_GOING,
        scheduler=NETWORK["scheduler"] | {"kind": "counting:Counting", "drift": "paper"},
    )
    process = hung(tmp_path, place)

    process.send_signal(number)

    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 130, err
    assert err.strip().splitlines()[-1].startswith("interrupted after round 2;")
    assert "Traceback" not in err
    assert tables(tmp_path / "stopped")["rounds"]["round"].to_pylist() == [1, 2]
    state = json.loads((tmp_path / "stopped" / "checkpoint" / "state.json").read_text())
    assert state["policy"] == {"count": 2, "seen": 4}
    resume(tmp_path / "stopped")
    run(scenario, tmp_path / "whole")
    assert_same_tables(tmp_path / "stopped", tmp_path / "whole")


def test_a_signal_while_data_load_leaves_nothing(
    tmp_path: Path, tiny_learner_table: dict[str, object]
) -> None:
    network(tmp_path, learner=tiny_learner_table)
    process = hung(tmp_path, "loading")

    process.send_signal(signal.SIGTERM)

    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 130
    assert err.strip().splitlines() == ["interrupted before the first round; nothing was written"]
    assert not (tmp_path / "stopped").exists()


def test_a_run_stopped_before_its_first_round_begins_again(
    tmp_path: Path, tiny_learner_table: dict[str, object]
) -> None:
    scenario = network(tmp_path, learner=tiny_learner_table)
    process = hung(tmp_path, "first evaluation")

    process.send_signal(signal.SIGINT)

    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == (
        "interrupted after round 0; continue with: airtune resume stopped"
    )
    resume(tmp_path / "stopped")
    run(scenario, tmp_path / "whole")
    assert_same_tables(tmp_path / "stopped", tmp_path / "whole")


def test_a_second_interrupt_ends_native_code(tmp_path: Path) -> None:
    network(tmp_path, every=None, scheduler={"kind": "all_in", "delay_budget_s": 1.0})
    process = hung(tmp_path, "native")
    time.sleep(0.2)  # from the file to the native call

    process.send_signal(signal.SIGINT)
    # Two signals that wait become one.
    wait_until(lambda: not pending(process, signal.SIGINT), process)
    process.send_signal(signal.SIGINT)

    _, err = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1].startswith("interrupted at once;")
    assert "Traceback" not in err
    assert resume(tmp_path / "stopped").path == tmp_path / "stopped"


def pending(process: "subprocess.Popen[str]", number: signal.Signals) -> bool:
    """Return whether a signal is still to be delivered; two that wait become one."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    masks = (int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd")))
    return any(mask >> (number - 1) & 1 for mask in masks)
