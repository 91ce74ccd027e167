"""Phased protocol in time: three legs, two bands, compute, queue, outage and deadline."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.phased_runs import phased, run_all_rounds

from netsim.link import shannon

NOISE = 1e-11
SERVER_W = 20.0
DOWNLINK_HZ = 5e6
UPLINK_HZ = 10e6


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return tuple(pd.read_parquet(folder / name) for name in ("rounds", "devices", "transfers"))


def test_in_a_static_channel_every_leg_takes_its_bits_over_its_rate(tmp_path: Path) -> None:
    run_all_rounds(phased(tmp_path, rounds=20), tmp_path)

    rounds, devices, transfers = tables(tmp_path)
    legs = transfers.merge(devices, on=["round", "device"], suffixes=("", "_device"))
    uplink_bps = shannon.rate(legs.bandwidth_hz, legs.gain, NOISE)
    # The server spreads its power evenly over its band: a share of the band has an equal share of
    # the power.
    power_w = SERVER_W * legs.bandwidth_hz / DOWNLINK_HZ
    downlink_bps = shannon.rate(legs.bandwidth_hz, legs.gain, NOISE, tx_power_w=power_w)
    expected_s = legs.bits / np.where(legs.direction == "uplink", uplink_bps, downlink_bps)
    assert len(legs) == 3 * rounds.scheduled.sum() > 60
    np.testing.assert_allclose(legs.end_s - legs.start_s, expected_s, rtol=1e-9)
    air_s = (
        legs.assign(air=expected_s)
        .groupby("round")
        .apply(lambda g: g.groupby("device").air.sum().max())
    )
    np.testing.assert_allclose(rounds.set_index("round").delay_s.loc[air_s.index], air_s, rtol=1e-9)


@pytest.mark.parametrize("policy", ["exact", "algorithm1", "greedy", "aaba", "all_in"])
def test_the_static_prediction_includes_the_downlink_and_is_exact(
    tmp_path: Path, policy: str
) -> None:
    run_all_rounds(phased(tmp_path, rounds=20, scheduler__kind=policy), tmp_path)

    rounds, _, _ = tables(tmp_path)
    assert (rounds.scheduled > 0).any()
    np.testing.assert_allclose(rounds.delay_predicted_s, rounds.delay_s, rtol=1e-9)


def test_the_downlink_is_shared_as_the_uplink(tmp_path: Path) -> None:
    run_all_rounds(phased(tmp_path, rounds=5), tmp_path)

    _, _, transfers = tables(tmp_path)
    share = transfers.pivot(index=["round", "device"], columns="leg", values="bandwidth_hz")
    np.testing.assert_allclose(share.feature, share.embedding * DOWNLINK_HZ / UPLINK_HZ, rtol=1e-12)
    np.testing.assert_allclose(share.groupby("round").embedding.sum(), UPLINK_HZ, rtol=1e-9)


def test_each_leg_waits_for_the_steps_before_it(tmp_path: Path) -> None:
    scenario = phased(
        tmp_path,
        rounds=5,
        devices__compute={"speed_per_s": 1e9},
        cell__compute={"workers": 1, "speed_per_s": 1e9},
        protocol__operations={"embed": 2e9, "encode": 7e9, "head": 1e9, "backward": 3e9},
    )
    run_all_rounds(scenario, tmp_path)

    rounds, devices, transfers = tables(tmp_path)
    start = transfers.pivot(index=["round", "device"], columns="leg", values="start_s")
    end = transfers.pivot(index=["round", "device"], columns="leg", values="end_s")
    round_start_s = rounds.set_index("round").start_s.reindex(start.index, level="round")
    np.testing.assert_allclose(start.embedding, round_start_s + 2.0, atol=1e-9)
    encoding_s = start.feature - end.embedding
    np.testing.assert_allclose(start.gradient - end.feature, 1.0, atol=1e-6)
    assert (encoding_s > 7.0 - 1e-6).all()
    # With one worker, two features are ready at least one service time apart.
    for _, start_s in start.groupby("round").feature:
        assert (np.diff(np.sort(start_s)) > 7.0 - 1e-6).all()
    scheduled = devices[devices.scheduled].set_index(["round", "device"])
    np.testing.assert_allclose(scheduled.compute_s, 2.0 + 7.0 + 1.0 + 3.0, atol=1e-9)
    # The waiting time contains the wait for the encoder and the wait at the barrier.
    assert (scheduled.wait_s - (encoding_s - 7.0) > -1e-6).all()
    last_end_s = end.groupby("round").gradient.max()
    np.testing.assert_allclose(
        rounds.set_index("round").end_s.loc[last_end_s.index] - last_end_s,
        3.0 * rounds.set_index("round").arrived.loc[last_end_s.index],
        atol=1e-6,
    )


def test_a_lost_leg_ends_the_devices_round_and_counts_in_delay_and_energy(tmp_path: Path) -> None:
    scenario = phased(tmp_path, rounds=40, scheduler__kind="all_in", protocol__deadline_s=120.0)
    run_all_rounds(scenario, tmp_path)

    rounds, devices, transfers = tables(tmp_path)
    late = transfers[transfers.status == "late"]
    assert len(late) > 5
    assert (rounds.arrived < rounds.scheduled).any()
    np.testing.assert_allclose(
        late.end_s - late["round"].map(rounds.set_index("round").start_s), 120.0
    )
    assert (late.bits_delivered < late.bits).all()
    last_legs = transfers.groupby(["round", "device"]).tail(1)
    complete = last_legs[(last_legs.leg == "gradient") & (last_legs.status == "delivered")]
    pd.testing.assert_series_equal(
        complete.groupby("round")
        .size()
        .reindex(rounds["round"], fill_value=0)
        .reset_index(drop=True),
        rounds.arrived,
        check_names=False,
    )
    uplink = transfers[transfers.direction == "uplink"]
    on_air_s = (uplink.end_s - uplink.start_s).groupby([uplink["round"], uplink.device]).sum()
    energy = devices[devices.scheduled].set_index(["round", "device"]).energy_j
    np.testing.assert_allclose(energy.loc[on_air_s.index], on_air_s * 1.0, rtol=1e-9)


@pytest.mark.parametrize("deadline_s", [0.5, 50.0])
def test_a_round_without_arrivals_lasts_a_budget_or_its_deadline(
    tmp_path: Path, deadline_s: float
) -> None:
    # An embedding of 4 Gbit takes each of four devices more than 50 s.
    changes = {
        "scheduler__kind": "all_in",
        "scheduler__delay_budget_s": 44.0,
        "protocol__payload_bit__embedding": 4e9,
        "protocol__deadline_s": deadline_s,
    }
    run_all_rounds(phased(tmp_path, rounds=4, **changes), tmp_path)

    rounds, _, transfers = tables(tmp_path)
    assert (rounds.scheduled == 4).all()
    assert (rounds.arrived == 0).all()
    assert (transfers.status == "late").all()
    assert (rounds.delay_budget_s == 44.0).all()
    np.testing.assert_allclose(rounds.end_s - rounds.start_s, max(deadline_s, 44.0))
    np.testing.assert_allclose(rounds.delay_s, deadline_s)


@pytest.mark.parametrize("coherence", ["round", 3.0])
def test_a_leg_ready_after_the_deadline_is_late_without_time_on_air(
    tmp_path: Path, coherence: float | str
) -> None:
    scenario = phased(
        tmp_path,
        rounds=3,
        channel__coherence=coherence,
        scheduler__kind="all_in",
        devices__compute={"speed_per_s": 1e9},
        protocol__operations={"embed": 2e9},
        protocol__deadline_s=1.0,
    )
    run_all_rounds(scenario, tmp_path)

    rounds, _, transfers = tables(tmp_path)
    assert len(transfers) == rounds.scheduled.sum() == 12
    assert (transfers.status == "late").all()
    assert (transfers.bits_delivered == 0).all()
    np.testing.assert_array_equal(transfers.start_s, transfers.end_s)
    # Nothing arrives: the round lasts until the next block, or one budget.
    lasts_s = 3.0 if coherence == 3.0 else 44.0
    np.testing.assert_allclose(rounds.end_s - rounds.start_s, lasts_s)
    assert (rounds.delay_s == 0).all()
    assert (rounds.energy_j == 0).all()


def test_a_block_that_is_skipped_until_the_deadline_costs_no_energy(tmp_path: Path) -> None:
    scenario = phased(
        tmp_path,
        rounds=3,
        channel__coherence=1000.0,
        scheduler__kind="all_in",
        protocol__outage={"min_gain_db": 0.0, "action": "skip"},
        protocol__deadline_s=1.0,
    )
    run_all_rounds(scenario, tmp_path)

    rounds, _, transfers = tables(tmp_path)
    assert (transfers.status == "late").all()
    np.testing.assert_allclose(rounds.delay_s, 1.0)
    assert (rounds.energy_j == 0).all()


def test_outages_in_every_block_advance_the_clock_by_the_budget(tmp_path: Path) -> None:
    outage = {"min_gain_db": 0.0, "action": "drop"}
    scenario = phased(tmp_path, rounds=3, protocol__outage=outage, scheduler__kind="all_in")
    run_all_rounds(scenario, tmp_path)

    rounds, _, transfers = tables(tmp_path)
    assert (transfers.status == "lost").all()
    assert (transfers.bits_delivered == 0).all()
    np.testing.assert_allclose(np.diff(rounds.start_s), scenario.delay_budget_s)


def assert_legs_are_in_order(transfers: pd.DataFrame) -> None:
    """Assert that each device sends its legs one after another, each after a delivered one."""
    order = {"embedding": 0, "feature": 1, "gradient": 2}
    for (round_number, device), legs in transfers.groupby(["round", "device"]):
        place = f"round {round_number}, device {device}"
        leg_number = legs.leg.map(order)
        advanced = leg_number.to_numpy()[1:] > leg_number.to_numpy()[:-1]
        delivered = (legs.status == "delivered").to_numpy()
        assert (legs.start_s.to_numpy()[1:] >= legs.end_s.to_numpy()[:-1] - 1e-9).all(), place
        assert leg_number.is_monotonic_increasing, place
        assert delivered[:-1][advanced].all(), f"{place}: a leg needs the leg before"


def assert_shares_fit(transfers: pd.DataFrame) -> None:
    """Assert that the shares of each round fill at most the band of their direction."""
    for direction, band_hz in (("uplink", UPLINK_HZ), ("downlink", DOWNLINK_HZ)):
        legs = transfers[transfers.direction == direction]
        for round_number, legs_of_round in legs.groupby("round"):
            duration_s = legs_of_round.end_s - legs_of_round.start_s
            used = (legs_of_round.bandwidth_hz * duration_s).sum()
            span_s = legs_of_round.end_s.max() - legs_of_round.start_s.min()
            assert used <= band_hz * span_s * (1 + 1e-9) + 1e-6, (direction, round_number)


@pytest.mark.parametrize("action", ["drop", "retry", "skip"])
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 10_000),
    coherence=st.sampled_from([0.3, 2.0, 11.0]),
    min_gain_db=st.floats(-58.0, -45.0),
    deadline_s=st.one_of(st.none(), st.floats(5.0, 200.0)),
    reallocate=st.booleans(),
)
def test_bits_balance_shares_fit_and_legs_are_in_order_in_any_channel(
    tmp_path_factory: pytest.TempPathFactory,
    action: str,
    seed: int,
    coherence: float,
    min_gain_db: float,
    deadline_s: float | None,
    reallocate: bool,
) -> None:
    folder = tmp_path_factory.mktemp("phased")
    changes: dict[str, object] = {} if deadline_s is None else {"protocol__deadline_s": deadline_s}
    scenario = phased(
        folder,
        seed=seed,
        rounds=4,
        channel__coherence=coherence,
        protocol__outage={"min_gain_db": min_gain_db, "action": action, "retries": 2},
        protocol__reallocate=reallocate,
        scheduler__kind="exact",
        **changes,
    )
    run_all_rounds(scenario, folder)

    rounds, _, transfers = tables(folder)
    assert (np.diff(rounds.start_s) > 0).all()
    assert (rounds.arrived <= rounds.scheduled).all()
    if transfers.empty:
        return
    delivered = transfers.status == "delivered"
    assert (transfers.bits_delivered[delivered] == transfers.bits[delivered]).all()
    assert (transfers.bits_delivered[~delivered] <= transfers.bits[~delivered]).all()
    assert (transfers.end_s >= transfers.start_s).all()
    assert_legs_are_in_order(transfers)
    assert_shares_fit(transfers)
    queue = np.maximum(rounds.virtual_queue_before_s + rounds.delay_s - rounds.delay_budget_s, 0.0)
    np.testing.assert_allclose(rounds.virtual_queue_s, queue, atol=1e-9)
