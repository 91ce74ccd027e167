import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import coupling
from coupling.scenario.errors import ScenarioError
from netsim.link.shannon_link import ShannonLink

BASE = "paper/base"
LIMITS = {"gap_db": 1.5, "efficiency": 0.4, "max_bps_per_hz": 2.0, "min_snr_db": -10.0}


def run(folder: Path, scenario: str = BASE, **overrides: Any) -> pd.DataFrame:
    values = {"rounds": 5, **{key.replace("__", "."): value for key, value in overrides.items()}}
    coupling.run(coupling.Scenario.load(scenario, values), folder, learning=False)
    return pd.read_parquet(folder / "transfers")


def test_transfers_have_the_rate_of_the_truncated_link(tmp_path: Path) -> None:
    transfers = run(tmp_path / "run", channel__link=LIMITS)
    devices = pd.read_parquet(tmp_path / "run" / "devices")
    rows = transfers.merge(devices[["round", "device", "gain"]])

    expected_bps = ShannonLink(**LIMITS).rate(rows.bandwidth_hz, rows.gain, 1e-11)

    assert len(rows) == len(transfers) > 0
    np.testing.assert_allclose(rows.rate_bps, expected_bps, rtol=1e-12)
    assert (rows.rate_bps <= 2.0 * rows.bandwidth_hz * (1 + 1e-12)).all()


def test_a_gap_of_two_runs_as_half_the_power(tmp_path: Path) -> None:
    gap_db = float(10 * np.log10(2))

    gap = run(tmp_path / "gap", channel__link={"gap_db": gap_db})
    half = run(tmp_path / "half", devices__tx_power_w=0.5)

    assert (gap.device == half.device).all()
    np.testing.assert_allclose(gap.end_s, half.end_s, rtol=1e-9)


@pytest.mark.parametrize(
    ("link", "line"),
    [
        ({"gap_db": -1.0}, "channel.link.gap_db = -1.0 is not at least 0"),
        ({"efficiency": 1.5}, "channel.link.efficiency = 1.5 "),
        ({"max_bps_per_hz": 0.0}, "channel.link.max_bps_per_hz = 0.0 "),
        ({"kind": "nr"}, "channel.link.kind"),
        ({"gap": 1.0}, "channel.link.gap is unknown"),
    ],
)
def test_wrong_links_are_refused_in_one_line(link: dict[str, Any], line: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(line)) as caught:
        coupling.Scenario.load(BASE, {"channel.link": link})

    assert "\n" not in str(caught.value)
