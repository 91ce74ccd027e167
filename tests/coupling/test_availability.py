"""Availability of devices in a run: offered devices, aborted transfers, an unchanged world."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.command_line import NETWORK, dotted
from support.phased_runs import phased, run_all_rounds

from coupling import Scenario, run
from coupling.simulation.world import ScenarioWorld
from netsim.scheduling import POLICIES

MARKOV = {"kind": "markov", "mean_on_s": 120.0, "mean_off_s": 80.0}
OPTIONS: dict[str, dict[str, Any]] = {
    "random": {"count": 3},
    "round_robin": {"count": 3},
    "proportional_fair": {"count": 3},
    "latency_first": {"count": 3},
    "oracle_static": {"count": 3},
    "knapsack_energy": {"energy_budget_j": 20.0},
}


def network(folder: Path, **changes: object) -> Scenario:
    (folder / "network.toml").write_text(NETWORK)
    return Scenario.load(folder / "network.toml", dotted(changes))


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return tuple(pd.read_parquet(folder / name) for name in ("rounds", "devices", "transfers"))


def trace_file(folder: Path, rows: list[tuple[int, float, int]]) -> dict[str, str]:
    path = folder / "availability.csv"
    pd.DataFrame(rows, columns=["device", "time_s", "available"]).to_csv(path, index=False)
    return {"kind": "trace", "path": str(path)}


def scheduler(kind: str) -> dict[str, Any]:
    return {"kind": kind, "delay_budget_s_per_bit": 1e-6, "queue_initial_budgets": 1} | OPTIONS.get(
        kind, {}
    )


@pytest.mark.parametrize("protocol", ["aggregate", "phased"])
@pytest.mark.parametrize("kind", POLICIES)
def test_every_policy_schedules_available_devices_by_their_own_numbers(
    tmp_path: Path, kind: str, protocol: str
) -> None:
    changes: dict[str, Any] = {
        "rounds": 25,
        "devices__count": 9,
        "devices__availability": MARKOV,
        "scheduler": scheduler(kind) | {"diagnose": "devices"},
    }
    if protocol == "phased":
        run_all_rounds(phased(tmp_path, **changes), tmp_path)
    else:
        run(network(tmp_path, **changes), tmp_path / "run")

    rounds, devices, transfers = tables(tmp_path if protocol == "phased" else tmp_path / "run")
    assert 0 < devices.available.mean() < 1
    assert not (devices.scheduled & ~devices.available).any()
    assert devices.scheduled.any()
    assert devices.marginal_objective[~devices.available].isna().all()
    participants = devices[devices.scheduled][["round", "device"]].apply(tuple, axis=1)
    assert set(transfers[["round", "device"]].apply(tuple, axis=1)) == set(participants)
    if protocol == "aggregate":
        # Each row is the device's own: its rate follows from the gain and the band in the same row.
        rows = devices[devices.scheduled]
        snr = rows.gain / (rows.bandwidth_hz * 1e-11)
        np.testing.assert_allclose(rows.rate_bps, rows.bandwidth_hz * np.log2(1 + snr), rtol=1e-9)
        arrived = (transfers.status == "delivered").groupby(transfers["round"]).sum()
        assert rounds.arrived.tolist() == arrived.reindex(rounds["round"], fill_value=0).tolist()


@pytest.mark.parametrize("kind", ["exact", "random", "round_robin", "knapsack_energy"])
def test_absent_devices_change_nothing_for_the_others(tmp_path: Path, kind: str) -> None:
    # The available devices are the first four: numbers, gains and draws of the policy stay.
    away = trace_file(tmp_path, [(n, 0.0, n < 4) for n in range(9)])
    settings = {"rounds": 12, "scheduler": scheduler(kind)}

    run(network(tmp_path, devices__count=4, **settings), tmp_path / "few")
    run(
        network(tmp_path, devices__count=9, devices__availability=away, **settings),
        tmp_path / "many",
    )

    few, many = tables(tmp_path / "few"), tables(tmp_path / "many")
    wall = [column for column in few[0] if "wall" in column]
    pd.testing.assert_frame_equal(
        few[0].drop(columns=wall), many[0].drop(columns=wall), check_exact=True
    )
    common_rows = many[1][many[1].device < 4].reset_index(drop=True)
    pd.testing.assert_frame_equal(few[1], common_rows, check_exact=True)
    pd.testing.assert_frame_equal(few[2], many[2], check_exact=True)


def test_a_departure_aborts_a_transfer_with_the_bits_sent_until_then(
    tmp_path: Path,
) -> None:
    away = trace_file(
        tmp_path, [(0, 0, 1), (1, 0, 1), (2, 0, 1), (3, 0, 1), (2, 4.5, 0), (2, 4.75, 1)]
    )
    run(network(tmp_path, scheduler__kind="all_in", devices__availability=away), tmp_path / "run")

    rounds, devices, transfers = tables(tmp_path / "run")
    leaver = transfers[(transfers["round"] == 1) & (transfers.device == 2)].iloc[0]
    assert (leaver.status, leaver.start_s, leaver.end_s) == ("aborted", 0.0, 4.5)
    assert leaver.bits_delivered == np.floor(4.5 * leaver.rate_bps) < leaver.bits
    assert leaver.energy_j == 4.5
    others = transfers.drop(leaver.name)
    assert (others.status == "delivered").all()
    assert (others.bits_delivered == others.bits).all()
    # D(t) is the largest time on air, here that of the three other devices.
    assert rounds.arrived.tolist() == [3, 4, 4]
    assert rounds.delay_s[0] == pytest.approx(rounds.delay_predicted_s[0], rel=1e-12)
    assert rounds.delay_s[0] > 4.5
    assert devices.available.all()


def test_a_round_that_all_devices_leave_lasts_until_its_budget(tmp_path: Path) -> None:
    rows = [(n, 0, 1) for n in range(4)] + [(n, 2.0 + n, 0) for n in range(4)]
    away = trace_file(tmp_path, rows)
    run(network(tmp_path, scheduler__kind="all_in", devices__availability=away), tmp_path / "run")

    rounds, devices, transfers = tables(tmp_path / "run")
    assert rounds.arrived.tolist() == [0, 0, 0]
    assert rounds.delay_s.tolist() == [5.0, 0.0, 0.0]
    assert transfers.end_s.sort_values().tolist() == [2.0, 3.0, 4.0, 5.0]
    assert not devices.available[devices["round"] > 1].any()
    assert rounds.scheduled.tolist() == [4, 0, 0]
    budget_s = rounds.delay_budget_s[0]
    assert budget_s > 5.0
    np.testing.assert_allclose(rounds.end_s, budget_s * np.arange(1, 4))
    assert rounds.virtual_queue_s.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize("coherence", ["round", 2.0])
def test_a_round_without_available_devices_advances_the_clock(
    tmp_path: Path, kind: str, coherence: str | float
) -> None:
    away = trace_file(tmp_path, [(n, 0.0, 0) for n in range(4)])
    changes: dict[str, Any] = {"devices__availability": away, "scheduler": scheduler(kind)}
    changes["scheduler"]["diagnose"] = "devices"
    run_all_rounds(phased(tmp_path, channel__coherence=coherence, **changes), tmp_path)

    rounds, devices, transfers = tables(tmp_path)
    assert rounds.scheduled.tolist() == [0, 0, 0]
    assert transfers.empty
    assert not devices.available.any()
    np.testing.assert_allclose(np.diff(rounds.start_s), 44.0 if coherence == "round" else 2.0)


@pytest.mark.parametrize(
    ("left_s", "leg", "status", "computed_s"),
    [(1.0, "embedding", "aborted", 1.0), (3.0, "embedding", "aborted", 2.0)],
    ids=["computing", "sending"],
)
def test_a_device_that_leaves_during_the_split_step_misses_the_round(
    tmp_path: Path, left_s: float, leg: str, status: str, computed_s: float
) -> None:
    rows = [(n, 0, 1) for n in range(4)] + [(1, left_s, 0), (1, left_s + 0.5, 1)]
    scenario = phased(
        tmp_path,
        rounds=2,
        scheduler__kind="all_in",
        devices__availability=trace_file(tmp_path, rows),
        devices__compute={"speed_per_s": 2e9},
        protocol__operations={"embed": 4e9, "head": 1e9},
    )
    run_all_rounds(scenario, tmp_path)

    rounds, devices, transfers = tables(tmp_path)
    legs = transfers[(transfers["round"] == 1) & (transfers.device == 1)]
    assert legs[["leg", "status", "end_s"]].to_numpy().tolist() == [[leg, status, left_s]]
    row = devices[(devices["round"] == 1) & (devices.device == 1)].iloc[0]
    assert row.compute_s == computed_s
    assert rounds.arrived.tolist() == [3, 4]
    # The device returns before the next round and is offered in it.
    assert devices.available.all()


def test_a_departure_while_the_server_encodes_aborts_the_feature(tmp_path: Path) -> None:
    rows = [(n, 0, 1) for n in range(4)]
    small_payloads = {
        "protocol__payload_bit": {"embedding": 1000, "feature": 1000, "gradient": 1000}
    }
    scenario = phased(
        tmp_path,
        rounds=1,
        scheduler__kind="all_in",
        devices__availability=trace_file(tmp_path, [*rows, (3, 5.0, 0)]),
        cell__compute={"speed_per_s": 1e9, "workers": 4},
        protocol__operations={"encode": 10e9},
        **small_payloads,
    )
    run_all_rounds(scenario, tmp_path)

    _, _, transfers = tables(tmp_path)
    legs = transfers[transfers.device == 3]
    assert legs.leg.tolist() == ["embedding", "feature"]
    assert legs.status.tolist() == ["delivered", "aborted"]
    assert legs.bits_delivered.tolist() == [1000, 0]
    assert legs.start_s.iloc[1] == legs.end_s.iloc[1] > 10.0


def test_reallocation_gives_the_share_of_a_departed_device_to_the_others(
    tmp_path: Path,
) -> None:
    rows = [(n, 0, 1) for n in range(4)]
    ends = {}
    for reallocate in (False, True):
        folder = tmp_path / str(reallocate)
        folder.mkdir()
        away = trace_file(folder, [*rows, (1, 2.0, 0)])
        scenario = phased(
            folder,
            rounds=1,
            scheduler__kind="all_in",
            devices__availability=away,
            protocol__reallocate=reallocate,
        )
        run_all_rounds(scenario, folder)
        ends[reallocate] = tables(folder)[0].end_s[0]

    assert ends[True] < ends[False]


def test_all_policies_meet_the_same_availability_at_every_time(tmp_path: Path) -> None:
    # The policies have rounds of different length; under the round clock availability is equal.
    clock = {
        "world_clock": "round",
        "round_period_s": 50.0,
        "devices__availability": MARKOV,
        "rounds": 20,
    }
    offered = {}
    for kind in ("all_in", "greedy", "round_robin"):
        run(network(tmp_path, scheduler=scheduler(kind), **clock), tmp_path / kind)
        offered[kind] = tables(tmp_path / kind)[1].available

    assert 0.2 < offered["all_in"].mean() < 1
    assert offered["greedy"].equals(offered["all_in"])
    assert offered["round_robin"].equals(offered["all_in"])


def test_under_the_round_clock_a_departure_counts_from_the_round_start(
    tmp_path: Path,
) -> None:
    rows = [(n, 0, 1) for n in range(4)] + [(2, 10_004.5, 0)]
    scenario = network(
        tmp_path,
        world_clock="round",
        round_period_s=10_000.0,
        scheduler__kind="all_in",
        devices__availability=trace_file(tmp_path, rows),
    )
    run(scenario, tmp_path / "run")

    rounds, devices, transfers = tables(tmp_path / "run")
    aborted = transfers[transfers.status == "aborted"]
    assert aborted[["round", "device"]].to_numpy().tolist() == [[2, 2]]
    assert aborted.end_s.iloc[0] == pytest.approx(rounds.start_s[1] + 4.5, rel=1e-12)
    assert rounds.start_s[1] not in (0.0, 10_000.0)
    assert devices[devices["round"] == 3].available.tolist() == [True, True, False, True]


def test_availability_depends_on_neither_device_count_nor_policy(tmp_path: Path) -> None:
    world = ScenarioWorld(network(tmp_path, devices__availability=MARKOV))
    larger_world = ScenarioWorld(
        network(tmp_path, devices__availability=MARKOV, devices__count=50, scheduler__kind="greedy")
    )

    for time_s in (0.0, 300.0, 20.0, 5e4):
        assert (larger_world.at(time_s, 1).available[:4] == world.at(time_s, 1).available).all()


def test_outdated_and_noisy_csi_covers_the_offered_devices_only(tmp_path: Path) -> None:
    for csi in ({"kind": "noisy", "std_db": 3.0}, {"kind": "delayed", "blocks": 2}):
        folder = tmp_path / str(csi["kind"])
        changes = {"rounds": 12, "devices__availability": MARKOV, "scheduler__csi": csi}
        run(network(tmp_path, **changes), folder)
        devices = tables(folder)[1]

        assert 0 < devices.available.mean() < 1
        assert devices.gain_known.notna().equals(devices.available)


def test_a_trace_of_the_scheduled_devices_holds_only_their_rows(tmp_path: Path) -> None:
    changes = {"rounds": 12, "devices__count": 9, "devices__availability": MARKOV}
    changes["devices__battery"] = {"capacity_j": 300.0}
    run(network(tmp_path, **changes), tmp_path / "every")
    run(network(tmp_path, trace__devices="scheduled", **changes), tmp_path / "only")

    full, subset = tables(tmp_path / "every")[1], tables(tmp_path / "only")[1]
    expected = full[full.scheduled].reset_index(drop=True).astype(subset.dtypes)
    pd.testing.assert_frame_equal(expected, subset, check_exact=True)
