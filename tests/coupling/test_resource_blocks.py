"""Runs in whole resource blocks, with and without power control."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import coupling
from coupling.scenario.errors import ScenarioError
from netsim.link.resource_blocks import block_rates
from netsim.link.shannon_link import ShannonLink
from netsim.scheduling import POLICIES, Allocation

BASE = "paper/base"
BLOCK_HZ = 180e3
NOISE = 1e-11
BLOCKS = {"cell.bandwidth_hz": 20e6, "cell.resource_block_hz": BLOCK_HZ}
CAPPED = {"efficiency": 0.6, "max_bps_per_hz": 4.4, "min_snr_db": -10.0}
CONTROL = {"p0_dbm": -20.0, "alpha": 0.8}
OPTIONS: dict[str, dict[str, Any]] = {
    name: {"scheduler.count": 4}
    for name in ("latency_first", "round_robin", "proportional_fair", "random", "oracle_static")
} | {"knapsack_energy": {"scheduler.energy_budget_j": 1.0}}


def scenario(name: str = BASE, **overrides: Any) -> coupling.Scenario:
    values = {key.replace("__", "."): value for key, value in overrides.items()}
    return coupling.Scenario.load(name, {"rounds": 4} | BLOCKS | values)


def tables(folder: Path, chosen: coupling.Scenario) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the transfers and the scheduled devices of a run."""
    coupling.run(chosen, folder, learning=False)
    devices = pd.read_parquet(folder / "devices")
    return pd.read_parquet(folder / "transfers"), devices[devices.scheduled]


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_every_policy_gives_whole_blocks_within_the_band(policy: str, tmp_path: Path) -> None:
    options = OPTIONS.get(policy, {})
    chosen = coupling.Scenario.load(
        BASE, {"rounds": 4} | BLOCKS | {"scheduler.kind": policy} | options
    )

    transfers, devices = tables(tmp_path / "run", chosen)
    blocks = devices.bandwidth_hz / BLOCK_HZ

    assert len(transfers) > 0
    np.testing.assert_allclose(blocks, blocks.round(), atol=1e-9)
    assert (blocks.groupby(devices["round"]).sum() <= 106 + 1e-6).all()
    assert (transfers.status == "delivered").all()
    assert (transfers.resource_blocks * BLOCK_HZ <= transfers.bandwidth_hz * (1 + 1e-12)).all()


@pytest.mark.parametrize("control", [None, CONTROL])
def test_rate_power_and_energy_are_those_of_the_blocks_in_use(
    control: dict[str, float] | None, tmp_path: Path
) -> None:
    extra = {} if control is None else {"devices__power_control": control}
    transfers, devices = tables(
        tmp_path / "run", scenario(channel__link=CAPPED, devices__tx_power_w=0.2, **extra)
    )
    rows = transfers.merge(devices, on=["round", "device"], suffixes=("", "_device"))
    link = ShannonLink(**CAPPED)

    assert len(rows) > 0
    assert (rows.tx_power_w < 0.2).any() == (control is not None)
    for row in rows.itertuples():
        per_block_w = None
        if control is not None:
            # -20 dBm is 1e-5 W; 80 % of the path loss (d / 10 m)^3.5 is made up for.
            per_block_w = np.array([1e-5 * max(row.distance_m / 10.0, 1.0) ** (3.5 * 0.8)])
        granted = round(row.bandwidth_hz / BLOCK_HZ)
        rates_bps, used = block_rates(
            link,
            BLOCK_HZ,
            np.array([row.gain]),
            granted,
            noise_psd=NOISE,
            max_power_w=np.array([0.2]),
            power_per_block_w=per_block_w,
        )
        assert row.rate_bps == pytest.approx(rates_bps[0, -1], rel=1e-12)
        assert row.resource_blocks == pytest.approx(used[0, -1])
        assert row.spectral_efficiency == pytest.approx(row.rate_bps / (used[0, -1] * BLOCK_HZ))
        expected_w = 0.2 if per_block_w is None else min(0.2, used[0, -1] * per_block_w[0])
        assert row.tx_power_w == pytest.approx(expected_w, rel=1e-12)
        assert row.energy_j == pytest.approx(row.tx_power_w * (row.end_s - row.start_s))


@pytest.mark.parametrize("control", [None, CONTROL])
def test_phased_transfers_over_fading_blocks_keep_bits_and_energy(
    control: dict[str, float] | None, tmp_path: Path
) -> None:
    extra: dict[str, Any] = {} if control is None else {"devices.power_control": control}
    chosen = coupling.Scenario.load(
        "phased",
        {"rounds": 3, "channel.coherence": 0.5, "channel.link": CAPPED} | BLOCKS | extra,
    )
    transfers, devices = tables(tmp_path / "run", chosen)
    up = transfers[transfers.direction == "uplink"]

    assert len(up) > 0
    assert (transfers.status == "delivered").all()
    assert (transfers.bits == transfers.bits_delivered).all()
    assert (up.resource_blocks * BLOCK_HZ <= up.bandwidth_hz * (1 + 1e-12)).all()
    np.testing.assert_allclose(
        up.groupby(["round", "device"]).energy_j.sum(),
        devices.set_index(["round", "device"]).transmit_j,
        rtol=1e-12,
    )
    power_w = devices.set_index(["round", "device"]).tx_power_w
    assert (power_w <= 1.0 + 1e-12).all()
    assert (power_w < 1.0).any() == (control is not None)


@pytest.mark.parametrize(
    ("name", "coherence"), [(BASE, "round"), ("phased", "round"), ("phased", 0.5)]
)
def test_a_payload_that_cannot_be_sent_is_lost_and_ends_the_round(
    name: str, coherence: float | str
) -> None:
    deaf = {"min_snr_db": 200.0}
    chosen = scenario(name, channel__coherence=coherence, channel__link=deaf)
    simulation = coupling.Simulation(chosen, learning=False)

    for _ in range(2):
        state = simulation.observe()
        assert state is not None
        share_hz = np.full(len(state.device), BLOCK_HZ)
        record = simulation.step(Allocation(state.device, share_hz, 1.0))
        (_, transfers), (_, row) = record.tables["transfers"][0], record.tables["rounds"][0]

        assert set(np.atleast_1d(transfers["status"])) == {"lost"}
        assert not record.arrived.any()
        assert np.all(transfers["bits_delivered"] == 0)
        assert np.isnan(transfers["spectral_efficiency"]).all()
        assert 0 < row["end_s"] - row["start_s"] <= chosen.delay_budget_s * 1.01  # and steps


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ({"cell.resource_blocks": 107}, "resource_blocks = 107 is more than the 106 blocks"),
        ({"cell.resource_blocks": 0}, "cell.resource_blocks = 0 is not at least 1"),
        ({"cell.resource_block_hz": -1.0}, "cell.resource_block_hz = -1.0 "),
        ({"cell.resource_block_hz": 30e6}, "resource_block_hz = 3e+07 is wider than bandwidth_hz"),
        ({"devices.power_control": {"alpha": 1.0}}, "devices.power_control.p0_dbm"),
        ({"devices.power_control": {"p0_dbm": -80.0, "alpha": 1.1}}, "alpha = 1.1 "),
        ({"devices.power_control": {"p0_dbm": 900.0}}, "p0_dbm = 900.0 "),
        ({"devices.power_control": {"p0_dbm": -80.0, "max_dbm": "a"}}, "max_dbm = "),
    ],
)
def test_wrong_blocks_and_powers_are_refused(overrides: dict[str, Any], line: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(line)) as caught:
        coupling.Scenario.load(BASE, BLOCKS | overrides)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "overrides", "line"),
    [
        (BASE, {"cell.resource_blocks": 5}, "resource_blocks needs resource_block_hz"),
        (BASE, {"devices.power_control": CONTROL}, "needs cell.resource_block_hz"),
        ("mobility/paired", BLOCKS | {"protocol.reallocate": True}, "protocol.reallocate"),
    ],
)
def test_blocks_and_power_control_need_their_parts(
    name: str, overrides: dict[str, Any], line: str
) -> None:
    with pytest.raises(ScenarioError, match=re.escape(line)) as caught:
        coupling.Scenario.load(name, overrides)

    assert "\n" not in str(caught.value)


def test_power_control_without_a_path_loss_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gains.csv").write_text("block,device,gain\n1,0,1e-3\n")
    channel = {"channel.gains": {"path": str(tmp_path / "gains.csv")}}

    with pytest.raises(ScenarioError, match=r"needs channel\.path_loss"):
        coupling.Scenario.load(BASE, BLOCKS | channel | {"devices.power_control": CONTROL})


def test_a_share_of_half_a_block_is_refused() -> None:
    simulation = coupling.Simulation(scenario(), learning=False)
    state = simulation.observe()
    assert state is not None

    with pytest.raises(coupling.RunError, match="not a whole number of resource blocks"):
        simulation.step(Allocation(state.device[:1], np.array([1.5 * BLOCK_HZ]), 1.0))
