"""Loss on the panel: a column of rounds, at evaluations only, equal for equal models."""

from pathlib import Path
from typing import Any

import pytest
from support.command_line import NETWORK

import coupling
from coupling import Scenario

FROZEN = {
    "learner.heads": {"init": "per_device", "train": "none"},
    "learner.lora": {"rank": 2, "alpha": 4, "targets": ["query"], "frozen": True},
}
RANDOM = {"scheduler.kind": "random", "scheduler.probability": 0.4}
PHASED = {
    "cell.downlink_bandwidth_hz": 5e6,
    "cell.server_tx_power_w": 20.0,
}


def rounds(folder: Path, tiny_learner: str, **settings: object) -> Any:
    """Return the table of rounds of a run in memory."""
    (folder / "tiny.toml").write_text(NETWORK.replace("rounds = 3", "rounds = 5") + tiny_learner)
    scenario = Scenario.load(folder / "tiny.toml", settings)
    return coupling.run(scenario).rounds


def test_a_frozen_model_has_one_panel_loss_under_every_policy(
    folder: Path, tiny_learner: str
) -> None:
    tables = [
        rounds(folder, tiny_learner, **FROZEN, **policy, **more)
        for policy, more in (
            ({"scheduler.kind": "all_in"}, {}),
            (RANDOM, {}),
            (RANDOM, {"learner.batch_size": 2}),
        )
    ]
    other_seed = rounds(folder, tiny_learner, **FROZEN, **RANDOM, seed=2)

    losses = [set(table.panel_loss.dropna()) for table in tables]
    assert len(losses[0]) == 1
    assert losses[0] == losses[1] == losses[2]
    assert set(other_seed.panel_loss.dropna()) != losses[0]
    assert tables[0].train_loss.tolist() != tables[1].train_loss.tolist(), "other devices"


@pytest.mark.parametrize("kind", ["aggregate", "phased", "fedavg_lora", "centralised"])
def test_a_panel_loss_is_logged_at_evaluations_only(
    folder: Path, tiny_learner: str, kind: str
) -> None:
    protocol: dict[str, object] = {"kind": kind, "payload_bit": 1e6}
    if kind == "phased":
        protocol["payload_bit"] = {"embedding": 4e6, "feature": 3e5, "gradient": 1e5}
    if kind == "fedavg_lora":
        protocol["local_steps"] = 2
    settings = {} if kind == "aggregate" else PHASED | {"protocol": protocol}

    table = rounds(folder, tiny_learner, **settings, **{"scheduler.kind": "all_in"})

    logged = table["round"][table.panel_loss.notna()].tolist()
    assert logged == [2, 4, 5], "every second round, and the last"
    assert table.panel_loss.nunique() == 3, "the model learns"


def test_a_run_without_learning_has_no_panel_loss(folder: Path, tiny_learner: str) -> None:
    (folder / "tiny.toml").write_text(NETWORK + tiny_learner)

    result = coupling.run(Scenario.load(folder / "tiny.toml", {}), learning=False)

    assert result.rounds.panel_loss.isna().all()
