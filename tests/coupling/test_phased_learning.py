"""Weights of phased runs with losses: equal to unsplit steps of the delivered legs."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from support.hand_computation import (
    SPLIT,
    assert_weights,
    heads_of,
    learner_of,
    lora_of,
    stepped_by_hand,
)
from support.phased_runs import network_with, phased, run_all_rounds

EQUAL_LEGS = dict.fromkeys(("embedding", "feature", "gradient"), 20_000_000)


def test_lost_legs_give_the_weights_of_the_delivered_legs(
    tmp_path: Path, tiny_learner: str
) -> None:
    scenario = phased(
        tmp_path,
        tiny_learner,
        rounds=30,
        scheduler__kind="all_in",
        protocol__payload_bit=EQUAL_LEGS,
        channel__coherence=1.0,
        protocol__deadline_s=45.0,
        **SPLIT,
    )
    subject = learner_of(scenario)

    run_all_rounds(scenario, tmp_path, subject)

    rounds = pd.read_parquet(tmp_path / "rounds")
    transfers = pd.read_parquet(tmp_path / "transfers")
    late = transfers[transfers.status == "late"]
    assert set(late.leg) == {"embedding", "feature", "gradient"}, (
        "every leg must be lost at least once"
    )
    assert ((rounds.arrived > 0) & (rounds.arrived < rounds.scheduled)).any()
    expected = stepped_by_hand(
        scenario,
        transfers,
        steps_after=("feature", "downlink"),
        counts_after=("gradient", "uplink"),
    )
    assert_weights(subject, expected)
    final_heads = heads_of(subject)
    initial_heads = heads_of(learner_of(scenario))
    moved = {
        device
        for device in range(4)
        if not torch.equal(final_heads[0][device], initial_heads[0][device])
    }
    assert moved == set(
        transfers[(transfers.leg == "feature") & (transfers.status == "delivered")].device
    )


def test_departures_give_the_weights_of_the_delivered_legs(
    tmp_path: Path, tiny_learner: str
) -> None:
    scenario = phased(
        tmp_path,
        tiny_learner,
        rounds=30,
        scheduler__kind="all_in",
        protocol__payload_bit=EQUAL_LEGS,
        devices__availability={"kind": "markov", "mean_on_s": 50.0, "mean_off_s": 20.0},
        **SPLIT,
    )
    subject = learner_of(scenario)

    run_all_rounds(scenario, tmp_path, subject)

    transfers = pd.read_parquet(tmp_path / "transfers")
    aborted = transfers[transfers.status == "aborted"]
    assert set(aborted.leg) == {"embedding", "feature", "gradient"}, (
        "every leg must be aborted at least once"
    )
    expected = stepped_by_hand(
        scenario,
        transfers,
        steps_after=("feature", "downlink"),
        counts_after=("gradient", "uplink"),
    )
    assert_weights(subject, expected)


def test_the_round_of_the_paper_leaves_out_departed_devices(
    tmp_path: Path, tiny_learner: str
) -> None:
    changes = {
        "rounds": 20,
        "scheduler__kind": "all_in",
        "devices__availability": {"kind": "markov", "mean_on_s": 120.0, "mean_off_s": 20.0},
    }
    scenario = network_with(tmp_path, "", tiny_learner, **(changes | SPLIT))
    subject = learner_of(scenario)

    run_all_rounds(scenario, tmp_path, subject)

    rounds, transfers = (pd.read_parquet(tmp_path / name) for name in ("rounds", "transfers"))
    assert ((rounds.arrived > 0) & (rounds.arrived < rounds.scheduled)).any()
    payload = ("payload", "uplink")
    assert_weights(
        subject, stepped_by_hand(scenario, transfers, steps_after=payload, counts_after=payload)
    )


def test_the_head_of_a_device_that_leaves_while_computing_is_unchanged(
    tmp_path: Path, tiny_learner: str
) -> None:
    availability_file = tmp_path / "away.csv"
    rows = [f"{device},0,1" for device in range(4)]
    # Legs of 1,000 bits take well below a second; the step of the head takes 10 s after them.
    availability_file.write_text("\n".join(["device,time_s,available", *rows, "2,5,0"]))
    scenario = phased(
        tmp_path,
        tiny_learner,
        rounds=1,
        scheduler__kind="all_in",
        protocol__payload_bit={"embedding": 1_000, "feature": 1_000, "gradient": 1_000},
        protocol__operations={"head": 10e9},
        devices__compute={"speed_per_s": 1e9},
        devices__availability={"kind": "trace", "path": str(availability_file)},
        **SPLIT,
    )
    subject = learner_of(scenario)

    run_all_rounds(scenario, tmp_path, subject)

    transfers = pd.read_parquet(tmp_path / "transfers")
    assert transfers[transfers.device == 2].leg.tolist() == ["embedding", "feature", "gradient"]
    assert transfers[transfers.device == 2].status.tolist() == ["delivered", "delivered", "aborted"]
    initial, final = heads_of(learner_of(scenario))[0], heads_of(subject)[0]
    assert [torch.equal(initial[device], final[device]) for device in range(4)] == [
        False,
        False,
        True,
        False,
    ]


def test_a_round_in_which_no_gradient_arrives_changes_no_lora_matrix(
    tmp_path: Path, tiny_learner: str
) -> None:
    scenario = phased(
        tmp_path,
        tiny_learner,
        rounds=3,
        scheduler__kind="all_in",
        protocol__deadline_s=1e-3,
        **SPLIT,
    )
    subject = learner_of(scenario)
    initial_lora = [matrix.detach().clone() for matrix in lora_of(subject)]
    initial_heads = heads_of(subject)

    run_all_rounds(scenario, tmp_path, subject)

    rounds = pd.read_parquet(tmp_path / "rounds")
    assert (rounds.arrived == 0).all()
    assert rounds.train_loss.isna().all()
    for old, new in zip(
        (*initial_lora, *initial_heads), (*lora_of(subject), *heads_of(subject)), strict=True
    ):
        assert torch.equal(old, new)


def test_actual_payloads_are_those_of_the_minibatches(tmp_path: Path, tiny_learner: str) -> None:
    scenario = phased(
        tmp_path,
        tiny_learner,
        rounds=3,
        protocol__payload_bit="actual",
        scheduler={"kind": "all_in", "delay_budget_s": 1.0},
        **SPLIT,
    )
    subject = learner_of(scenario)

    run_all_rounds(scenario, tmp_path, subject)

    transfers = pd.read_parquet(tmp_path / "transfers")
    hidden = 16
    for row in transfers.itertuples():
        rows = subject.partition.minibatch(row.device, row.round)
        tokens = subject.parts.samples.lengths[rows].max() if row.leg == "embedding" else 1
        assert row.bits == len(rows) * tokens * hidden * 32
    assert np.unique(transfers[transfers.leg == "embedding"].bits).size > 1
