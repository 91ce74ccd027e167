"""Tables of a run, recomputed from the scenario by the paper's equations."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analysis
import coupling
from coupling import Scenario

BASE = Path(__file__).resolve().parents[2] / "scenarios" / "paper" / "base.toml"
ROUNDS = 60
BAND_HZ = 10e6
NOISE_PSD = 1e-11
BITS = 51_904_512
BUDGET_S = 1e-6 * BITS
POLICIES = ("all_in", "aaba", "greedy", "algorithm1", "exact")
VARIANTS: dict[str, dict[str, Any]] = {
    policy: {"scheduler.kind": policy, "scheduler.queue_initial_budgets": 5} for policy in POLICIES
} | {
    "first round at the paper's empty queue": {},
    "full drift": {"scheduler.drift": "full"},
    "constant zeta": {
        "scheduler.zeta": {"kind": "constant", "initial": 0.3},
        "scheduler.queue_initial_budgets": 5,
    },
    "descending zeta, line 19": {
        "scheduler.zeta": {"kind": "power", "initial": 2.0, "exponent": 0.25},
        "scheduler.queue_update": "algorithm1",
        "scheduler.queue_initial_budgets": 5,
    },
}


@pytest.fixture(scope="module", params=VARIANTS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a short run of the paper's network for each policy and each reading of the paper."""
    overrides = {"rounds": ROUNDS, **VARIANTS[request.param]}
    out = tmp_path_factory.mktemp("trace") / "run"
    return analysis.load(coupling.run(Scenario.load(BASE, overrides), out, learning=False))


def scheduled(run: Any) -> pd.DataFrame:
    """Return the rows of the scheduled devices."""
    return run.devices[run.devices.scheduled]


def test_the_delay_of_a_round_is_that_of_its_slowest_device(run: Any) -> None:
    rows = scheduled(run)
    by_hand = (
        (rows.bits / rows.rate_bps)
        .groupby(rows["round"])
        .max()
        .reindex(run.rounds["round"], fill_value=0.0)
    )

    # With the empty queue of the paper, all devices take part in the first round, and none in the
    # rounds after it.
    assert run.rounds.scheduled.sum() >= 20
    np.testing.assert_allclose(run.rounds.delay_s, by_hand, rtol=1e-9)
    np.testing.assert_allclose(run.rounds.delay_s, run.rounds.delay_predicted_s, rtol=1e-9)


def test_every_rate_is_the_shannon_rate_of_its_band(run: Any) -> None:
    rows = scheduled(run)
    by_hand = rows.bandwidth_hz * np.log2(1 + rows.gain / (rows.bandwidth_hz * NOISE_PSD))

    np.testing.assert_allclose(rows.rate_bps, by_hand, rtol=1e-9)
    np.testing.assert_allclose(rows.delay_s, BITS / by_hand, rtol=1e-9)


def test_the_bandwidths_of_a_round_sum_to_the_band(run: Any) -> None:
    rows = scheduled(run)
    used_hz = rows.bandwidth_hz.groupby(rows["round"]).sum()

    assert (rows.bandwidth_hz > 0).all()
    if run.scenario["scheduler"]["kind"] == "greedy":
        assert (used_hz <= BAND_HZ * (1 + 1e-12)).all()
        assert (used_hz < BAND_HZ * 0.999).any()
    else:
        np.testing.assert_allclose(used_hz, BAND_HZ, rtol=1e-9)


def test_the_virtual_queue_follows_its_update_round_by_round(run: Any) -> None:
    scheduler = run.scenario["scheduler"]
    queue_s = scheduler["queue_initial_budgets"] * BUDGET_S

    for row in run.rounds.itertuples():
        weight = (
            zeta(scheduler["zeta"], row.round) if scheduler["queue_update"] == "algorithm1" else 1.0
        )
        assert row.virtual_queue_before_s == pytest.approx(queue_s, rel=1e-12, abs=1e-9)
        queue_s = max(0.0, queue_s + weight * (row.delay_s - BUDGET_S))
        assert row.virtual_queue_s == pytest.approx(queue_s, rel=1e-12, abs=1e-9)
    assert run.queue.virtual_queue_s.equals(run.rounds.virtual_queue_s)


def test_the_objective_is_j_of_the_round(run: Any) -> None:
    scheduler = run.scenario["scheduler"]
    rounds = run.rounds
    control = np.array([zeta(scheduler["zeta"], number) for number in rounds["round"]])
    delay = rounds.delay_s / BUDGET_S
    queue = rounds.virtual_queue_before_s / BUDGET_S
    square = delay**2 / 2 if scheduler["drift"] == "full" else 0.0

    by_hand = rounds.scheduled - control * (queue * delay + square)

    np.testing.assert_allclose(rounds.objective, by_hand, rtol=1e-9, atol=1e-9)


def zeta(table: dict[str, Any], number: int) -> float:
    """Return the control parameter of a round from the scenario's table."""
    exponent = {"constant": 0.0, "inverse_sqrt": 0.5, "power": table.get("exponent")}[table["kind"]]
    return table["initial"] * number**-exponent


def test_only_unscheduled_devices_have_nulls(run: Any) -> None:
    idle = run.devices[~run.devices.scheduled]
    of_scheduled = ["bandwidth_hz", "rate_bps", "bits", "delay_s", "energy_j"]

    assert len(idle) + len(scheduled(run)) == ROUNDS * 20
    assert idle[of_scheduled].isna().all(axis=None)
    assert scheduled(run)[of_scheduled].notna().all(axis=None)
    assert run.devices.loss.isna().all()
    losses = ["train_loss", "panel_loss"]
    assert run.rounds[losses].isna().all(axis=None)
    assert run.rounds.drop(columns=losses).notna().all(axis=None)


def test_every_table_counts_the_same_devices(run: Any) -> None:
    counted = scheduled(run).groupby("round").size().reindex(run.rounds["round"], fill_value=0)

    assert (run.rounds.scheduled.to_numpy() == counted.to_numpy()).all()
    assert (run.rounds.arrived == run.rounds.scheduled).all()
    assert len(run.transfers) == counted.sum()


def test_each_transfer_is_that_of_a_scheduled_device(run: Any) -> None:
    key = ["round", "device"]
    joined = run.transfers.merge(
        scheduled(run), on=key, suffixes=("", "_device"), validate="one_to_one"
    )
    joined = joined.merge(run.rounds[["round", "start_s"]], on="round", suffixes=("", "_round"))

    assert len(joined) == len(run.transfers)
    assert (joined.leg == "payload").all()
    assert (joined.direction == "uplink").all()
    assert (joined.status == "delivered").all()
    assert (joined.bits == BITS).all()
    assert (joined.bits_delivered == BITS).all()
    assert (joined.start_s == joined.start_s_round).all()
    assert (joined.bandwidth_hz == joined.bandwidth_hz_device).all()
    assert (joined.rate_bps == joined.rate_bps_device).all()
    assert (joined.end_s == joined.start_s + joined.delay_s).all()


def test_the_energy_is_transmit_power_times_time_on_air(run: Any) -> None:
    rows = scheduled(run)
    of_round = (
        rows.energy_j.groupby(rows["round"]).sum().reindex(run.rounds["round"], fill_value=0.0)
    )

    np.testing.assert_allclose(rows.energy_j, 1.0 * rows.delay_s, rtol=1e-12)
    np.testing.assert_allclose(run.rounds.energy_j, of_round, rtol=1e-12)


def test_rounds_follow_each_other_and_last_as_long_as_their_delay(run: Any) -> None:
    rounds = run.rounds
    lasts_s = np.where(rounds.scheduled > 0, rounds.delay_s, BUDGET_S)

    assert rounds["round"].tolist() == list(range(1, ROUNDS + 1))
    assert rounds.start_s[0] == 0.0
    assert (rounds.start_s[1:].to_numpy() == rounds.end_s[:-1].to_numpy()).all()
    np.testing.assert_allclose(rounds.end_s - rounds.start_s, lasts_s, rtol=1e-9)
    assert run.provenance["simulated_s"] == rounds.end_s.iloc[-1]


def test_the_time_on_air_is_the_sum_of_the_delays(run: Any) -> None:
    rounds = run.rounds
    idle = (rounds.scheduled == 0).sum()

    assert rounds.air_time_s.tolist() == np.cumsum(rounds.delay_s).tolist()
    np.testing.assert_allclose(
        rounds.air_time_s.iloc[-1], rounds.end_s.iloc[-1] - idle * BUDGET_S, rtol=1e-9
    )


def test_distance_and_position_belong_together_and_stay(run: Any) -> None:
    devices = run.devices
    first_round = devices[devices["round"] == 1]

    np.testing.assert_allclose(devices.distance_m, np.hypot(devices.x_m, devices.y_m), rtol=1e-12)
    assert (np.hypot(first_round.x_m - 300, first_round.y_m) <= 50).all()
    assert (devices.x_m.to_numpy().reshape(ROUNDS, 20) == first_round.x_m.to_numpy()).all()
    assert devices.device.tolist() == list(range(20)) * ROUNDS


def test_the_devices_with_the_largest_gains_take_part(run: Any) -> None:
    gain = run.devices.gain.to_numpy().reshape(ROUNDS, 20)
    chosen = run.devices.scheduled.to_numpy().reshape(ROUNDS, 20)

    for gains, selected in zip(gain, chosen, strict=True):
        assert gains[selected].min(initial=np.inf) > gains[~selected].max(initial=0.0)


def test_transmit_power_counts_in_rate_and_energy(tmp_path: Path) -> None:
    overrides = {"rounds": 5, "devices.tx_power_w": 0.5, "scheduler.kind": "all_in"}
    run = analysis.load(
        coupling.run(Scenario.load(BASE, overrides), tmp_path / "run", learning=False)
    )
    rows = run.devices

    snr = 0.5 * rows.gain / (rows.bandwidth_hz * NOISE_PSD)
    np.testing.assert_allclose(rows.rate_bps, rows.bandwidth_hz * np.log2(1 + snr), rtol=1e-9)
    np.testing.assert_allclose(rows.energy_j, 0.5 * rows.delay_s, rtol=1e-12)


def test_a_budget_that_no_device_meets_still_advances_the_clock(
    tmp_path: Path,
) -> None:
    overrides = {"rounds": 7, "scheduler.kind": "greedy", "scheduler.delay_budget_s_per_bit": 1e-12}
    run = analysis.load(
        coupling.run(Scenario.load(BASE, overrides), tmp_path / "run", learning=False)
    )

    assert (run.rounds.scheduled == 0).all()
    assert (run.rounds.delay_s == 0).all()
    assert (run.rounds.delay_predicted_s == 0).all()
    assert (run.rounds.energy_j == 0).all()
    assert (run.rounds.virtual_queue_s == 0).all()
    budget_s = 1e-12 * BITS
    np.testing.assert_allclose(run.rounds.end_s, budget_s * np.arange(1, 8), rtol=1e-12)
    assert run.transfers.empty
    assert len(run.devices) == 7 * 20


def test_a_trace_of_the_scheduled_devices_holds_only_their_rows(tmp_path: Path) -> None:
    scenario = {"rounds": 20, "scheduler.queue_initial_budgets": 5}
    full = coupling.run(Scenario.load(BASE, scenario), tmp_path / "every", learning=False)
    subset = Scenario.load(BASE, {**scenario, "trace.devices": "scheduled"})

    run = analysis.load(coupling.run(subset, tmp_path / "only", learning=False))

    expected = scheduled(analysis.load(full)).reset_index(drop=True)
    pd.testing.assert_frame_equal(
        run.devices, expected.astype(run.devices.dtypes), check_exact=True
    )
    assert 0 < len(run.devices) < 20 * 20


def test_tables_of_many_parts_read_like_tables_of_one_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = Scenario.load(BASE, {"rounds": 20, "scheduler.queue_initial_budgets": 5})
    one_part = coupling.run(scenario, tmp_path / "one", learning=False)
    monkeypatch.setattr("coupling.run_directory.writer._ROWS_PER_PART", 100)

    many_parts = coupling.run(scenario, tmp_path / "many", learning=False)

    assert len(list((one_part / "devices").iterdir())) == 1
    assert len(list((many_parts / "devices").iterdir())) > 3
    for table in ("devices", "transfers"):
        pd.testing.assert_frame_equal(
            getattr(analysis.load(many_parts), table),
            getattr(analysis.load(one_part), table),
            check_exact=True,
        )
