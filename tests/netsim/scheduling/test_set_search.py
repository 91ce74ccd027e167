from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product
from typing import final

import numpy as np
import pytest
from numpy import ndarray
from support.scheduling_states import random_states
from typing_extensions import override

from netsim.link.base import Link
from netsim.link.resource_blocks import ResourceBlocks
from netsim.link.shannon_link import ShannonLink
from netsim.scheduling import Objective, RoundState, create


@final
class Steps(Link):
    """Staircase of three schemes; in whole blocks its raw rate is a sawtooth."""

    interference_margin = 1.0

    @override
    def spectral_efficiency(self, sinr: ndarray) -> ndarray:
        step = np.searchsorted([0.5, 3.0, 20.0], sinr, side="right")
        return np.array([0.0, 0.5, 1.7, 4.0])[step]

    @override
    def rate(self, *_: object, **__: object) -> ndarray:
        raise AssertionError("whole blocks need the spectral efficiency alone")


def capped_states(seed: int, number: int) -> Iterator[RoundState]:
    """Yield small rounds in which some devices are at the maximum efficiency or below the SNR."""
    rng = np.random.default_rng(seed)
    for state in random_states(seed, number, max_count=6):
        link = ShannonLink(
            gap_db=float(rng.uniform(0, 3)),
            efficiency=float(rng.uniform(0.4, 1.0)),
            min_snr_db=float(rng.uniform(-15, 10)) if rng.random() < 0.5 else None,
            max_bps_per_hz=float(10 ** rng.uniform(-2, 0.7)),
        )
        yield replace(state, link=link)


def sawtooth_states(seed: int, number: int) -> Iterator[RoundState]:
    """Yield rounds of up to 5 devices and 12 blocks, half of them with power control."""
    rng = np.random.default_rng(seed)
    for index in range(number):
        count, block_count = int(rng.integers(1, 6)), int(rng.integers(1, 13))
        gain = 10 ** rng.uniform(-1.5, 2.5, count)
        bits = np.full(count, 10.0) if index % 3 else 10 ** rng.uniform(0.5, 1.5, count)
        per_block = rng.uniform(0.1, 1.0, count) if index % 2 else None
        yield RoundState(
            round=1,
            gain=gain,
            bits=bits,
            tx_power_w=rng.uniform(0.5, 2.0, count),
            bandwidth_hz=float(block_count),
            noise_psd=1.0,
            delay_budget_s=5.0,
            virtual_queue_s=10 ** rng.uniform(-1, 2),
            link=Steps(),
            blocks=ResourceBlocks(1.0, block_count),
            power_per_block_w=per_block,
        )


def enumerated(state: RoundState, chosen: list[int]) -> float:
    """Return the minimum common delay of a set over all divisions of the blocks."""
    assert state.blocks is not None
    link = Steps()
    per_block = state.power_per_block_w

    def delay_s(device: int, blocks: int) -> float:
        rates = [0.0]
        for used in range(1, blocks + 1):
            power_w = state.tx_power_w[device]
            if per_block is not None:
                power_w = min(power_w, used * per_block[device])
            rates.append(
                used * float(link.spectral_efficiency(power_w * state.gain[device] / used))
            )
        return state.bits[device] / max(rates) if max(rates) else np.inf

    block_count = state.blocks.count
    table = [[delay_s(device, blocks) for blocks in range(block_count + 1)] for device in chosen]
    return min(
        max(row[blocks] for row, blocks in zip(table, division, strict=True))
        for division in product(range(block_count + 1), repeat=len(chosen))
        if sum(division) <= block_count
    )


def sets(state: RoundState) -> Iterator[tuple[int, ...]]:
    for count in range(1, len(state.gain) + 1):
        yield from combinations(range(len(state.gain)), count)


def bisected(state: RoundState, chosen: tuple[int, ...]) -> float:
    """Return the minimum common delay of a capped set: bisection with the rate alone."""
    link = state.link
    assert isinstance(link, ShannonLink)
    members = np.array(chosen)
    bits, gain, power_w = state.bits[members], state.gain[members], state.tx_power_w[members]

    def fits(delay_s: float) -> bool:
        low, high = np.zeros(len(members)), np.full(len(members), 1e15)
        for _ in range(200):
            middle = (low + high) / 2
            rate_bps = link.rate(middle, gain, state.noise_psd, tx_power_w=power_w)
            enough = rate_bps * delay_s >= bits
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return float(high.sum()) <= state.bandwidth_hz

    low, high = 0.0, 1e12
    for _ in range(120):
        middle = np.sqrt(low * high) if low else high / 1e3
        low, high = (low, middle) if fits(middle) else (middle, high)
        if high - low <= 1e-12 * high:
            break
    return high


@pytest.mark.parametrize("number", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_capped_exact_equals_brute_force(number: int) -> None:
    partial = 0
    for state in capped_states(3, number):
        delays = [(len(chosen), state.min_delay(np.array(chosen))[0]) for chosen in sets(state)]
        for drift in ("paper", "full"):
            objective = Objective(drift=drift)
            best = max([0.0, *(float(objective.value(n, delay, state)) for n, delay in delays)])

            answer = create("exact", drift=drift).schedule(state)

            value = float(objective.value(len(answer.devices), answer.delay_s, state))
            assert value == pytest.approx(best, rel=1e-10, abs=1e-10)
            partial += 0 < len(answer.devices) < len(state.gain)
    assert partial > number / 5


@pytest.mark.parametrize("number", [12, pytest.param(150, marks=pytest.mark.slow)])
def test_capped_delay_of_a_set_equals_a_bisection_on_the_rate(number: int) -> None:
    for state in capped_states(5, number):
        everyone = tuple(range(len(state.gain)))

        delay_s, share_hz = state.min_delay(np.array(everyone))

        assert delay_s == pytest.approx(bisected(state, everyone), rel=1e-9)
        assert share_hz.sum() <= state.bandwidth_hz * (1 + 1e-12)
        assert state.delay(np.array(everyone), share_hz) == pytest.approx(delay_s, rel=1e-9)


@pytest.mark.parametrize("number", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_block_delay_and_exact_equal_enumeration_on_sawtooth(number: int) -> None:
    objective = Objective()
    for state in sawtooth_states(7, number):
        best = 0.0
        for chosen in sets(state):
            expected_s = enumerated(state, list(chosen))
            assert state.min_delay(np.array(chosen))[0] == pytest.approx(expected_s, rel=1e-12)
            if np.isfinite(expected_s):
                best = max(best, float(objective.value(len(chosen), expected_s, state)))

        answer = create("exact").schedule(state)

        value = float(objective.value(len(answer.devices), answer.delay_s, state))
        assert value == pytest.approx(best, rel=1e-12, abs=1e-12)


def test_sawtooth_states_have_devices_out_of_reach_and_empty_blocks() -> None:
    states = list(sawtooth_states(7, 40))

    assert any(not state.reachable().all() for state in states)
    assert any(
        (np.diff(state.uplink.rates_bps, axis=1) == 0).any()  # type: ignore[union-attr]
        for state in states
        if state.blocks is not None and state.blocks.count > 1
    )


@pytest.mark.parametrize("kind", ["algorithm1", "greedy", "aaba", "all_in", "exact"])
def test_policies_give_whole_blocks_to_devices_in_reach(kind: str) -> None:
    scheduled = 0
    for state in sawtooth_states(9, 60):
        answer = create(kind).schedule(state)

        assert (answer.bandwidth_hz == np.rint(answer.bandwidth_hz)).all()
        assert answer.bandwidth_hz.sum() <= state.bandwidth_hz
        assert state.reachable()[answer.devices].all()
        assert answer.delay_s == state.delay(answer.devices, answer.bandwidth_hz)
        scheduled += len(answer.devices)
    assert scheduled > 60


def test_equal_devices_at_the_maximum_share_the_band_by_their_bits() -> None:
    state = next(random_states(1, 1))
    state = replace(
        state,
        gain=np.array([1.0, 2.0, 2.0]),
        bits=np.array([1.0, 1.0, 2.0]) * 1e6,
        tx_power_w=np.ones(3),
        device=np.arange(3),
        link=ShannonLink(max_bps_per_hz=0.5),
    )

    delay_s, share_hz = state.min_delay(np.arange(3))

    assert delay_s == pytest.approx(4e6 / (0.5 * state.bandwidth_hz), rel=1e-14)
    np.testing.assert_allclose(share_hz, state.bandwidth_hz * np.array([0.25, 0.25, 0.5]))


def test_a_gap_of_a_factor_of_two_is_half_the_power() -> None:
    gap = ShannonLink(gap_db=10 * np.log10(2))
    bandwidth_hz, gain = np.array([1e3, 1e6]), np.array([1e-9, 1e-3])

    halved = ShannonLink().rate(bandwidth_hz, gain, 1e-11, 0.5)

    np.testing.assert_allclose(gap.rate(bandwidth_hz, gain, 1e-11, 1.0), halved, rtol=1e-12)


def test_truncated_rate_never_falls_and_is_concave_in_bandwidth() -> None:
    link = ShannonLink(gap_db=2.0, efficiency=0.6, min_snr_db=-10.0, max_bps_per_hz=2.0)
    bandwidth_hz = np.linspace(0, 30, 3001)

    rate_bps = link.rate(bandwidth_hz, 1.0, 1.0)

    assert (np.diff(rate_bps) >= 0).all()
    assert (np.diff(rate_bps, 2) <= 1e-12).all()
    assert rate_bps[-1] == rate_bps[1500]  # beyond an SNR of -10 dB nothing is gained
    assert rate_bps[1] == pytest.approx(2.0 * bandwidth_hz[1])


def test_latency_first_is_the_fastest_set_of_its_size_of_all() -> None:
    states = [*capped_states(3, 60), *sawtooth_states(11, 60)]
    by_floor = 0
    for state in states:
        delays: dict[int, float] = {}
        for chosen in sets(state):
            delay_s = state.min_delay(np.array(chosen))[0]
            delays[len(chosen)] = min(delays.get(len(chosen), np.inf), delay_s)
        for count, delay_s in delays.items():
            if np.isfinite(delay_s):
                answer = create("latency_first", count=count).schedule(state)

                assert answer.delay_s == pytest.approx(delay_s, rel=1e-10)
                first = np.argsort(state.floor(), kind="stable")[:count]
                by_floor += state.min_delay(first)[0] > delay_s * 1.001
    assert by_floor >= 3, "the devices of the smallest floors are not always the fastest"
