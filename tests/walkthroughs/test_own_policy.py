"""Walk-through: a policy with memory, a bandit, written in one file outside the tree."""

import json
import multiprocessing
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.command_line import NETWORK
from support.kills import run_until_killed
from typing_extensions import override

import coupling
from coupling import RunError, Scenario
from coupling.cli import main
from coupling.run_directory.schema import TABLES, WALL_CLOCK
from coupling.scenario.errors import Interrupted
from coupling.simulation.result import RunResult
from netsim.scheduling import Allocation, Policy, RoundRecord, RoundState

BANDIT = '''
"""Bandit over the number of devices: UCB1 on the delay of the rounds."""

import numpy as np

from netsim.scheduling import Allocation, Policy


class Bandit(Policy):
    """Choose the number of devices with the largest upper confidence bound of the reward."""

    def __init__(self, arms: int = 4):
        self.pulls = np.zeros(arms)
        self.reward = np.zeros(arms)

    def schedule(self, state):
        if (self.pulls == 0).any():
            arm = int(np.argmin(self.pulls))
        else:
            mean = self.reward / self.pulls
            bound = mean + np.sqrt(2 * np.log(self.pulls.sum()) / self.pulls)
            # Ties are broken at random, by numbers that belong to the round.
            arm = int(np.argmax(bound + 1e-9 * state.rng.random(len(bound))))
        return Allocation.equal_finish(state, state.rank_by_gain()[: arm + 1])

    def observe(self, record):
        if record.scheduled.size:
            arm = record.scheduled.size - 1
            self.pulls[arm] += 1
            self.reward[arm] += np.exp(-record.delay_s / 20)

    def state_dict(self):
        return {"pulls": self.pulls, "reward": self.reward}

    def load_state_dict(self, state):
        self.pulls, self.reward = state["pulls"].copy(), state["reward"].copy()
'''


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scenario]:
    """Return a scenario with the bandit, which lies beside the scenario file."""
    (tmp_path / "bandit.py").write_text(BANDIT)
    (tmp_path / "network.toml").write_text(NETWORK)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    text = NETWORK.replace('kind = "algorithm1"', 'kind = "bandit:Bandit"')
    (tmp_path / "bandit.toml").write_text(text)
    yield Scenario.load(tmp_path / "bandit.toml", {"rounds": 60})
    sys.modules.pop("bandit", None)


def assert_same_tables(one: RunResult, other: RunResult) -> None:
    for name in TABLES:
        first, second = (_timeless(result.arrow(name)) for result in (one, other))
        assert first.equals(second), name


def _timeless(table: pa.Table) -> pa.Table:
    return table.drop_columns([name for name in table.column_names if name in WALL_CLOCK])


def stopped_after(
    scenario: Scenario, folder: Path, rounds: int, policy: Policy | None = None
) -> None:
    """Run a scenario until a round, and save its state."""
    seen: list[int] = []
    with pytest.raises(Interrupted):
        coupling.run(
            scenario,
            folder,
            policy=policy,
            on_round=lambda record: seen.append(record.round),
            stop=lambda: len(seen) == rounds,
        )


def test_the_bandit_learns_from_its_records(scenario: Scenario, tmp_path: Path) -> None:
    result = coupling.run(scenario, tmp_path / "run")

    counts = result.rounds.scheduled
    assert set(counts[:4]) == {1, 2, 3, 4}
    # One device is served fastest; without learning each of four numbers has a quarter.
    assert result.rounds.groupby("scheduled").delay_s.mean().idxmin() == 1
    assert (counts[20:] == 1).mean() > 0.3


def test_a_bandit_killed_at_twenty_rounds_is_resumed_to_the_same_tables(
    scenario: Scenario, tmp_path: Path
) -> None:
    whole = coupling.run(scenario, tmp_path / "whole")
    saving = scenario.with_overrides({"trace.checkpoint_every": 3})
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["coupling.simulation.run", "pandas"])

    for number in np.random.Generator(np.random.Philox(3)).choice(59, 20, replace=False) + 1:
        folder = tmp_path / f"killed-{number}"
        arguments = (saving, folder, int(number))
        process = context.Process(target=run_until_killed, args=arguments)
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert_same_tables(coupling.resume(folder), whole)


def test_a_bandit_stopped_at_any_round_is_resumed_to_the_same_tables(
    scenario: Scenario, tmp_path: Path
) -> None:
    whole = coupling.run(scenario)

    for number in (1, 2, 5, 31):
        stopped_after(scenario, tmp_path / f"stopped-{number}", number)
        assert_same_tables(coupling.resume(tmp_path / f"stopped-{number}"), whole)


class Counter(Policy):
    """Policy object that remembers the number of its rounds, with or without saving it."""

    def __init__(self) -> None:
        self.rounds = 0

    @override
    def schedule(self, state: RoundState) -> Allocation:
        self.rounds += 1
        return Allocation.equal_finish(state, state.rank_by_gain()[: 1 + self.rounds % 3])


class SavedCounter(Counter):
    """The same policy, whose memory is saved."""

    @override
    def state_dict(self) -> Mapping[str, Any]:
        return {"rounds": self.rounds}

    @override
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.rounds = state["rounds"]


class UnsavableCounter(Counter):
    """The same policy, whose memory cannot be saved."""

    @override
    def state_dict(self) -> Mapping[str, Any]:
        return {"rounds": [self.rounds]}


def network(tmp_path: Path, **overrides: object) -> Scenario:
    (tmp_path / "network.toml").write_text(NETWORK)
    return Scenario.load(tmp_path / "network.toml", {"rounds": 9} | overrides)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (Counter, "policy 'Counter' has changed its attributes and cannot be saved; give it"),
        (UnsavableCounter, r"state_dict\(\)\['rounds'\] is .*list"),
    ],
)
def test_memory_that_cannot_be_saved_is_refused_at_the_first_checkpoint(
    tmp_path: Path, policy: type[Policy], reason: str
) -> None:
    scenario = network(tmp_path, **{"trace.checkpoint_every": 4})

    with pytest.raises(RunError, match=f"^round 4: .*{reason}") as refused:
        coupling.run(scenario, tmp_path / "run", policy=policy())

    assert len(str(refused.value).splitlines()) == 1
    state = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert state["state"] == "failed"
    assert state["round"] == 4


def test_a_policy_object_is_resumed_with_an_equal_one(tmp_path: Path) -> None:
    scenario = network(tmp_path)
    whole = coupling.run(scenario, policy=SavedCounter())
    assert whole.rounds.scheduled.tolist() == [2, 3, 1] * 3
    stopped_after(scenario, tmp_path / "run", 4, SavedCounter())

    with pytest.raises(RunError, match="was run with the policy object SavedCounter; resume it"):
        coupling.resume(tmp_path / "run")

    assert_same_tables(coupling.resume(tmp_path / "run", policy=SavedCounter()), whole)


def test_an_error_in_observe_is_one_line(tmp_path: Path) -> None:
    class Broken(Counter):
        def observe(self, record: RoundRecord) -> None:
            raise KeyError("no such device")

    with pytest.raises(RunError, match=r"policy 'Broken', round 1: observe\(\) raised KeyError"):
        coupling.run(network(tmp_path), policy=Broken())


def test_the_command_line_finds_a_policy_beside_the_scenario(
    scenario: Scenario, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(tmp_path / "bandit.toml"), "--out", "run", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["rounds"] == 3


class Odd(Counter):
    """Policy whose state cannot be written."""

    state: Any = None

    @override
    def state_dict(self) -> Mapping[str, Any]:
        if self.state is None:
            raise KeyError("lost")
        return self.state  # type: ignore[no-any-return]

    @override
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@pytest.mark.parametrize(
    "state",
    [None, 3, {"a": np.array(["text"])}, {"a": np.zeros(2, complex)}, {"__metadata__": np.ones(1)}],
)
def test_a_state_that_cannot_be_written_is_one_line(tmp_path: Path, state: object) -> None:
    policy = Odd()
    policy.state = state

    with pytest.raises(RunError, match=r"^round 4: ") as refused:
        coupling.run(
            network(tmp_path, **{"trace.checkpoint_every": 4}), tmp_path / "run", policy=policy
        )

    assert "state_dict()" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_run_is_resumed_with_the_class_of_its_policy_only(tmp_path: Path) -> None:
    stopped_after(network(tmp_path), tmp_path / "object", 4, SavedCounter())
    stopped_after(network(tmp_path), tmp_path / "named", 4)

    with pytest.raises(RunError, match="was run with the policy object SavedCounter"):
        coupling.resume(tmp_path / "object", policy=UnsavableCounter())
    with pytest.raises(RunError, match="was run with the policy of its scenario"):
        coupling.resume(tmp_path / "named", policy=SavedCounter())
