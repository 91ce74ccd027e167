"""Federated averaging over the air: adapter download, local steps and adapter upload."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support.hand_computation import (
    SPLIT,
    assert_weights,
    heads_of,
    learner_of,
    lora_of,
    stepped_by_hand,
)
from support.phased_runs import network_with, run_all_rounds

from coupling import Scenario
from netsim.link import shannon

NOISE = 1e-11
SERVER_W = 20.0
DOWNLINK_HZ = 5e6
ADAPTER = 14_548_992
FEDAVG = f"""
[protocol]
kind = "fedavg_lora"
payload_bit = {ADAPTER}
"""
DOWNLINK = f"""
[cell]
downlink_bandwidth_hz = {DOWNLINK_HZ}
server_tx_power_w = {SERVER_W}
"""


def fedavg(
    folder: Path, learner: str = "", *, downlink: bool = True, **changes: object
) -> Scenario:
    tables = (DOWNLINK if downlink else "") + FEDAVG
    return network_with(folder, tables, learner, **changes)


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return tuple(pd.read_parquet(folder / name) for name in ("rounds", "devices", "transfers"))


def test_the_adapter_is_received_trained_and_sent(tmp_path: Path) -> None:
    compute = {
        "devices__compute": {"speed_per_s": 1e9},
        "devices__energy": {"receive_w": 0.5, "kappa": 1e-28},
        "protocol__operations": {"local_step": 2e9},
    }
    run_all_rounds(fedavg(tmp_path, rounds=20, protocol__local_steps=3, **compute), tmp_path)

    rounds, devices, transfers = tables(tmp_path)
    legs = transfers.merge(devices, on=["round", "device"], suffixes=("", "_device"))
    power_w = np.where(legs.direction == "uplink", 1.0, SERVER_W * legs.bandwidth_hz / DOWNLINK_HZ)
    assert len(legs) == 2 * rounds.scheduled.sum() > 40
    assert (legs.bits == ADAPTER).all()
    np.testing.assert_allclose(
        legs.end_s - legs.start_s,
        ADAPTER / shannon.rate(legs.bandwidth_hz, legs.gain, NOISE, tx_power_w=power_w),
        rtol=1e-9,
    )
    start = transfers.pivot(index=["round", "device"], columns="direction", values="start_s")
    end = transfers.pivot(index=["round", "device"], columns="direction", values="end_s")
    np.testing.assert_allclose(
        start.downlink,
        rounds.set_index("round").start_s.reindex(start.index, level="round"),
        rtol=1e-12,
    )
    # Three steps of 2e9 operations at 1e9 per second.
    np.testing.assert_allclose(start.uplink - end.downlink, 6.0, rtol=1e-9)
    scheduled = devices[devices.scheduled].set_index(["round", "device"])
    np.testing.assert_allclose(scheduled.compute_s, 6.0)
    on_air_s = end - start
    # 1 W to send, and kappa f^2 for each of 6e9 operations.
    spent_j = on_air_s.uplink * 1.0 + on_air_s.downlink * 0.5 + 1e-28 * 1e9**2 * 6e9
    np.testing.assert_allclose(scheduled.energy_j.loc[spent_j.index], spent_j, rtol=1e-9)


@pytest.mark.parametrize("downlink", [True, False])
@pytest.mark.parametrize("policy", ["exact", "algorithm1", "greedy", "aaba", "all_in"])
def test_the_predicted_delay_of_every_policy_is_exact_in_a_static_channel(
    tmp_path: Path, policy: str, downlink: bool
) -> None:
    run_all_rounds(fedavg(tmp_path, downlink=downlink, rounds=20, scheduler__kind=policy), tmp_path)

    rounds, _, transfers = tables(tmp_path)
    assert (rounds.scheduled > 0).any()
    np.testing.assert_allclose(rounds.delay_predicted_s, rounds.delay_s, rtol=1e-9)
    assert set(transfers.direction) == ({"uplink", "downlink"} if downlink else {"uplink"})


def test_half_an_adapter_takes_half_the_time_on_air(tmp_path: Path) -> None:
    air_s = []
    sent_bits = []
    for bits in (ADAPTER, ADAPTER // 2):
        folder = tmp_path / str(bits)
        folder.mkdir()
        changes = {"scheduler__kind": "all_in", "scheduler__delay_budget_s_per_bit": 1e-6}
        run_all_rounds(fedavg(folder, rounds=10, protocol__payload_bit=bits, **changes), folder)
        rounds, _, transfers = tables(folder)
        air_s.append(rounds.delay_s.to_numpy())
        sent_bits.append(transfers.bits.sum())

    assert sent_bits[0] == 2 * sent_bits[1]
    np.testing.assert_allclose(air_s[0], 2 * air_s[1], rtol=1e-9)


def test_one_local_step_gives_the_weights_of_the_unsplit_model(
    tmp_path: Path, tiny_learner: str
) -> None:
    scenario = fedavg(
        tmp_path,
        tiny_learner,
        rounds=30,
        scheduler__kind="all_in",
        channel__coherence=1.0,
        protocol__payload_bit=25_000_000,
        protocol__deadline_s=35.0,
        **SPLIT,
    )
    subject = learner_of(scenario)
    initial_heads = heads_of(subject)

    run_all_rounds(scenario, tmp_path, subject)

    rounds, devices, transfers = tables(tmp_path)
    late = transfers[transfers.status == "late"]
    assert set(late.direction) == {"uplink", "downlink"}, "both legs must be lost at least once"
    assert ((rounds.arrived > 0) & (rounds.arrived < rounds.scheduled)).any()
    expected = stepped_by_hand(
        scenario, transfers, steps_after=("adapter", "downlink"), counts_after=("adapter", "uplink")
    )
    assert_weights(subject, expected)
    received = transfers[(transfers.direction == "downlink") & (transfers.status == "delivered")]
    moved = {
        device
        for device in range(4)
        if not torch.equal(heads_of(subject)[0][device], initial_heads[0][device])
    }
    assert moved == set(received.device)
    trained = devices[devices.loss.notna()].set_index(["round", "device"]).index
    assert sorted(trained) == sorted(zip(received["round"], received.device, strict=True))


def test_a_round_in_which_no_adapter_arrives_changes_no_lora_matrix(
    tmp_path: Path, tiny_learner: str
) -> None:
    scenario = fedavg(
        tmp_path,
        tiny_learner,
        downlink=False,
        rounds=3,
        scheduler__kind="all_in",
        protocol__deadline_s=1e-3,
        **SPLIT,
    )
    subject = learner_of(scenario)
    initial = [matrix.detach().clone() for matrix in lora_of(subject)]

    run_all_rounds(scenario, tmp_path, subject)

    rounds, _, _ = tables(tmp_path)
    assert (rounds.arrived == 0).all()
    assert rounds.train_loss.notna().all(), "the heads stepped"
    assert all(torch.equal(old, new) for old, new in zip(initial, lora_of(subject), strict=True))


def test_actual_payloads_are_the_learners_lora_parameters(
    tmp_path: Path, tiny_learner: str
) -> None:
    scenario = fedavg(
        tmp_path,
        tiny_learner,
        rounds=2,
        protocol__payload_bit="actual",
        scheduler={"kind": "all_in", "delay_budget_s": 1.0},
    )

    run_all_rounds(scenario, tmp_path, learner_of(scenario))

    _, _, transfers = tables(tmp_path)
    # Rank 2 on query and value of two layers, 16 inputs and 16 outputs each.
    assert (transfers.bits == 4 * 2 * (16 + 16) * 32).all()


def test_more_local_steps_take_as_many_minibatches(tmp_path: Path, tiny_learner: str) -> None:
    scenario = fedavg(tmp_path, tiny_learner, rounds=2, protocol__local_steps=3, **SPLIT)
    subject = learner_of(scenario)

    run_all_rounds(scenario, tmp_path, subject)

    rounds, _, _ = tables(tmp_path)
    assert rounds.train_loss.notna().any()
    assert len(subject.partition.minibatch(0, 1)) == 3 * 4
