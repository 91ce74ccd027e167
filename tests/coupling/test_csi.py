"""Channel state information: perfect, outdated or noisy; transfers use the true gains."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.command_line import NETWORK, dotted

from coupling import Scenario, run
from netsim.link import shannon

STATIC = {"scheduler.kind": "all_in", "rounds": 300}


def devices_of(folder: Path, **changes: object) -> pd.DataFrame:
    """Return the devices table of the small network with some keys set (``__`` for dots)."""
    (folder / "network.toml").write_text(NETWORK)
    overrides = dotted(changes)
    run(Scenario.load(folder / "network.toml", STATIC | overrides), folder / "run")
    return pd.read_parquet(folder / "run" / "devices")


def test_perfect_csi_is_not_written_twice(tmp_path: Path) -> None:
    assert devices_of(tmp_path, rounds=3).gain_known.isna().all()


def test_noisy_estimates_have_the_stated_spread_in_db_and_the_right_median(tmp_path: Path) -> None:
    devices = devices_of(tmp_path, scheduler__csi={"kind": "noisy", "std_db": 3.0})

    error_db = 10 * np.log10(devices.gain_known / devices.gain)
    count = len(error_db)
    half_mean = 4 * 3.0 / count**0.5
    half_std = 4 * 3.0 / (2 * count) ** 0.5
    assert half_std < 0.1 * 3.0, "too few draws for a powerful test"
    assert abs(error_db.mean()) < half_mean
    assert abs(error_db.std() - 3.0) < half_std
    by_device = error_db.to_numpy().reshape(-1, 4)
    assert abs(np.corrcoef(by_device[:, 0], by_device[:, 1])[0, 1]) < 4 / len(by_device) ** 0.5


@pytest.mark.parametrize("blocks", [1, 3])
def test_outdated_csi_is_the_gain_of_some_rounds_ago(tmp_path: Path, blocks: int) -> None:
    devices = devices_of(tmp_path, rounds=10, scheduler__csi={"kind": "delayed", "blocks": blocks})

    true = devices.gain.to_numpy().reshape(10, 4)
    known = devices.gain_known.to_numpy().reshape(10, 4)
    np.testing.assert_array_equal(known[blocks:], true[:-blocks])
    np.testing.assert_array_equal(known[:blocks], np.broadcast_to(true[0], (blocks, 4)))


def test_transfers_use_the_true_gains_and_both_delays_are_recorded(
    tmp_path: Path,
) -> None:
    devices = devices_of(tmp_path, rounds=50, scheduler__csi={"kind": "noisy", "std_db": 3.0})

    rounds = pd.read_parquet(tmp_path / "run" / "rounds")
    np.testing.assert_allclose(
        devices.rate_bps, shannon.rate(devices.bandwidth_hz, devices.gain, 1e-11), rtol=1e-12
    )
    believed_s = devices.bits / shannon.rate(devices.bandwidth_hz, devices.gain_known, 1e-11)
    np.testing.assert_allclose(
        rounds.delay_predicted_s, believed_s.groupby(devices["round"]).max(), rtol=1e-9
    )
    assert (rounds.delay_s > rounds.delay_predicted_s * 1.01).mean() > 0.5
