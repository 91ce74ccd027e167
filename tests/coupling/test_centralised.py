"""Centralised training over the air: one upload per share, one server step per round."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.phased_runs import network_with, run_all_rounds

import coupling
from coupling import Scenario
from coupling.simulation.build import build_learner
from coupling.simulation.export_world import record
from netsim.link import shannon

SHARE = 30_000_000
CENTRALISED = f"""
[protocol]
kind = "centralised"
payload_bit = {SHARE}
"""
POLICIES = [
    "exact",
    "algorithm1",
    "greedy",
    "aaba",
    "all_in",
    "random",
    "round_robin",
    "proportional_fair",
    "latency_first",
]


def centralised(folder: Path, learner: str = "", **changes: object) -> Scenario:
    return network_with(folder, CENTRALISED, learner, **changes)


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return tuple(pd.read_parquet(folder / name) for name in ("rounds", "devices", "transfers"))


@pytest.mark.parametrize("policy", POLICIES)
def test_every_device_uploads_its_data_once_under_every_policy(tmp_path: Path, policy: str) -> None:
    count = (
        {"count": 2}
        if policy in ("random", "round_robin", "proportional_fair", "latency_first")
        else {}
    )
    kind = {"kind": policy, "delay_budget_s": 60.0, **count}
    scenario = centralised(tmp_path, rounds=80, scheduler=kind)
    run_all_rounds(scenario, tmp_path)

    rounds, devices, transfers = tables(tmp_path)
    assert sorted(transfers.device) == [0, 1, 2, 3]
    assert set(transfers.leg) == {"data"}
    assert (transfers.bits == SHARE).all()
    gain = transfers.merge(devices, on=["round", "device"]).gain
    expected_s = SHARE / shannon.rate(transfers.bandwidth_hz, gain, 1e-11)
    np.testing.assert_allclose(transfers.end_s - transfers.start_s, expected_s, rtol=1e-9)
    np.testing.assert_allclose(rounds.delay_predicted_s, rounds.delay_s, rtol=1e-9)
    idle = rounds[rounds.scheduled == 0]
    assert len(idle) > 40
    np.testing.assert_allclose(idle.end_s - idle.start_s, 60.0)
    assert len(devices) == 4 * 80, "a device keeps its rows after its upload"
    assert devices.gain_known.isna().all(), "the known gain is null if it is the true gain"


def test_a_lost_upload_is_sent_again_from_its_first_bit(tmp_path: Path) -> None:
    # The mean gain gives at most about 1 Mbit/s, so a share arrives before the deadline in only a
    # part of the rounds.
    scenario = centralised(
        tmp_path,
        rounds=100,
        scheduler__kind="all_in",
        channel__coherence=5.0,
        protocol__payload_bit=20_000_000,
        protocol__deadline_s=20.0,
    )
    run_all_rounds(scenario, tmp_path)

    rounds, _, transfers = tables(tmp_path)
    delivered = transfers[transfers.status == "delivered"]
    late = transfers[transfers.status == "late"]
    assert len(late) > 3
    assert sorted(delivered.device) == [0, 1, 2, 3]
    assert (transfers.bits == 20_000_000).all()
    delivery_round = delivered.set_index("device")["round"]
    assert (late["round"] < late.device.map(delivery_round)).all()
    assert rounds.arrived.sum() == 4


def test_the_server_step_takes_time_in_every_round_once_data_is_there(tmp_path: Path) -> None:
    compute = {"speed_per_s": 1e9}
    changes = {"cell__compute": compute, "protocol__operations": {"step": 7e9}}
    run_all_rounds(centralised(tmp_path, rounds=30, scheduler__kind="all_in", **changes), tmp_path)

    rounds, _, transfers = tables(tmp_path)
    assert set(transfers["round"]) == {1}
    np.testing.assert_allclose(rounds.end_s[0] - transfers.end_s.max(), 7.0, rtol=1e-6)
    np.testing.assert_allclose((rounds.end_s - rounds.start_s)[1:], 7.0)
    assert (rounds.delay_s[1:] == 0).all()


def test_the_server_makes_no_step_before_data_arrives(tmp_path: Path) -> None:
    compute = {"speed_per_s": 1e9}
    changes = {"cell__compute": compute, "protocol__operations": {"step": 70e9}}
    run_all_rounds(
        centralised(
            tmp_path, rounds=3, protocol__deadline_s=0.5, scheduler__kind="all_in", **changes
        ),
        tmp_path,
    )

    rounds, _, _ = tables(tmp_path)
    assert (rounds.arrived == 0).all()
    # One budget, as long as a round without devices; the step would take 70 s.
    assert (rounds.delay_budget_s == 30.0).all()
    np.testing.assert_allclose(rounds.end_s - rounds.start_s, 30.0)


def test_decisions_are_diagnosed_if_few_or_no_devices_are_offered(
    tmp_path: Path,
) -> None:
    kind = {"kind": "exact", "delay_budget_s": 10.0, "drift": "full", "diagnose": "devices"}
    noisy = {"kind": "noisy", "std_db": 3.0}
    run_all_rounds(centralised(tmp_path, rounds=60, scheduler=kind | {"csi": noisy}), tmp_path)

    rounds, devices, _ = tables(tmp_path)
    decisions = pd.read_parquet(tmp_path / "decisions")
    np.testing.assert_array_equal(decisions.optimum_scheduled, rounds.scheduled)
    upload_round = devices[devices.scheduled].groupby("device")["round"].min()
    assert sorted(upload_round.index) == [0, 1, 2, 3]
    assert upload_round.nunique() > 1, "in some rounds only a part of the devices is offered"
    uploaded = devices["round"] > devices.device.map(upload_round)
    assert devices.marginal_objective[uploaded].isna().all()
    assert devices.marginal_objective[~uploaded & ~devices.scheduled].notna().all()
    assert devices.gain_known.notna().all()


def test_the_server_trains_one_head_from_the_first_round_with_data(
    tmp_path: Path, tiny_learner: str
) -> None:
    scenario = centralised(
        tmp_path,
        tiny_learner,
        rounds=40,
        scheduler={"kind": "round_robin", "count": 1, "delay_budget_s": 1.0},
        protocol__payload_bit=20_000_000,
        protocol__deadline_s=16.0,
        channel__coherence=5.0,
    )
    assert scenario.learner is not None
    subject = build_learner(scenario)

    run_all_rounds(scenario, tmp_path, subject)

    rounds, devices, _ = tables(tmp_path)
    evaluations = pd.read_parquet(tmp_path / "evaluations")
    first_round = int(rounds[rounds.arrived > 0]["round"].min())
    assert first_round > 1
    assert (rounds.train_loss.notna() == (rounds["round"] >= first_round)).all()
    assert devices.loss.isna().all()
    assert (evaluations.accuracy_min == evaluations.accuracy_max).all()
    assert evaluations.heads_trained.iloc[-1] == 1


def test_actual_payloads_are_the_shares_as_raw_data(tmp_path: Path, tiny_learner: str) -> None:
    scenario = centralised(
        tmp_path,
        tiny_learner,
        rounds=2,
        protocol__payload_bit="actual",
        scheduler={"kind": "all_in", "delay_budget_s": 1.0},
    )

    folder = coupling.run(scenario, tmp_path / "run")

    transfers = pd.read_parquet(folder / "transfers").set_index("device").bits
    assert scenario.learner is not None
    subject = build_learner(scenario)
    assert transfers.to_dict() == {
        device: subject.leg_bits(device, 1)["data"] for device in range(4)
    }
    assert transfers.nunique() > 1


def test_a_run_whose_devices_take_no_minibatches_records_none(
    tmp_path: Path, tiny_learner: str
) -> None:
    out = coupling.run(centralised(tmp_path, tiny_learner, rounds=1), tmp_path / "run")

    written = record(out, tmp_path / "world")

    assert {path.name for path in written} == {"gains.parquet", "positions.parquet"}
