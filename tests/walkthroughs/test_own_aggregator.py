"""Walk-through: an aggregator written in one file beside the scenario."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command_line import NETWORK

import coupling
from coupling import RunError, Scenario, ScenarioError
from coupling.scenario.errors import Interrupted

AGGREGATORS = '''
"""Aggregators of our own."""

import numpy as np
import torch

from learner.aggregation import Aggregator, LinearAggregator


class FirstHalf(LinearAggregator):
    """Weighted mean of the updates of the devices with even numbers."""

    def weights(self, jobs, staleness):
        return np.array([1.0 if job.device % 2 == 0 else 1e-9 for job in jobs])


class Median(Aggregator):
    """Coordinate-wise median of the updates."""

    def __init__(self, weighting="uniform"):
        super().__init__(weighting)
        self.updates = []

    def add(self, job, update, staleness):
        self.updates.append(update)

    def apply(self, model):
        by_matrix = zip(*(update.matrices for update in self.updates), strict=True)
        model.step([torch.stack(values).median(dim=0).values for values in by_matrix])
        self.updates = []


class Momentum(Median):
    """Median with a memory that no checkpoint saves."""

    def __init__(self, weighting="uniform"):
        super().__init__(weighting)
        self.rounds = 0

    def apply(self, model):
        super().apply(model)
        self.rounds += 1
'''
FEDERATED = """
[protocol]
kind = "fedavg_lora"
payload_bit = "actual"
local_steps = 2

[scheduler]
kind = "all_in"
delay_budget_s = 50.0
"""


@pytest.fixture(params=["aggregate", "fedavg_lora"])
def scenario(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tiny_learner: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Scenario]:
    """Return a learning scenario; the aggregators lie beside its file."""
    (tmp_path / "rules.py").write_text(AGGREGATORS)
    (tmp_path / "base.toml").write_text(NETWORK + tiny_learner)
    text = FEDERATED if request.param == "fedavg_lora" else ""
    (tmp_path / "own.toml").write_text(f'extends = "base.toml"\n{text}')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    yield Scenario.load(tmp_path / "own.toml", {"rounds": 4, "scheduler.kind": "all_in"})
    sys.modules.pop("rules", None)


def final_loss(scenario: Scenario, kind: str) -> float:
    result = coupling.run(scenario.with_overrides({"learner.lora.aggregation": kind}))
    return float(result.evaluations.loss.iloc[-1])


def test_rules_beside_the_scenario_change_what_is_learned(scenario: Scenario) -> None:
    kinds = ("factors", "rules:FirstHalf", "rules:Median")

    losses = [final_loss(scenario, kind) for kind in kinds]

    assert len(set(losses)) == 3
    assert final_loss(scenario, "rules:Median") == losses[2]


def test_a_run_with_a_rule_is_resumed_to_the_same_tables(
    scenario: Scenario, tmp_path: Path
) -> None:
    own = scenario.with_overrides({"learner.lora.aggregation": "rules:Median"})
    rounds: list[int] = []
    with pytest.raises(Interrupted):
        coupling.run(
            own,
            tmp_path / "run",
            on_round=lambda record: rounds.append(record.round),
            stop=lambda: len(rounds) == 2,
        )

    resumed = coupling.resume(tmp_path / "run")

    assert resumed.evaluations.equals(coupling.run(own).evaluations)


def test_a_rule_with_a_memory_is_refused_at_the_first_checkpoint(
    scenario: Scenario, tmp_path: Path
) -> None:
    own = scenario.with_overrides(
        {"learner.lora.aggregation": "rules:Momentum", "trace.checkpoint_every": 2}
    )

    with pytest.raises(RunError, match=r"^round 2: aggregator 'Momentum' has changed its attr"):
        coupling.run(own, tmp_path / "run")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("rules:Absent", "has no attribute 'Absent'"),
        ("absent:Median", "No module named 'absent'"),
        ("median", "is not 'factors' or 'package.module:Class'"),
    ],
)
def test_a_rule_that_is_not_there_is_refused_in_one_line(
    scenario: Scenario, kind: str, reason: str
) -> None:
    with pytest.raises(ScenarioError) as refused:
        coupling.run(scenario.with_overrides({"learner.lora.aggregation": kind}))

    line = str(refused.value)
    assert "learner.lora.aggregation" in line
    assert reason in line
    assert len(line.splitlines()) == 1
