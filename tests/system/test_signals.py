import json
import signal
import subprocess
from pathlib import Path

import pytest
from support.small_runs import (
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


def catches(process: "subprocess.Popen[str]", number: signal.Signals) -> bool:
    """Return whether a process has a handler for a signal, which airtune has from before it loads a
    model.
    """
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(mask >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_round_and_the_last_line_resumes_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    network(tmp_path, rounds=600, every=5)
    process = start("run", "small.toml", "--out", "stopped", cwd=tmp_path)
    wait_until(lambda: len(list(parts_in(tmp_path / "stopped"))) > 2, process)

    process.send_signal(number)

    _, err = process.communicate()
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_model_loads_leaves_a_run_that_can_begin(
    tmp_path: Path, tiny_learner_table: dict[str, object], number: signal.Signals
) -> None:
    network(tmp_path, learner=tiny_learner_table)
    process = start("run", "small.toml", "--out", "stopped", cwd=tmp_path)
    wait_until(lambda: catches(process, signal.SIGTERM), process)
    assert not (tmp_path / "stopped" / "scenario.toml").exists(), "the model is not yet loaded"

    process.send_signal(number)

    _, err = process.communicate()
    assert process.returncode == 130
    assert err.strip().splitlines()[-1].endswith("airtune resume stopped")
    resume(tmp_path / "stopped")
    assert json.loads((tmp_path / "stopped" / "provenance.json").read_text())["state"] == "finished"


def test_a_signal_during_an_evaluation_lets_it_come_to_its_end(
    tmp_path: Path, tiny_learner_table: dict[str, object]
) -> None:
    """The evaluation after round 3 begins in earnest when the signal has come."""
    scenario = network(tmp_path, every=None, learner=tiny_learner_table)
    script = tmp_path / "slow.py"
    script.write_text(
        "import signal, sys, time, pathlib\n"
        "from coupling.cli import main\n"
        "from coupling.simulation.learners import TimedLearner\n"
        "whole, calls = TimedLearner.evaluate, []\n"
        "def evaluate(self):\n"
        "    calls.append(self)\n"
        "    if len(calls) == 2:\n"
        "        pathlib.Path('here').touch()\n"
        "        while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:\n"
        "            time.sleep(0.01)\n"
        "    return whole(self)\n"
        "TimedLearner.evaluate = evaluate\n"
        "sys.exit(main())\n"
    )
    process = start("run", "small.toml", "--out", "stopped", cwd=tmp_path, program=[script])
    wait_until((tmp_path / "here").exists, process)

    process.send_signal(signal.SIGINT)

    _, err = process.communicate()
    assert process.returncode == 130, err
    assert err.strip().splitlines()[-1].startswith("interrupted after round 3;")
    assert tables(tmp_path / "stopped")["evaluations"]["round"].to_pylist() == [0, 3]
    assert_same_tables(resume(tmp_path / "stopped"), run(scenario, tmp_path / "whole"))


def test_a_second_interrupt_ends_at_once_and_keeps_the_complete_rounds(tmp_path: Path) -> None:
    """The third round waits for ever: a policy that sleeps."""
    network(tmp_path, every=None, scheduler={"kind": "all_in", "delay_budget_s": 1.0})
    script = tmp_path / "sleepy.py"
    script.write_text(
        "import sys, time, pathlib\n"
        "from coupling.cli import main\n"
        "from netsim import scheduling\n"
        "class Sleepy(scheduling.POLICIES['all_in']):\n"
        "    def schedule(self, state):\n"
        "        if state.round == 3:\n"
        "            pathlib.Path('here').touch()\n"
        "            time.sleep(3600)\n"
        "        return super().schedule(state)\n"
        "scheduling.POLICIES['all_in'] = Sleepy\n"
        "sys.exit(main())\n"
    )
    process = start("run", "small.toml", "--out", "stopped", cwd=tmp_path, program=[script])
    wait_until((tmp_path / "here").exists, process)

    process.send_signal(signal.SIGINT)
    wait_until(lambda: not pending(process, signal.SIGINT), process)
    process.send_signal(signal.SIGINT)

    _, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert json.loads((tmp_path / "stopped" / "provenance.json").read_text())["round"] == 2
    assert len(list(parts_in(tmp_path / "stopped"))) == 1


def pending(process: "subprocess.Popen[str]", number: signal.Signals) -> bool:
    """Return whether a signal is still to be delivered; two that wait become one."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    masks = (int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd")))
    return any(mask >> (number - 1) & 1 for mask in masks)
