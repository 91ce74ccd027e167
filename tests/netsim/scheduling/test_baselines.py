"""Policies with allocations computed by hand, the objective and the virtual queue."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from support.scheduling_states import paper_state, with_memory

from netsim.link import shannon
from netsim.scheduling import History, Objective, OracleStatic, RoundState, create
from netsim.scheduling.objective import InverseSqrtZeta, PowerZeta
from netsim.virtual_queue import next_virtual_queue

NOISE_PSD = 1.0


def unit_state(snr: list[float], budget_s: float, **changes: object) -> RoundState:
    """Return a round with a band of 1 Hz and payloads of 1 bit; the gain is the SNR over the whole
    band.
    """
    ones = np.ones(len(snr))
    state = RoundState(1, np.array(snr), ones, ones, 1.0, NOISE_PSD, budget_s, 0.0)
    return replace(state, **changes)  # type: ignore[arg-type]


def test_greedy_adds_devices_that_just_meet_the_budget() -> None:
    # Over b Hz the rate is b log2(1 + gain / b). For 1 bit in 1 s, gain 1.5 needs 1/2 Hz (1/2 log2
    # 4 = 1), gain 3.75 needs 1/4 Hz (1/4 log2 16 = 1).
    state = unit_state([1.5, 3.75, 1.5], 1.0)

    answer = create("greedy").schedule(state)

    assert answer.devices.tolist() == [1, 0]
    np.testing.assert_allclose(answer.bandwidth_hz, [0.25, 0.5], rtol=1e-14)
    assert answer.delay_s == 1.0


def test_greedy_leaves_the_rest_of_the_band_unused() -> None:
    short = create("greedy").schedule(unit_state([1.5, 1.4999], 1.0))

    assert short.devices.tolist() == [0]
    assert short.bandwidth_hz.sum() == pytest.approx(0.5, rel=1e-12)
    assert len(create("greedy").schedule(unit_state([3.7501] * 5, 1.0)).devices) == 4


def test_bandwidths_that_fill_the_band_exactly_are_within_it() -> None:
    state = unit_state([1.5, 3.0, 2.0], 1.0)
    needed_hz = state.bandwidth_for(1.0)

    brim = replace(state, bandwidth_hz=float(needed_hz[[1, 2, 0]].cumsum()[-1]))
    assert len(create("greedy").schedule(brim).devices) == 3
    thrice = replace(state, bandwidth_hz=float(needed_hz[0] * 3))
    assert len(create("aaba").schedule(thrice).devices) == 3


def test_aaba_takes_the_largest_number_that_meets_the_budget() -> None:
    # Four devices on 1/4 Hz each need gain 15/4 for 1 bit/s; on 1/3 Hz they need 7/3, on 1/2 Hz
    # 3/2.
    answer = create("aaba").schedule(unit_state([3.76, 2.34, 3.76, 2.34], 1.0))
    fewer = create("aaba").schedule(unit_state([3.76, 2.34, 2.32], 1.0))

    assert answer.devices.tolist() == [0, 2, 1]
    np.testing.assert_allclose(answer.bandwidth_hz, [1 / 3] * 3)
    assert answer.delay_s == pytest.approx(3 / np.log2(1 + 3 * 2.34))
    assert fewer.devices.tolist() == [0, 1]


def test_aaba_may_skip_a_number_that_does_not_fit() -> None:
    # One device alone has 1 Hz and needs a gain of 1; two of gain 0.9 have 1/2 Hz and need 1.5:
    # none is scheduled.
    assert len(create("aaba").schedule(unit_state([0.9, 0.9], 1.0)).devices) == 0
    assert create("aaba").schedule(unit_state([1.1, 0.9], 1.0)).devices.tolist() == [0]


@pytest.mark.parametrize("kind", ["greedy", "aaba", "all_in", "algorithm1", "exact"])
def test_no_device_is_scheduled_if_none_has_a_gain(kind: str) -> None:
    answer = create(kind).schedule(unit_state([0.0, 0.0], 1.0))

    assert len(answer.devices) == len(answer.bandwidth_hz) == 0
    assert answer.delay_s == 0.0


def test_latency_first_takes_the_fastest_whatever_their_gain() -> None:
    # Device 0 has the best gain, and a hundred times the bits.
    state = unit_state([4.0, 2.0, 1.0], 1.0, bits=np.array([100.0, 1.0, 1.0]))

    assert create("latency_first", count=2).schedule(state).devices.tolist() == [1, 2]
    assert len(create("latency_first", count=9).schedule(state).devices) == 3


def test_round_robin_takes_the_longest_waiting_then_the_lowest_ids() -> None:
    history = History(np.array([3, 2, 2, 2]), np.array([9, 4, 7, 4]), np.zeros(4))
    state = unit_state([1.0, 2.0, 3.0, 4.0], 1.0, history=history)

    assert sorted(create("round_robin", count=1).schedule(state).devices.tolist()) == [1]
    assert sorted(create("round_robin", count=3).schedule(state).devices.tolist()) == [1, 2, 3]
    # The number of earlier rounds decides between devices of the same last round only.
    often = replace(state, history=replace(history, times_scheduled=np.array([3, 5, 2, 2])))
    assert sorted(create("round_robin", count=1).schedule(often).devices.tolist()) == [3]
    assert sorted(create("round_robin", count=3).schedule(often).devices.tolist()) == [1, 2, 3]


def test_round_robin_schedules_all_devices_in_turn() -> None:
    last, times, served = np.zeros(7, int), np.zeros(7, int), []
    for number in range(1, 8):
        state = unit_state([1.0] * 7, 1.0, history=History(times.copy(), last.copy(), np.zeros(7)))
        devices = create("round_robin", count=3).schedule(state).devices
        last[devices], times[devices] = number, times[devices] + 1
        served.append(sorted(devices.tolist()))

    assert served == [[0, 1, 2], [3, 4, 5], [0, 1, 6], [2, 3, 4], [0, 5, 6], [1, 2, 3], [4, 5, 6]]


def test_proportional_fair_prefers_a_high_ratio_to_a_high_rate() -> None:
    # Rates over 1 Hz: 2, 1 and 3 bit/s; means 4, 1 and 3: ratios 1/2, 1 and 1; of equal ratios the
    # faster device first.
    history = History(np.ones(3, int), np.ones(3, int), np.array([4.0, 1.0, 3.0]))
    state = unit_state([3.0, 1.0, 7.0], 1.0, history=history)

    assert create("proportional_fair", count=1).schedule(state).devices.tolist() == [2]
    unseen = replace(state, history=replace(history, mean_rate_bps=np.array([4.0, 0.0, 3.0])))
    assert create("proportional_fair", count=1).schedule(unseen).devices.tolist() == [1]


def test_random_draws_the_given_number_of_devices_uniformly() -> None:
    hits, rounds = np.zeros(10), 1500
    for number in range(rounds):
        state = replace(unit_state([1.0] * 10, 1.0), rng=np.random.default_rng(number))
        devices = create("random", count=3).schedule(state).devices
        assert len(devices) == 3
        hits[devices] += 1

    half_width = 4 * np.sqrt(0.3 * 0.7 / rounds)
    assert half_width < 0.17 * 0.3
    assert (abs(hits / rounds - 0.3) < half_width).all()


def test_random_with_a_probability_draws_each_device_on_its_own() -> None:
    sizes = []
    for number in range(1000):
        state = replace(unit_state([1.0] * 20, 1.0), rng=np.random.default_rng(number))
        sizes.append(len(create("random", probability=0.25).schedule(state).devices))

    assert abs(np.mean(sizes) - 5.0) < 4 * np.sqrt(20 * 0.25 * 0.75 / 1000)
    assert np.var(sizes) == pytest.approx(3.75, rel=0.15)


def test_the_oracle_takes_the_largest_number_that_keeps_the_budget() -> None:
    # Alone, gains 1 and 3 take 1 s and 1/2 s. Together in one round they take longer than either.
    states = [unit_state([1.0, 3.0], 1.0), unit_state([3.0, 0.0], 1.0)]
    both_s = states[0].min_delay(np.array([0, 1]))[0]

    assert OracleStatic().fit(states).count == (2 if (both_s + 0.5) / 2 <= 1.0 else 1)
    assert OracleStatic().fit([replace(s, delay_budget_s=0.4) for s in states]).count == 0
    assert OracleStatic().fit([replace(s, delay_budget_s=0.5) for s in states]).count == 1
    assert OracleStatic(count=1).schedule(states[0]).devices.tolist() == [1]
    assert len(OracleStatic(count=0).schedule(states[0]).devices) == 0


def test_an_energy_overdraft_keeps_a_device_out_while_others_stay() -> None:
    fresh = History(np.zeros(3, int), np.zeros(3, int), np.zeros(3), np.zeros(3))
    spent = replace(fresh, mean_energy_j=np.array([0.0, 50.0, 0.0]))
    policy = create("knapsack_energy", energy_budget_j=1.0)
    state = unit_state([3.0, 2.0, 1.0], 10.0, virtual_queue_s=1.0)
    state = replace(state, round=100)

    assert sorted(policy.schedule(replace(state, history=fresh)).devices.tolist()) == [0, 1, 2]
    assert sorted(policy.schedule(replace(state, history=spent)).devices.tolist()) == [0, 2]


def test_the_energy_queues_hold_the_mean_energies_near_the_budget() -> None:
    rng, energy, rounds = np.random.default_rng(3), np.zeros(5), 400
    policy = create("knapsack_energy", energy_budget_j=0.3, zeta={"kind": "constant"}, drift="full")
    for number in range(1, rounds + 1):
        history = History(
            np.zeros(5, int), np.zeros(5, int), np.zeros(5), energy / max(number - 1, 1)
        )
        state = unit_state(list(rng.exponential(3.0, 5)), 2.0, history=history)
        answer = policy.schedule(replace(state, round=number))
        energy[answer.devices] += answer.delay_s

    assert (energy / rounds < 0.33).all()
    assert energy.sum() / rounds > 1.2


def test_the_virtual_queue_is_18a_and_line_19_scales_the_increment() -> None:
    assert next_virtual_queue(3.0, 5.0, 2.0) == 6.0
    assert next_virtual_queue(1.0, 0.5, 2.0) == 0.0
    assert next_virtual_queue(3.0, 5.0, 2.0, update="algorithm1", zeta=0.5) == 4.5
    assert next_virtual_queue(3.0, 5.0, 2.0, update="eq18", zeta=0.5) == 6.0


def test_the_objective_is_22_in_units_of_the_budget() -> None:
    # Round 4: zeta = 1/2. Q = 6 s, D = 4 s, budget 2 s: 3 - 0.5 * 3 * 2 = 0; in full also - 0.5 *
    # 2^2 / 2.
    state = unit_state([1.0], 2.0, round=4, virtual_queue_s=6.0)

    assert float(Objective().value(3, 4.0, state)) == 0.0
    assert float(Objective(drift="full").value(3, 4.0, state)) == -1.0


def test_zeta_descends_by_default_as_the_inverse_square_root() -> None:
    assert InverseSqrtZeta(initial=3.0).at(9) == 1.0
    assert PowerZeta(initial=8.0, exponent=0.75).at(16) == 1.0
    with pytest.raises(ValidationError, match="less than 1"):
        PowerZeta(exponent=1.0)
    with pytest.raises(ValidationError, match="less than 1"):
        create("exact", zeta={"kind": "power", "exponent": 1.0})


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"kind": "random"}, "count or probability"),
        ({"kind": "random", "count": 2, "probability": 0.5}, "count or probability"),
        ({"kind": "random", "probability": 0.0}, "greater than 0"),
        ({"kind": "round_robin"}, "count"),
        ({"kind": "round_robin", "count": 0}, "greater than or equal to 1"),
        ({"kind": "knapsack_energy", "energy_budget_j": -1.0}, "greater than 0"),
        ({"kind": "greedy", "count": 3}, "unexpected"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        create(**options)  # type: ignore[arg-type]


def test_a_policy_that_needs_history_or_a_generator_requires_it() -> None:
    state = unit_state([1.0], 1.0)

    for kind, options, name in (
        ("random", {"count": 1}, "rng"),
        ("round_robin", {"count": 1}, "history"),
        ("proportional_fair", {"count": 1}, "history"),
        ("knapsack_energy", {"energy_budget_j": 1.0}, "history"),
    ):
        with pytest.raises(ValueError, match=f"RoundState.{name}"):
            create(kind, **options).schedule(state)


def test_floors_and_rates_of_a_state_are_those_of_the_link() -> None:
    state = with_memory(paper_state(np.array([1e-6, 2e-6])))

    np.testing.assert_array_equal(
        state.floor(), shannon.capacity_floor(state.bits, state.gain, state.noise_psd)
    )
    assert state.delay(np.array([1]), np.array([1e6])) == state.bits[1] / shannon.rate(
        1e6, 2e-6, state.noise_psd
    )


@pytest.mark.parametrize("count", [30, 3000])
def test_devices_of_one_gain_stay_in_order_of_their_ids(count: int) -> None:
    gain = np.random.default_rng(1).integers(1, 5, count).astype(float)

    order = unit_state(list(gain), 1.0).rank_by_gain()

    ranked = sorted(range(count), key=lambda device: (-gain[device], device))
    assert order.tolist() == ranked
