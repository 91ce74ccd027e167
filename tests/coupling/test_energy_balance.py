"""Energy of devices: legs and steps add up to the table, and batteries limit them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.command_line import NETWORK, dotted
from support.phased_runs import phased, run_all_rounds

from coupling import Scenario, run

ROOT = Path(__file__).resolve().parents[2]
LEGS_BIT = {"embedding": 50_331_648, "feature": 786_432, "gradient": 786_432}
Tables = dict[str, pd.DataFrame]


def tables(folder: Path) -> Tables:
    return {name: pd.read_parquet(folder / name) for name in ("rounds", "devices", "transfers")}


def aggregate(folder: Path, **changes: object) -> Tables:
    """Run the small network of the paper's protocol with some keys set (``__`` for dots)."""
    (folder / "network.toml").write_text(NETWORK)
    overrides = dotted(changes)
    return tables(run(Scenario.load(folder / "network.toml", overrides), folder / "run"))


def legs(folder: Path, **changes: object) -> Tables:
    """Run the small network with the split step's legs and some keys set (``__`` for dots)."""
    run_all_rounds(phased(folder, **changes), folder)
    return tables(folder)


COSTS: dict[str, Any] = {
    "devices__compute": {"speed_per_s": 2e9},
    "devices__energy": {"receive_w": 0.3, "kappa": 1e-28},
    "protocol__operations": {"embed": 4e9, "head": 1e9},
    "scheduler__kind": "all_in",
}


def test_sending_receiving_and_computing_cost_the_energy_of_the_model(tmp_path: Path) -> None:
    frames = legs(tmp_path, rounds=3, devices__tx_power_w=0.5, **COSTS)

    rows = frames["devices"].set_index(["round", "device"])
    timed_legs = frames["transfers"].assign(took=lambda t: t.end_s - t.start_s)
    duration_s = timed_legs.pivot_table(
        index=["round", "device"], columns="direction", values="took", aggfunc="sum"
    )
    assert len(rows) == 12
    np.testing.assert_allclose(rows.transmit_j, 0.5 * duration_s.uplink, rtol=1e-9)
    np.testing.assert_allclose(rows.receive_j, 0.3 * duration_s.downlink, rtol=1e-9)
    # kappa f^2 x cycles = 1e-28 x 4e18 x 5e9.
    np.testing.assert_allclose(rows.compute_j, 2.0, rtol=1e-12)
    np.testing.assert_allclose(
        rows.energy_j, rows.transmit_j + rows.receive_j + rows.compute_j, rtol=1e-12
    )


def test_jitter_changes_the_time_of_a_step_and_not_its_energy(tmp_path: Path) -> None:
    compute = {"speed_per_s": 2e9, "jitter": 0.5}

    rows = legs(tmp_path, rounds=3, **(COSTS | {"devices__compute": compute}))["devices"]

    assert rows.compute_s.nunique() == 12
    np.testing.assert_allclose(rows.compute_j, 2.0, rtol=1e-12)


def test_an_empty_battery_ends_transfers_at_that_instant_and_for_good(
    tmp_path: Path,
) -> None:
    frames = aggregate(
        tmp_path, rounds=4, scheduler__kind="all_in", devices__battery={"capacity_j": 100.0}
    )

    rounds, devices, transfers = frames["rounds"], frames["devices"], frames["transfers"]
    # 4 devices with 1 W for 100 s: by (7) the payload of 52 Mbit takes each device the same time.
    elapsed_s = 0.0
    for number, row in enumerate(rounds.itertuples(), 1):
        legs_of_round = transfers[transfers["round"] == number]
        full_s = row.delay_predicted_s
        if elapsed_s + full_s <= 100.0 and row.scheduled:
            assert (legs_of_round.status == "delivered").all()
            elapsed_s += full_s
        elif row.scheduled:
            assert (legs_of_round.status == "aborted").all()
            np.testing.assert_allclose(
                legs_of_round.end_s - legs_of_round.start_s, 100.0 - elapsed_s, rtol=1e-9
            )
            bits = (legs_of_round.rate_bps * (100.0 - elapsed_s)).to_numpy()
            assert (np.abs(legs_of_round.bits_delivered - bits) <= 1.0).all()
            assert row.arrived == 0
            assert row.delay_s == pytest.approx(100.0 - elapsed_s)
            elapsed_s = 100.0
    assert elapsed_s == 100.0, "the batteries ran out"
    assert devices.groupby("device").energy_j.sum().tolist() == pytest.approx([100.0] * 4)
    last_round = devices[devices["round"] == 4]
    assert not last_round.available.any()
    assert (last_round.battery_j == 0).all()
    assert rounds.scheduled.iloc[-1] == 0
    assert (rounds.end_s > rounds.start_s).all()


@pytest.mark.parametrize(
    ("capacity_j", "computed_s"), [(1.8, 1.8), (3.2, 2.0)], ids=["computing", "sending"]
)
def test_computing_and_sending_end_when_the_battery_is_empty(
    tmp_path: Path, capacity_j: float, computed_s: float
) -> None:
    # Computing the embedding takes 2 s and 2 J: 4e9 operations at 2e9 per second, kappa 1.25e-28.
    costs = COSTS | {"devices__energy": {"kappa": 1.25e-28}}

    frames = legs(tmp_path, rounds=2, devices__battery={"capacity_j": capacity_j}, **costs)

    transfers, devices = frames["transfers"], frames["devices"]
    assert (transfers.status == "aborted").all()
    assert (transfers.leg == "embedding").all()
    assert len(transfers) == 4
    first_round = devices[devices["round"] == 1]
    np.testing.assert_allclose(first_round.compute_s, computed_s, rtol=1e-12)
    np.testing.assert_allclose(transfers.start_s, computed_s, rtol=1e-12)
    np.testing.assert_allclose(first_round.energy_j, capacity_j, rtol=1e-9)
    assert not devices[devices["round"] == 2].available.any()


def test_a_device_without_charge_does_not_wait_for_a_better_channel(
    tmp_path: Path,
) -> None:
    frames = legs(
        tmp_path,
        rounds=1,
        channel__coherence=1000.0,
        protocol__outage={"min_gain_db": 0.0, "action": "skip"},
        protocol__deadline_s=500.0,
        devices__battery={"capacity_j": 1.6},
        **(COSTS | {"devices__energy": {"kappa": 1.25e-28}}),
    )

    transfers = frames["transfers"]
    assert (transfers.status == "aborted").all()
    np.testing.assert_allclose(transfers.end_s, 1.6, rtol=1e-12)


def test_a_recharged_device_is_available_again(tmp_path: Path) -> None:
    battery = {"capacity_j": 50.0, "recharge_w": 0.2}

    frames = aggregate(tmp_path, rounds=60, scheduler__kind="all_in", devices__battery=battery)

    assert (frames["transfers"].status == "aborted").any()
    # A round recharges 10 J, and 5 J are enough.
    assert frames["devices"].available.all()
    assert_batteries_follow(frames, **battery)


def test_a_solar_cell_keeps_devices_out_until_their_share_is_reached(tmp_path: Path) -> None:
    path = ROOT / "scenarios" / "energy" / "solar.toml"
    scenario = Scenario.load(path, {"rounds": 80, "seed": 3})
    battery = scenario.tables()["devices"]["battery"]

    frames = tables(run(scenario, tmp_path / "run", learning=False))

    assert frames["rounds"].arrived.mean() > 3
    returned = assert_depleted_until(
        frames, capacity_j=battery["capacity_j"], share=battery["resume_share"]
    )
    assert returned >= 4
    assert_batteries_follow(frames, **battery)
    assert_no_short_round_without_arrival(frames["rounds"], block_s=0.02)


@pytest.mark.parametrize(
    ("protocol", "block_s"), [("aggregate", 0.0), ("phased", 0.0), ("phased", 20.0)]
)
def test_batteries_do_not_make_time_stand_still(
    tmp_path: Path, protocol: str, block_s: float
) -> None:
    overrides: dict[str, Any] = {
        "rounds": 400,
        "scheduler.kind": "exact",
        "scheduler.queue_initial_budgets": 5,
        "devices.battery": {"capacity_j": 500.0, "recharge_w": 0.05},
        "channel.coherence": block_s or "round",
    }
    if protocol == "phased":
        overrides |= {
            "protocol": {"kind": "phased", "deadline_s": 60.0, "payload_bit": LEGS_BIT},
            "cell.downlink_bandwidth_hz": 10e6,
            "cell.server_tx_power_w": 20.0,
        }
    scenario = Scenario.load(ROOT / "scenarios" / "paper" / "base.toml", overrides)

    frames = tables(run(scenario, tmp_path / "run", learning=False))

    rounds = frames["rounds"]
    assert len(rounds) == 400
    nothing = (rounds.scheduled > 0) & (rounds.arrived == 0)
    assert nothing.any(), "the case in question occurs"
    assert (np.diff(rounds["round"][rounds.arrived == 0]) == 1).any(), "also twice in succession"
    assert (rounds.arrived > 0).sum() > 10
    assert_no_short_round_without_arrival(rounds, block_s=block_s)
    assert_depleted_until(frames, capacity_j=500.0, share=0.1)


def assert_no_short_round_without_arrival(rounds: pd.DataFrame, block_s: float = 0.0) -> None:
    """Assert that a round without an arrival lasts one budget, or up to the next block."""
    empty = rounds[rounds.arrived == 0]
    if block_s:
        next_s = (np.floor(empty.start_s / block_s + 1e-9) + 1) * block_s
        assert (empty.end_s >= next_s - 1e-9).all()
        block = np.floor(empty.start_s / block_s + 1e-9)
        successive = np.diff(empty["round"]) == 1
        assert (np.diff(block)[successive] >= 1).all(), "two idle rounds share a block"
    else:
        lasts_s = empty.end_s - empty.start_s
        assert (lasts_s >= empty.delay_budget_s * (1 - 1e-9)).all()


def assert_depleted_until(frames: Tables, capacity_j: float, share: float, **_: object) -> int:
    """Assert that a device which has run empty returns at its share; return the returns."""
    index = {"index": "round", "columns": "device"}
    available = frames["devices"].pivot_table(values="available", **index).to_numpy(bool)
    charge_j = frames["devices"].pivot_table(values="battery_j", **index).to_numpy()
    returns = ~available[:-1] & available[1:]
    leaves = available[:-1] & ~available[1:]
    assert leaves.any()
    assert (charge_j[1:][returns] >= share * capacity_j * (1 - 1e-12)).all()
    assert (charge_j[~available] < share * capacity_j).all()
    return int(returns.sum())


def assert_batteries_follow(
    frames: Tables, capacity_j: float, recharge_w: float = 0.0, idle_w: float = 0.0, **_: object
) -> None:
    """Assert that the charge of each device follows from the tables of the round before."""
    rounds, devices = frames["rounds"], frames["devices"]
    count = devices.device.nunique()
    charge_j = devices.battery_j.to_numpy().reshape(-1, count)
    spent_j = devices.energy_j.fillna(0.0).to_numpy().reshape(-1, count)
    duration_s = (rounds.end_s - rounds.start_s).to_numpy()[:, None]

    assert (charge_j >= 0).all()
    assert (charge_j <= capacity_j).all()
    assert (spent_j <= charge_j * (1 + 1e-9)).all()
    next_charge_j = np.clip(
        charge_j - spent_j + (recharge_w - idle_w) * duration_s, 0.0, capacity_j
    )
    np.testing.assert_allclose(charge_j[1:], next_charge_j[:-1], atol=2e-6 * capacity_j)


def assert_legs_cost_their_power(
    transfers: pd.DataFrame, *, power_w: float, receive_w: float, skipping: bool
) -> None:
    """Assert that the energy of each leg is its power times its time on air."""
    duration_s = transfers.end_s - transfers.start_s
    uplink = transfers.direction == "uplink"
    by_hand_j = duration_s * np.where(uplink, power_w, receive_w)
    if skipping:
        assert (transfers.energy_j <= by_hand_j + 1e-9).all()
    else:
        # Without skipped blocks the duration of a leg is its time on air.
        np.testing.assert_allclose(transfers.energy_j, by_hand_j, rtol=1e-9, atol=1e-9)


def assert_energies_sum(frames: Tables) -> None:
    """Assert that energies of legs sum to the devices table, and its rows to the rounds table."""
    rounds, devices, transfers = frames["rounds"], frames["devices"], frames["transfers"]
    key = [transfers["round"], transfers.device]
    rows = devices[devices.scheduled].set_index(["round", "device"])
    uplink = transfers.direction == "uplink"
    for column, legs_j in (
        ("transmit_j", transfers.energy_j.where(uplink, 0.0)),
        ("receive_j", transfers.energy_j.where(~uplink, 0.0)),
    ):
        summed_j = legs_j.groupby(key).sum().reindex(rows.index, fill_value=0.0)
        np.testing.assert_allclose(rows[column], summed_j, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        rows.energy_j, rows.transmit_j + rows.receive_j + rows.compute_j, rtol=1e-12
    )
    per_round_j = rows.energy_j.groupby("round").sum().reindex(rounds["round"], fill_value=0.0)
    np.testing.assert_allclose(rounds.energy_j, per_round_j, rtol=1e-12, atol=1e-12)
    assert (rows.compute_j <= 2.0 + 1e-12).all()
    # A device whose gradient was delivered has computed everything: 1e-28 x (2e9)^2 x 5e9.
    delivered = transfers[(transfers.leg == "gradient") & (transfers.status == "delivered")]
    complete = rows.loc[pd.MultiIndex.from_frame(delivered[["round", "device"]])]
    np.testing.assert_allclose(complete.compute_j, 2.0, rtol=1e-12)


def assert_aborts_have_a_cause(
    frames: Tables, battery: dict[str, Any] | None, *, markov: bool
) -> None:
    """Assert that only departures and empty batteries abort legs, and that charges follow."""
    devices, transfers = frames["devices"], frames["transfers"]
    assert (devices.available | ~devices.scheduled).all()
    aborted = transfers.status == "aborted"
    assert not aborted.any() or battery is not None or markov
    assert (transfers.bits_delivered[aborted] < transfers.bits[aborted]).all()
    if battery is None:
        assert devices.battery_j.isna().all()
    else:
        assert_batteries_follow(frames, **battery)
        assert (devices.battery_j[devices.available] > 0).all()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 10_000),
    moving=st.booleans(),
    coherence=st.sampled_from(["round", 0.7, 11.0]),
    action=st.sampled_from(["drop", "retry", "skip", None]),
    min_gain_db=st.floats(-58.0, -48.0),
    deadline_s=st.one_of(st.none(), st.floats(5.0, 100.0)),
    reallocate=st.booleans(),
    battery=st.one_of(
        st.none(),
        st.fixed_dictionaries(
            {
                "capacity_j": st.floats(1.0, 200.0),
                "initial": st.just([0.1, 1.0]),
                "recharge_w": st.sampled_from([0.0, 0.1]),
                "idle_w": st.sampled_from([0.0, 0.05]),
            }
        ),
    ),
    markov=st.booleans(),
    receive_w=st.sampled_from([0.0, 0.4]),
    power_w=st.sampled_from([0.5, 1.0]),
    round_clock=st.booleans(),
)
def test_energies_of_legs_and_steps_sum_to_the_tables_in_any_world(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    moving: bool,
    coherence: str | float,
    action: str | None,
    min_gain_db: float,
    deadline_s: float | None,
    reallocate: bool,
    battery: dict[str, Any] | None,
    markov: bool,
    receive_w: float,
    power_w: float,
    round_clock: bool,
) -> None:
    changes: dict[str, Any] = {
        "devices__compute": {"speed_per_s": 2e9, "jitter": 0.3},
        "devices__energy": {"receive_w": receive_w, "kappa": 1e-28},
        "devices__tx_power_w": power_w,
        "protocol__operations": {"embed": 4e9, "head": 1e9},
        "protocol__reallocate": reallocate,
    }
    if moving:
        changes["devices__mobility"] = {"kind": "random_waypoint", "speed_mps": [0.5, 5.0]}
    if action is not None:
        changes["protocol__outage"] = {"min_gain_db": min_gain_db, "action": action, "retries": 2}
    if deadline_s is not None:
        changes["protocol__deadline_s"] = deadline_s
    if battery is not None:
        changes["devices__battery"] = battery
    if markov:
        changes["devices__availability"] = {"kind": "markov", "mean_on_s": 40.0, "mean_off_s": 20.0}
    if round_clock:
        changes |= {"world_clock": "round", "round_period_s": 30.0}
    small = {"seed": seed, "rounds": 5, "channel__coherence": coherence}

    frames = legs(tmp_path_factory.mktemp("energy"), scheduler__kind="exact", **(small | changes))

    if frames["transfers"].empty:
        assert (frames["rounds"].energy_j == 0).all()
        return
    assert_legs_cost_their_power(
        frames["transfers"], power_w=power_w, receive_w=receive_w, skipping=action == "skip"
    )
    assert_energies_sum(frames)
    assert_aborts_have_a_cause(frames, battery, markov=markov)
