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
from netsim.scheduling import POLICIES

BASE = "paper/base"
BLOCK_HZ = 180e3
NOISE = 1e-11
BLOCKS = {"cell.bandwidth_hz": 20e6, "cell.resource_block_hz": BLOCK_HZ}
CAPPED = {"efficiency": 0.6, "max_bps_per_hz": 4.4, "min_snr_db": -10.0}
CONTROL = {"p0_dbm": -60.0, "alpha": 0.8}
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
    for row in rows.itertuples():
        per_block_w = None
        if control is not None:
            path_gain = float(100.0 * row.distance_m**-3.0) if False else None
            assert path_gain is None
            per_block_w = np.array([row.tx_power_w / row.resource_blocks])
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
        assert row.energy_j == pytest.approx(row.tx_power_w * (row.end_s - row.start_s))
