"""The keystone in time: whatever the radio loses, the weights are those of the unsplit steps of
what arrived.
"""

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
from support.phased_runs import go, laid_over, phased


def test_lost_gradients_leave_the_weights_of_what_arrived(
    tmp_path: Path, tiny_learner: str
) -> None:
    scenario = phased(
        tmp_path,
        tiny_learner,
        rounds=30,
        scheduler__kind="all_in",
        protocol__payload_bit={
            "embedding": 20_000_000,
            "feature": 20_000_000,
            "gradient": 20_000_000,
        },
        channel__coherence=1.0,
        protocol__deadline_s=45.0,
        **SPLIT,
    )
    subject = learner_of(scenario)

    go(scenario, tmp_path, subject)

    rounds = pd.read_parquet(tmp_path / "rounds")
    transfers = pd.read_parquet(tmp_path / "transfers")
    late = transfers[transfers.status == "late"]
    assert set(late.leg) == {"embedding", "feature", "gradient"}, "every leg must be lost somewhere"
    assert ((rounds.arrived > 0) & (rounds.arrived < rounds.scheduled)).any()
    expected = stepped_by_hand(
        scenario,
        transfers,
        steps_after=("feature", "downlink"),
        counts_after=("gradient", "uplink"),
    )
    assert_weights(subject, expected)
    after = heads_of(subject)
    start = heads_of(learner_of(scenario))
    moved = {device for device in range(4) if not torch.equal(after[0][device], start[0][device])}
    assert moved == set(
        transfers[(transfers.leg == "feature") & (transfers.status == "delivered")].device
    )


def test_devices_that_come_and_go_leave_the_weights_of_what_arrived(
    tmp_path: Path, tiny_learner: str
) -> None:
    scenario = phased(
        tmp_path,
        tiny_learner,
        rounds=30,
        scheduler__kind="all_in",
        protocol__payload_bit={
            "embedding": 20_000_000,
            "feature": 20_000_000,
            "gradient": 20_000_000,
        },
        devices__availability={"kind": "markov", "mean_on_s": 50.0, "mean_off_s": 20.0},
        **SPLIT,
    )
    subject = learner_of(scenario)

    go(scenario, tmp_path, subject)

    transfers = pd.read_parquet(tmp_path / "transfers")
    aborted = transfers[transfers.status == "aborted"]
    assert set(aborted.leg) == {"embedding", "feature", "gradient"}, (
        "every leg must be aborted somewhere"
    )
    expected = stepped_by_hand(
        scenario,
        transfers,
        steps_after=("feature", "downlink"),
        counts_after=("gradient", "uplink"),
    )
    assert_weights(subject, expected)


def test_the_papers_round_goes_without_those_who_left(tmp_path: Path, tiny_learner: str) -> None:
    changes = {
        "rounds": 20,
        "scheduler__kind": "all_in",
        "devices__availability": {"kind": "markov", "mean_on_s": 60.0, "mean_off_s": 20.0},
    }
    scenario = laid_over(tmp_path, "", tiny_learner, changes | SPLIT)
    subject = learner_of(scenario)

    go(scenario, tmp_path, subject)

    rounds, transfers = (pd.read_parquet(tmp_path / name) for name in ("rounds", "transfers"))
    assert ((rounds.arrived > 0) & (rounds.arrived < rounds.scheduled)).any()
    payload = ("payload", "uplink")
    assert_weights(
        subject, stepped_by_hand(scenario, transfers, steps_after=payload, counts_after=payload)
    )


def test_a_head_whose_device_leaves_while_it_computes_stays_as_it_is(
    tmp_path: Path, tiny_learner: str
) -> None:
    away = tmp_path / "away.csv"
    rows = [f"{device},0,1" for device in range(4)]
    # Legs of 1,000 bits take well below a second; the head's step takes 10 s from then on.
    away.write_text("\n".join(["device,time_s,available", *rows, "2,5,0"]))
    scenario = phased(
        tmp_path,
        tiny_learner,
        rounds=1,
        scheduler__kind="all_in",
        protocol__payload_bit={"embedding": 1_000, "feature": 1_000, "gradient": 1_000},
        protocol__operations={"head": 10e9},
        devices__compute={"speed_per_s": 1e9},
        devices__availability={"kind": "trace", "path": str(away)},
        **SPLIT,
    )
    subject = learner_of(scenario)

    go(scenario, tmp_path, subject)

    transfers = pd.read_parquet(tmp_path / "transfers")
    assert transfers[transfers.device == 2].leg.tolist() == ["embedding", "feature", "gradient"]
    assert transfers[transfers.device == 2].status.tolist() == ["delivered", "delivered", "aborted"]
    before, after = heads_of(learner_of(scenario))[0], heads_of(subject)[0]
    assert [torch.equal(before[device], after[device]) for device in range(4)] == [
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
    before = [matrix.detach().clone() for matrix in lora_of(subject)], heads_of(subject)

    go(scenario, tmp_path, subject)

    rounds = pd.read_parquet(tmp_path / "rounds")
    assert (rounds.arrived == 0).all()
    assert rounds.train_loss.isna().all()
    assert all(torch.equal(old, new) for old, new in zip(before[0], lora_of(subject), strict=True))
    assert all(torch.equal(old, new) for old, new in zip(before[1], heads_of(subject), strict=True))


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

    go(scenario, tmp_path, subject)

    transfers = pd.read_parquet(tmp_path / "transfers")
    hidden = 16
    for row in transfers.itertuples():
        rows = subject.partition.minibatch(row.device, row.round)
        tokens = subject.parts.samples.lengths[rows].max() if row.leg == "embedding" else 1
        assert row.bits == len(rows) * tokens * hidden * 32
    assert np.unique(transfers[transfers.leg == "embedding"].bits).size > 1
