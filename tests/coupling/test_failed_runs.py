"""Failed runs: the error line names the round, and the tables of earlier rounds are readable."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.command_line import NETWORK, Airtune

import analysis
import coupling
from coupling import RunError, Scenario
from coupling.run_directory.schema import TABLES
from learner.base import Learner
from learner.errors import DivergedError
from learner.job import RoundLosses


@dataclass
class Diverging(Learner):
    """Learner whose device 2 has an infinite loss from ``first_round`` on."""

    first_round: int
    evaluated: int = 0
    jobs: list[int] = field(default_factory=list)
    partition: None = None
    device: str = "cpu"
    samples: None = None

    def leg_bits(self, device: int, round_number: int) -> Mapping[str, int]:
        return {}

    def start(self, device: int, round_number: int) -> Any:
        self.jobs.append(device)
        return device

    def computed(self, job: Any, step: str) -> None: ...

    def delivered(self, job: Any, leg: str) -> None: ...

    def aggregate(self, aggregator: Any, round_number: int) -> RoundLosses:
        jobs = self.jobs
        self.jobs = []
        if jobs and round_number >= self.first_round:
            raise DivergedError(2, float("inf"))
        return RoundLosses(dict.fromkeys(jobs, 0.5), {})

    def evaluate(self) -> Any:
        self.evaluated += 1
        names = [
            "loss",
            "accuracy",
            "accuracy_trained",
            "accuracy_min",
            "accuracy_max",
            "panel_loss",
        ]
        return SimpleNamespace(**dict.fromkeys(names, 0.5), heads_trained=4)

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...


def assert_readable_and_complete(out: Path, rounds: int) -> None:
    """Assert that a run directory holds all tables of a number of rounds of a failed run."""
    run = analysis.load(out)
    assert run.provenance["state"] == "failed"
    assert not list(out.rglob("*.partial"))
    assert len(run.rounds) == rounds
    assert len(run.devices) == rounds * 4
    assert set(run.evaluations.get("round", [])) <= set(range(rounds + 1))
    if rounds:
        assert run.rounds["round"].tolist() == list(range(1, rounds + 1))
        assert len(run.transfers) == run.rounds.scheduled.sum()
        assert run.provenance["simulated_s"] == run.rounds.end_s.iloc[-1]


def test_an_infinite_loss_ends_the_run_and_keeps_the_earlier_rounds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = Scenario.load(
        folder / "learning.toml",
        {"rounds": 9, "learner.evaluate_every": 2, "scheduler.kind": "all_in"},
    )
    monkeypatch.setattr(
        "coupling.simulation.simulation.build_learner",
        lambda scenario, **_: Diverging(first_round=6),
    )

    with pytest.raises(
        RunError, match=r"^round 6: the loss of device 2 became inf; lower the learning rates$"
    ):
        coupling.run(scenario, folder / "out")

    assert_readable_and_complete(folder / "out", 5)
    run = analysis.load(folder / "out")
    assert run.evaluations["round"].tolist() == [0, 2, 4]
    assert run.evaluations.air_time_s.tolist() == [0.0, *run.rounds.air_time_s[[1, 3]]]
    assert (run.rounds.train_loss == 0.5).all()


def test_an_extreme_learning_rate_ends_a_real_run_with_exit_status_1(
    folder: Path, tiny_learner: str, airtune: Airtune
) -> None:
    (folder / "tiny.toml").write_text(NETWORK.replace("rounds = 3", "rounds = 40") + tiny_learner)

    answer = airtune("run", "tiny.toml", "--out", "out", "--set", "learner.optimizer.lr=1e30")

    message = answer.err.splitlines()[-1]
    assert answer.status == 1
    assert answer.out == ""
    assert "Traceback" not in answer.err
    number = int(message.removeprefix("round ").partition(":")[0])
    assert 1 <= number < 40
    assert message.startswith(f"round {number}: the loss of device ")
    assert message.endswith("; lower the learning rates")
    assert_readable_and_complete(folder / "out", number - 1)


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("cell.bandwidth_hz=1e308", "round 1: "),
        ("cell.noise_psd_w_per_hz=1e300", "round 1: "),
        ("cell.noise_psd_w_per_hz=1e-320", "round 1: "),
        ("scheduler.delay_budget_s_per_bit=1e-320", "round 1: "),
    ],
)
def test_an_extreme_number_ends_the_run_before_an_infinity_is_written(
    setting: str, line: str, folder: Path, airtune: Airtune
) -> None:
    answer = airtune("run", "network.toml", "--no-learning", "--out", "out", "--set", setting)

    assert answer.status == 1
    assert answer.out == ""
    assert answer.err.startswith(line)
    assert answer.err.endswith("; a number in the scenario is extreme\n")
    assert answer.err.count("\n") == 1
    assert_readable_and_complete(folder / "out", 0)


def test_the_provenance_of_a_complete_run_has_the_state_finished(
    folder: Path,
) -> None:
    coupling.run(Scenario.load(folder / "network.toml"), folder / "out", learning=False)

    provenance = json.loads((folder / "out" / "provenance.json").read_text())
    assert provenance["state"] == "finished"
    assert provenance["seed"] == 1
    assert provenance["learning"] is False
    assert provenance["torch_threads"] is None
    assert provenance["started"] <= provenance["ended"]
    assert {"python", "numpy", "scipy", "simpy", "pyarrow"} <= set(provenance["versions"])
    assert sorted(path.name for path in (folder / "out").iterdir() if path.is_dir()) == sorted(
        TABLES
    )
