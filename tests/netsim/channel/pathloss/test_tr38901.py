"""TR 38.901 path loss against the standard's own tables, written out here."""

import sys
from math import exp, log10, pi
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from netsim.channel.pathloss import AnyPathLoss, Tr38901
from netsim.channel.pathloss.tr38901_sionna import CellSite, _model
from netsim.streams import Streams

pytest.importorskip("sionna")

ORIGIN = (0.0, 0.0)
# The tables round the speed of light to 3e8 m/s, the package does not.
LIGHT_MPS = 299_792_458.0
SCENARIOS = ("uma", "umi", "rma", "inh")
CARRIERS_GHZ = {"uma": 3.5, "umi": 28.0, "rma": 0.7, "inh": 5.2}
HEIGHTS_M = {"uma": (25.0, 1.5), "umi": (10.0, 1.5), "rma": (35.0, 1.5), "inh": (3.0, 1.0)}
SIGMAS_DB = {
    # Table 7.4.1-1, column "shadow fading std": with and without a line of sight; RMa has 6 dB
    # beyond d_BP.
    "uma": (4.0, 6.0),
    "umi": (4.0, 7.82),
    "rma": (4.0, 8.0),
    "inh": (3.0, 8.03),
}


def uma(d3: float, d2: float, fc: float, bs: float, ut: float, los: bool, light: float) -> float:
    """Table 7.4.1-1, rows UMa LOS and UMa NLOS; h_E = 1 m for h_UT below 13 m (note 1)."""
    d_bp = 4 * (bs - 1) * (ut - 1) * fc * 1e9 / light
    pl_1 = 28.0 + 22 * log10(d3) + 20 * log10(fc)
    pl_2 = 28.0 + 40 * log10(d3) + 20 * log10(fc) - 9 * log10(d_bp**2 + (bs - ut) ** 2)
    pl_los = pl_1 if d2 <= d_bp else pl_2
    return (
        pl_los
        if los
        else max(pl_los, 13.54 + 39.08 * log10(d3) + 20 * log10(fc) - 0.6 * (ut - 1.5))
    )


def umi(d3: float, d2: float, fc: float, bs: float, ut: float, los: bool, light: float) -> float:
    """Table 7.4.1-1, rows UMi - Street Canyon LOS and NLOS; h_E = 1 m (note 1)."""
    d_bp = 4 * (bs - 1) * (ut - 1) * fc * 1e9 / light
    pl_1 = 32.4 + 21 * log10(d3) + 20 * log10(fc)
    pl_2 = 32.4 + 40 * log10(d3) + 20 * log10(fc) - 9.5 * log10(d_bp**2 + (bs - ut) ** 2)
    pl_los = pl_1 if d2 <= d_bp else pl_2
    return (
        pl_los
        if los
        else max(pl_los, 35.3 * log10(d3) + 22.4 + 21.3 * log10(fc) - 0.3 * (ut - 1.5))
    )


def rma(d3: float, d2: float, fc: float, bs: float, ut: float, los: bool, light: float) -> float:
    """Table 7.4.1-1, rows RMa LOS and RMa NLOS, with street width W = 20 m and building height h =
    5 m.
    """
    width, h = 20.0, 5.0
    d_bp = 2 * pi * bs * ut * fc * 1e9 / light

    def pl_1(d: float) -> float:
        growth = min(0.03 * h**1.72, 10) * log10(d) - min(0.044 * h**1.72, 14.77)
        return 20 * log10(40 * pi * d * fc / 3) + growth + 0.002 * log10(h) * d

    pl_los = pl_1(d3) if d2 <= d_bp else pl_1(d_bp) + 40 * log10(d3 / d_bp)
    pl_nlos = (
        161.04
        - 7.1 * log10(width)
        + 7.5 * log10(h)
        - (24.37 - 3.7 * (h / bs) ** 2) * log10(bs)
        + (43.42 - 3.1 * log10(bs)) * (log10(d3) - 3)
        + 20 * log10(fc)
        - (3.2 * log10(11.75 * ut) ** 2 - 4.97)
    )
    return pl_los if los else max(pl_los, pl_nlos)


def inh(d3: float, d2: float, fc: float, bs: float, ut: float, los: bool, light: float) -> float:
    """Table 7.4.1-1, rows InH - Office LOS and NLOS."""
    pl_los = 32.4 + 17.3 * log10(d3) + 20 * log10(fc)
    return pl_los if los else max(pl_los, 38.3 * log10(d3) + 17.30 + 24.9 * log10(fc))


EQUATIONS = {"uma": uma, "umi": umi, "rma": rma, "inh": inh}


def sight(scenario: str, d: float) -> float:
    """Table 7.4.2-1, rows RMa, UMi - Street canyon, UMa (h_UT <= 13 m: C' = 0), Indoor - Mixed and
    Open office.
    """
    match scenario:
        case "rma":
            return 1.0 if d <= 10 else exp(-(d - 10) / 1000)
        case "umi":
            return 1.0 if d <= 18 else 18 / d + exp(-d / 36) * (1 - 18 / d)
        case "uma":
            return 1.0 if d <= 18 else 18 / d + exp(-d / 63) * (1 - 18 / d)
        case "open":
            return (
                1.0
                if d <= 5
                else exp(-(d - 5) / 70.8)
                if d <= 49
                else exp(-(d - 49) / 211.7) * 0.54
            )
        case _:
            return (
                1.0
                if d <= 1.2
                else exp(-(d - 1.2) / 4.7)
                if d < 6.5
                else exp(-(d - 6.5) / 32.6) * 0.32
            )


def model(scenario: str, **options: Any) -> Tr38901:
    carrier_hz = CARRIERS_GHZ[scenario] * 1e9
    return TypeAdapter(Tr38901).validate_python(
        {"kind": "tr38901", "scenario": scenario, "carrier_hz": carrier_hz} | options
    )


def circle(distance_m: float, count: int) -> np.ndarray:
    angle = 2 * np.pi * np.arange(count) / count
    return distance_m * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def decibel(gain: np.ndarray) -> np.ndarray:
    return 10 * np.log10(gain)


@pytest.mark.parametrize("los", [True, False], ids=["los", "nlos"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_loss_at_ten_distances_is_that_of_the_standards_table(scenario: str, los: bool) -> None:
    server_m, device_m = HEIGHTS_M[scenario]
    farthest_m = 150.0 if scenario == "inh" else 5000.0
    distances = np.geomspace(10.0, farthest_m, 10)
    law = model(scenario, line_of_sight="always" if los else "never", shadowing=False)

    loss_db = -decibel(law.gain(np.stack([distances, 0 * distances], axis=1), ORIGIN, Streams(1)))

    for d2, found in zip(distances.tolist(), loss_db.tolist(), strict=True):
        d3 = (d2**2 + (server_m - device_m) ** 2) ** 0.5
        parts = d3, d2, CARRIERS_GHZ[scenario], server_m, device_m, los
        assert found == pytest.approx(EQUATIONS[scenario](*parts, LIGHT_MPS), abs=1e-9)
        assert found == pytest.approx(EQUATIONS[scenario](*parts, 3e8), abs=0.02)


def test_both_sides_of_the_break_points_are_among_those_distances() -> None:
    # d'_BP of UMa, 4 x 24 x 0.5 x 3.5e9 / c = 560 m; UMi at 28 GHz 1681 m; d_BP of RMa 770 m.
    assert 10 < 4 * 24 * 0.5 * 3.5e9 / LIGHT_MPS < 5000
    assert 10 < 4 * 9 * 0.5 * 28e9 / LIGHT_MPS < 5000
    assert 10 < 2 * pi * 35 * 1.5 * 0.7e9 / LIGHT_MPS < 5000


def test_other_heights_enter_the_equations() -> None:
    law = model(
        "uma", line_of_sight="never", shadowing=False, server_height_m=30.0, device_height_m=10.0
    )

    loss_db = -decibel(law.gain(np.array([[300.0, 400.0]]), ORIGIN, Streams(1)))[0]

    d3 = (500**2 + 20**2) ** 0.5
    assert loss_db == pytest.approx(uma(d3, 500.0, 3.5, 30.0, 10.0, False, LIGHT_MPS), abs=1e-9)


@pytest.mark.parametrize("los", [True, False], ids=["los", "nlos"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_shadow_has_the_standards_deviation(scenario: str, los: bool) -> None:
    always = "always" if los else "never"
    smooth = model(scenario, line_of_sight=always, shadowing=False)
    rough = model(scenario, line_of_sight=always)
    place_m = circle(100.0 if scenario == "inh" else 700.0, 400)

    worlds = [decibel(rough.gain(place_m, ORIGIN, Streams(seed))) for seed in range(200)]
    shadow_db = np.array(worlds) - decibel(smooth.gain(place_m, ORIGIN, Streams(1)))

    sigma_db = SIGMAS_DB[scenario][0 if los else 1]
    # The worlds are independent, the places of one are not: the error is that of 200 means of
    # squares.
    squares = (shadow_db**2).mean(axis=1)
    half_width = 4 * squares.std() / np.sqrt(200)
    assert half_width < 0.12 * sigma_db**2
    assert abs(squares.mean() - sigma_db**2) < half_width
    assert abs(shadow_db.mean()) < 4 * shadow_db.mean(axis=1).std() / np.sqrt(200) < 0.3 * sigma_db


def test_beyond_the_break_point_a_rural_shadow_in_sight_has_6_db() -> None:
    place_m = circle(1500.0, 400)
    smooth = decibel(
        model("rma", line_of_sight="always", shadowing=False).gain(place_m, ORIGIN, Streams(1))
    )
    rough = model("rma", line_of_sight="always")

    shadow_db = (
        np.array([decibel(rough.gain(place_m, ORIGIN, Streams(s))) for s in range(100)]) - smooth
    )

    assert abs((shadow_db**2).mean() / 36 - 1) < 0.1
    assert abs((shadow_db**2).mean() / 16 - 1) > 1


# Nearest first; where the probability is 1 it must be met exactly.
DISTANCES_M = {
    "uma": (15.0, 40.0, 100.0, 400.0),
    "umi": (15.0, 30.0, 80.0, 200.0),
    "rma": (10.0, 200.0, 800.0, 3000.0),
    "mixed": (1.1, 4.0, 10.0, 40.0),
    "open": (4.0, 20.0, 60.0, 120.0),
}


@pytest.mark.parametrize("scenario", DISTANCES_M)
def test_the_line_of_sight_has_the_standards_probability(scenario: str) -> None:
    indoors = scenario in ("mixed", "open")
    law = model("inh", office=scenario) if indoors else model(scenario)
    rings, worlds = DISTANCES_M[scenario], 500
    place_m = np.concatenate([circle(ring, 32) for ring in rings])

    seen = [
        law.is_los(place_m, ORIGIN, Streams(seed)).reshape(len(rings), 32) for seed in range(worlds)
    ]

    share = np.array(seen).mean(axis=2)
    half_width = 4 * share.std(axis=0) / np.sqrt(worlds)
    assert half_width.max() < 0.09
    for ring, found, width in zip(rings, share.mean(axis=0), half_width, strict=True):
        assert abs(found - sight(scenario, ring)) <= width + 1e-12, ring
    assert share[:, 0].mean() == 1
    assert 0.02 < share[:, -1].mean() < 0.9


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_probability_of_every_distance_is_that_of_the_standards_table(scenario: str) -> None:
    from netsim.channel.pathloss.tr38901_sionna import large_scale_parameters

    distances = np.geomspace(1.0, 5000.0, 300)
    site = CellSite(scenario, CARRIERS_GHZ[scenario] * 1e9, *HEIGHTS_M[scenario], "mixed")  # type: ignore[arg-type]

    found = large_scale_parameters(site, distances, is_los=True)

    expected = [sight("mixed" if scenario == "inh" else scenario, d) for d in distances.tolist()]
    assert found.los_probability == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("scenario", "correlation_m"), [("uma", 50), ("umi", 50), ("rma", 60), ("inh", 10)]
)
def test_the_line_of_sight_has_the_package_s_correlation_distance(
    scenario: str, correlation_m: float
) -> None:
    from netsim.channel.pathloss.tr38901 import _RANGES

    site = CellSite(scenario, 3.5e9, *HEIGHTS_M[scenario], "mixed")  # type: ignore[arg-type]

    assert _RANGES[scenario].los_correlation_m == correlation_m  # type: ignore[index]
    assert float(_model(site)._los_state_correlation_distance()) == correlation_m


def test_a_position_with_line_of_sight_has_the_gain_of_that_state() -> None:
    place_m = np.random.default_rng(1).uniform(-400, 400, (300, 2))
    law, streams = model("umi"), Streams(3)
    seen = law.is_los(place_m, ORIGIN, streams)

    gain = law.gain(place_m, ORIGIN, streams)

    always = model("umi", line_of_sight="always").gain(place_m, ORIGIN, streams)
    never = model("umi", line_of_sight="never").gain(place_m, ORIGIN, streams)
    assert 20 < seen.sum() < 280
    assert (gain == np.where(seen, always, never)).all()


def test_the_gain_depends_on_the_place_and_the_seed_alone() -> None:
    place_m = np.random.default_rng(1).uniform(-600, 600, (1000, 2))
    law = model("uma")
    gain = law.gain(place_m, ORIGIN, Streams(3))

    for size in (1, 2, 3, 7, 64, 1000):
        some = np.random.default_rng(size).permutation(1000)[:size]
        assert (law.gain(place_m[some], ORIGIN, Streams(3)) == gain[some]).all()
    assert (
        law.gain(place_m.reshape(10, 100, 2), ORIGIN, Streams(3)) == gain.reshape(10, 100)
    ).all()
    assert (law.gain(place_m, ORIGIN, Streams(4)) != gain).all()


def test_two_sites_in_turn_are_not_mixed_up() -> None:
    place_m = circle(200.0, 3)
    alone = model("rma").gain(place_m, ORIGIN, Streams(1))
    model("uma").gain(place_m, ORIGIN, Streams(1))

    assert (model("rma").gain(place_m, ORIGIN, Streams(1)) == alone).all()


@pytest.mark.parametrize(("scenario", "nearest_m"), [("uma", 10.0), ("inh", 1.0)])
def test_closer_than_the_standard_s_range_the_loss_is_constant(
    scenario: str, nearest_m: float
) -> None:
    law = model(scenario, line_of_sight="always", shadowing=False)

    gain = law.gain(
        np.array([[0.0, 0.0], [nearest_m, 0.0], [2 * nearest_m, 0.0]]), ORIGIN, Streams(1)
    )

    assert gain[0] == gain[1] > gain[2]


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"scenario": "suburb"}, "Input should be 'uma', 'umi', 'rma' or 'inh'"),
        (
            {"scenario": "rma", "carrier_hz": 31e9},
            "carrier_hz = 3.1e+10 is not within 5e+08 to 3e+10",
        ),
        (
            {"scenario": "uma", "device_height_m": 15.0},
            "device_height_m = 15 is not within 1.5 to 13",
        ),
        (
            {"scenario": "rma", "server_height_m": 5.0},
            "server_height_m = 5 is not within 10 to 150",
        ),
        (
            {"scenario": "umi", "server_height_m": 5.0, "device_height_m": 6.0},
            "is not below server_height_m",
        ),
        ({"scenario": "umi", "office": "open"}, "office is of scenario = 'inh', not of 'umi'"),
    ],
)
def test_values_outside_the_standard_are_refused(table: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text.replace("+", r"\+")):
        TypeAdapter(AnyPathLoss).validate_python({"kind": "tr38901", "carrier_hz": 3.5e9} | table)


def test_without_the_package_the_message_gives_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sionna", None)

    with pytest.raises(
        ValidationError, match=r"needs sionna, not installed; pip install 'airtune\[sionna\]'"
    ):
        model("uma")
