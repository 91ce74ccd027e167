"""NR link: adaptation, chase combining, outages, and the rate over resource blocks."""

import numpy as np
import pytest
from pydantic import ValidationError

from netsim.link.nr import link_adaptation
from netsim.link.nr.link_adaptation import SLOT_CYCLES, GoodputOptions
from netsim.link.nr.nr_link import NrLink
from netsim.link.nr.schemes import TABLES
from netsim.link.resource_blocks import block_rates

LINKS = [
    NrLink(),
    NrLink(harq="none"),
    NrLink(table=2, bler_target=0.3),
    NrLink(table=3, bler_target=0.01, max_transmissions=2),
]


def direct(link: NrLink, sinr_db: float, blocks: int) -> float:
    """Return the goodput in bits per slot by trying all schemes."""
    rung = link_adaptation.rungs(link.options, blocks)
    value = link_adaptation.goodput(rung, np.full(1, sinr_db), link.transmissions)
    first = link_adaptation.error_rate(rung, np.full(1, sinr_db))
    return float(np.where(first <= link.bler_target, value, 0.0).max())


@pytest.mark.parametrize("link", LINKS)
def test_stored_switches_give_the_goodput_of_all_schemes(link):
    rng = np.random.default_rng(1)
    sinr_db, blocks = rng.uniform(-14, 30, 300), rng.choice([1, 2, 5, 11, 30], 300)

    efficiency = link.efficiency_over_blocks(10 ** (sinr_db / 10), blocks)
    expected = [direct(link, *pair) for pair in zip(sinr_db, blocks, strict=True)]

    assert np.count_nonzero(efficiency) > 150
    assert efficiency * SLOT_CYCLES * blocks == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("blocks", [1, 7, 51])
def test_goodput_never_falls_with_the_sinr(link, blocks):
    sinr = 10 ** (np.arange(-15, 32, 0.004) / 10)

    assert np.diff(link.efficiency_over_blocks(sinr, blocks)).min() >= -1e-12


def test_highest_scheme_within_the_target_would_lose_goodput():
    # The reason for the rule: the fall that choosing the highest scheme would have.
    rung = link_adaptation.rungs(NrLink(harq="none").options, 30)
    target_db = link_adaptation.target_sinr_db(rung, 0.1)
    before = link_adaptation.goodput(rung, target_db[17], 1)[16]

    assert link_adaptation.goodput(rung, target_db[17], 1)[17] < before


@pytest.mark.parametrize(("table", "largest"), [(1, 5.5547), (2, 7.4063), (3, 4.5234)])
def test_efficiency_at_high_sinr_is_that_of_the_last_scheme(table, largest):
    link = NrLink(table=table, overhead=0.0)

    # 156 of 168 resource elements carry data; sizes of transport blocks are within 2 %.
    reached = float(link.efficiency_over_blocks(np.array([1e6]), 100)[0])

    assert reached == pytest.approx(largest * 156 / SLOT_CYCLES, rel=0.02)
    assert max(s.spectral_efficiency for s in TABLES[table]) == pytest.approx(largest, abs=6e-5)


def test_below_the_lowest_scheme_nothing_arrives():
    link = NrLink()
    sinr = 10 ** (np.array([-30.0, -15.0, 5.0]) / 10)

    assert link.efficiency_over_blocks(np.append(sinr, 0.0), 10)[[0, 1, 3]].tolist() == [0, 0, 0]
    adapted = link.adaptation(sinr, 10)
    assert np.isnan(adapted.modulation).tolist() == [True, True, False]
    assert adapted.modulation[2] == 4


def test_chase_combining_by_hand():
    options = GoodputOptions(1, 0.5, 3, elements=144)
    rung = link_adaptation.rungs(options, 2).at(np.array([5]))
    sinr_db = link_adaptation.target_sinr_db(rung, 0.5)
    rates = [
        float(link_adaptation.error_rate(rung, sinr_db + 10 * np.log10(n))[0]) for n in (1, 2, 3)
    ]

    assert rates[0] == pytest.approx(0.5)
    slots = 1 + rates[0] + rates[1]
    expected = rung.size[0] * (1 - rates[2]) / slots
    assert link_adaptation.goodput(rung, sinr_db, 3)[0] == pytest.approx(expected, rel=1e-12)
    assert link_adaptation.slots(rung, sinr_db, 3)[0] == pytest.approx(slots, rel=1e-12)


def test_transport_block_fails_if_one_of_its_code_blocks_does():
    rung = link_adaptation.rungs(NrLink(overhead=0.0).options, 100).at(np.array([28]))
    assert rung.code_blocks[0] > 5
    one = rung._replace(code_blocks=np.ones(1))
    sinr_db = link_adaptation.target_sinr_db(one, 0.02)

    failed = link_adaptation.error_rate(rung, sinr_db)[0]

    assert failed == pytest.approx(1 - 0.98 ** rung.code_blocks[0], rel=1e-9)


def test_retransmissions_follow_the_error_rates():
    with_chase, without = NrLink(), NrLink(harq="none")
    rung = link_adaptation.rungs(with_chase.options, 10)
    low_db = float(link_adaptation.target_sinr_db(rung, 0.1)[0])
    sinr = 10 ** (np.array([low_db + 1e-9, low_db + 0.2]) / 10)

    # The lowest scheme fails in one of ten; twice its SINR leaves no errors.
    assert with_chase.adaptation(sinr, 10).retransmissions[0] == pytest.approx(0.1, abs=1e-3)
    assert without.adaptation(sinr, 10).retransmissions[0] == pytest.approx(1 / 9, abs=1e-3)


def test_rate_over_blocks_is_a_running_maximum_of_a_sawtooth():
    link = NrLink()
    gain = np.array([1e-12, 3e-13, 1e-18])
    rates, used = block_rates(link, 180e3, gain, 40, noise_psd=4e-21, max_power_w=np.full(3, 0.02))
    raw = [
        n * 180e3 * link.efficiency_over_blocks(0.02 * gain / (n * 180e3 * 4e-21), n)
        for n in range(1, 41)
    ]

    assert np.any(np.diff(np.array(raw), axis=0) < 0)
    assert np.all(np.diff(rates, axis=1) >= 0)
    assert not rates[2].any()
    assert np.all(used <= np.arange(1, 41))


def test_interference_margin_raises_the_noise():
    assert NrLink(interference_margin_db=3.0).interference_margin == pytest.approx(10**0.3)


@pytest.mark.parametrize(
    "options",
    [
        {"table": 4},
        {"table": 0},
        {"bler_target": 0.0},
        {"bler_target": 1.0},
        {"harq": "ir"},
        {"max_transmissions": 0},
        {"overhead": 1.0},
        {"interference_margin_db": -1.0},
    ],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ValidationError):
        NrLink(**options)


def test_link_without_resource_blocks_is_refused():
    with pytest.raises(ValueError, match="resource blocks"):
        NrLink().rate(1e6, 1e-12, 4e-21)
