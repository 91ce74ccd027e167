from dataclasses import replace

import numpy as np
import pytest
from support.scheduling_states import (
    BANDWIDTH_HZ,
    NOISE_PSD,
    all_delays,
    long_run,
    paper_gains,
    paper_state,
    random_states,
    with_memory,
)

from netsim.link import shannon
from netsim.link.shannon_link import ShannonLink
from netsim.scheduling import Objective, RoundState, create
from netsim.scheduling.heterogeneous_payloads import fastest_set
from netsim.scheduling.prefix_search import Prefixes, rank_by_gain

SOLVER = 4e-15
"""Relative difference of two solutions, due to the rounding of ln D."""


def objective_of(kind: str, state: RoundState, drift: str) -> float:
    policy = create(kind, drift=drift)
    answer = policy.schedule(state)
    return float(Objective(drift=drift).value(len(answer.devices), answer.delay_s, state))


@pytest.mark.parametrize(("seed", "number", "max_count"), [(0, 40, 10), (1, 240, 7), (2, 240, 6)])
def test_exact_is_the_best_of_all_subsets_under_both_drifts(
    seed: int, number: int, max_count: int
) -> None:
    partial = 0
    for state in random_states(seed, number, max_count=max_count):
        delays = list(all_delays(state))
        for drift in ("paper", "full"):
            objective = Objective(drift=drift)
            best = max(
                [0.0, *(float(objective.value(count, delay_s, state)) for count, delay_s in delays)]
            )

            answer = create("exact", drift=drift).schedule(state)

            value = float(objective.value(len(answer.devices), answer.delay_s, state))
            assert value == pytest.approx(best, rel=1e-11, abs=1e-11)
            assert answer.objective_bound is not None
            assert best - 1e-11 <= answer.objective_bound <= best * (1 + 1e-9) + 1e-9
            partial += 0 < len(answer.devices) < len(state.gain)
    assert partial > number / 5, "too few rounds in which only a part of the devices is best"


@pytest.mark.parametrize("link", [None, ShannonLink(max_bps_per_hz=6.0)])
@pytest.mark.parametrize("kind", ["exact", "algorithm1", "knapsack_energy"])
def test_a_downlink_changes_no_set_since_j_is_about_the_uplink(
    kind: str, link: ShannonLink | None
) -> None:
    policy = create(kind, **({"energy_budget_j": 1.0} if kind == "knapsack_energy" else {}))
    partial = 0
    for state in random_states(5, 90, max_count=6):
        alone = with_memory(state if link is None else replace(state, link=link))
        both = replace(
            alone, downlink_bits=20 * alone.bits, downlink_bandwidth_hz=2e6, server_tx_power_w=1.0
        )
        answer = policy.schedule(both)

        assert answer.devices.tolist() == policy.schedule(alone).devices.tolist()
        partial += 0 < len(answer.devices) < len(both.gain)
        if kind == "exact":
            values = [float(Objective().value(*entry, both)) for entry in all_delays(both)]
            delay_s = both.delay(answer.devices, answer.bandwidth_hz)
            value = float(Objective().value(len(answer.devices), delay_s, both))
            assert value == pytest.approx(max(0.0, *values), rel=1e-11, abs=1e-11)
    assert partial > 5, "too few rounds in which only a part of the devices is best"


def test_exact_is_the_best_of_all_subsets_if_payloads_differ_little() -> None:
    # Each device is worth about its cost: J is flat in N, and a bound that is too tight excludes
    # the best set.
    rng, inner = np.random.default_rng(4), 0
    for _ in range(150):
        count = int(rng.integers(3, 8))
        state = replace(
            paper_state(10 ** rng.uniform(-5, -2, count)), bits=5e7 * rng.uniform(0.9, 1.1, count)
        )
        delays = list(all_delays(state))
        whole_s = max(delay_s for _, delay_s in delays)
        state = replace(
            state, delay_budget_s=whole_s, virtual_queue_s=whole_s * count * rng.uniform(0.6, 1.2)
        )
        objective = Objective()
        best = max(
            [0.0, *(float(objective.value(size, delay_s, state)) for size, delay_s in delays)]
        )

        answer = create("exact").schedule(state)

        assert float(objective.value(len(answer.devices), answer.delay_s, state)) == pytest.approx(
            best, rel=1e-11
        )
        inner += 0 < len(answer.devices) < count
    assert inner > 30


def test_exact_misses_no_number_of_devices_with_a_better_set() -> None:
    # J falls and rises again over N: two numbers far apart are nearly as good, and too tight a
    # bound drops one. In every other round the band is scarce and not the power: there the demands
    # bound each other closely.
    rng, rivals = np.random.default_rng(8), 0
    for index in range(160):
        count = int(rng.integers(8, 25))
        low, high = (-7, -3) if index % 2 else (4, 7)
        state = replace(
            paper_state(10 ** rng.uniform(low, high, count)),
            bits=5e7 * 10 ** rng.uniform(-0.5, 0.5, count),
        )
        reachable = rank_by_gain(state)
        delays_s = np.array(
            [fastest_set(state, reachable, n)[0].delay_s for n in range(1, count + 1)]
        )
        # The queue with which two of the numbers are worth the same.
        few, many = np.sort(rng.choice(count, 2, replace=False))
        price = (many - few) / (delays_s[many] - delays_s[few]) * rng.uniform(0.98, 1.02)
        state = replace(state, delay_budget_s=1.0, virtual_queue_s=price)
        values = np.append(0.0, np.arange(1, count + 1) - price * delays_s)

        answer = create("exact").schedule(state)

        value = float(Objective().value(len(answer.devices), answer.delay_s, state))
        assert value == pytest.approx(values.max(), rel=1e-9, abs=1e-9)
        rivals += (values > values.max() - 0.2).sum() > 1
    assert rivals > 30, "too few rounds in which another number is nearly as good"


@pytest.mark.parametrize("drift", ["paper", "full"])
def test_exact_never_scores_below_algorithm_1_in_one_round(drift: str) -> None:
    above = 0
    for state in random_states(7, 400, max_count=30, spread=6.0):
        exact, early = (objective_of(kind, state, drift) for kind in ("exact", "algorithm1"))
        assert exact >= early - 1e-12 * abs(early)
        above += exact > early + 1e-6
    assert above > 20, "Algorithm 1 never stopped too early"


def test_j_is_not_unimodal_and_algorithm_1_stops_at_the_first_fall() -> None:
    # In a very wide band a set's delay is the capacity floor of its weakest device: 1, 10 and 10.1
    # budgets here.
    floor = np.array([1.0, 10.0, 10.1])
    state = RoundState(
        round=1,
        gain=1e-9 * np.log(2) / floor,
        bits=np.ones(3),
        tx_power_w=np.ones(3),
        bandwidth_hz=1e9,
        noise_psd=1e-9,
        delay_budget_s=1.0,
        virtual_queue_s=0.15,
    )
    # J = N - 0.15 D: 0.85, 0.5 and 1.485.
    one, best = create("algorithm1").schedule(state), create("exact").schedule(state)

    assert one.devices.tolist() == [0]
    assert best.devices.tolist() == [0, 1, 2]
    assert best.objective_bound == pytest.approx(1.485, rel=1e-6)


def test_every_prefix_of_the_paper_s_radio_lies_within_its_bounds() -> None:
    for gain in paper_gains(3, 40, 20):
        state = paper_state(gain)
        prefixes = Prefixes(state, rank_by_gain(state))
        true_s = [state.min_delay(prefixes.order[:count])[0] for count in range(1, 41)]
        for count in (20, 40, 1, 30, 10, *range(1, 41)):
            lower_s, upper_s = prefixes.bounds_s[:, 1:]
            assert (lower_s <= np.array(true_s) * (1 + SOLVER)).all()
            assert (upper_s >= np.array(true_s) * (1 - SOLVER)).all()
            prefixes.refine_at(float(prefixes.guess_s(count)), 0, 40)

        assert float((upper_s / lower_s).max()) < 1.01


def test_the_bounds_hold_over_twelve_decades_of_gain() -> None:
    rng = np.random.default_rng(5)
    for _ in range(60):
        count = int(rng.integers(25, 60))
        state = replace(
            paper_state(10 ** rng.uniform(-12, 0, count)),
            bandwidth_hz=10 ** rng.uniform(3, 12),
            bits=10 ** rng.uniform(4, 8, count),
        )
        prefixes = Prefixes(state, rank_by_gain(state))
        true_s = np.array([state.min_delay(prefixes.order[:n])[0] for n in range(1, count + 1)])

        for turn in range(12):
            near = int(rng.integers(1, count + 1))
            # Every other refinement is far from the delays of the search.
            off = 10 ** rng.uniform(-14, 14) if turn % 2 else 1.0
            prefixes.refine_at(
                float(prefixes.guess_s(near) * off), int(rng.integers(0, near)), count
            )

            assert (prefixes.bounds_s[0, 1:] <= true_s * (1 + SOLVER)).all()
            assert (prefixes.bounds_s[1, 1:] >= true_s * (1 - SOLVER)).all()


def test_the_bounds_hold_after_a_refinement_close_to_a_floor() -> None:
    rng = np.random.default_rng(6)
    for _ in range(400):
        gain = np.append(10 ** rng.uniform(-3, 0, 3), 10 ** rng.uniform(-9, -6))
        state = replace(paper_state(gain), bandwidth_hz=10 ** rng.uniform(2, 9))
        prefixes = Prefixes(state, rank_by_gain(state))
        true_s = state.min_delay(prefixes.order)[0]

        prefixes.refine_at(float(prefixes.floor_s[-1]) * (1 + 10 ** rng.uniform(-12, 0)), 4, 4)

        assert prefixes.bounds_s[0, 4] <= true_s * (1 + SOLVER)
        assert prefixes.bounds_s[1, 4] >= true_s * (1 - SOLVER)


def test_prefixes_longer_than_a_block_are_refined_as_one() -> None:
    gain = paper_gains(4, 20_000, 1)[0]
    state = paper_state(gain)
    prefixes = Prefixes(state, rank_by_gain(state))

    prefixes.refine_at(float(prefixes.guess_s(19_000)), 18_500, 19_500)

    for count in (18_500, 19_000, 19_499):
        true_s = state.min_delay(prefixes.order[:count])[0]
        lower_s, upper_s = prefixes.bounds_s[:, count]
        assert lower_s * (1 - 1e-12) <= true_s <= upper_s * (1 + 1e-12)
        assert upper_s / lower_s < 1.05


def test_with_an_empty_queue_every_device_with_a_gain_takes_part() -> None:
    gain = np.array([1e-6, 0.0, 3e-6, 2e-6])

    for kind in ("exact", "algorithm1", "all_in"):
        answer = create(kind).schedule(paper_state(gain))

        assert answer.devices.tolist() == [2, 3, 0]
        assert answer.bandwidth_hz.sum() == pytest.approx(BANDWIDTH_HZ, rel=1e-13)
    assert len(create("exact", drift="full").schedule(paper_state(gain)).devices) < 3


def test_no_device_is_scheduled_if_delay_costs_more_than_it_brings() -> None:
    answer = create("exact").schedule(paper_state(np.array([1e-7, 1e-7]), queue_s=1e9))

    assert len(answer.devices) == 0
    assert answer.delay_s == 0.0
    assert answer.objective_bound == 0.0


def test_equal_objectives_go_to_the_larger_set() -> None:
    # With a budget of D_2 and a queue of 2 D_2, J(2) is 0, and so is J(0); J(1) is less.
    ties = 0
    for gain in np.linspace(1e-6, 2e-6, 20):
        state = paper_state(np.array([gain, gain]))
        delay_s = create("all_in").schedule(state).delay_s
        state = replace(state, delay_budget_s=delay_s, virtual_queue_s=2 * delay_s)
        answer = create("exact").schedule(state)
        value = float(Objective().value(2, delay_s, state))

        assert len(answer.devices) == (2 if value >= 0 else 0) or answer.delay_s != delay_s
        ties += value == 0.0 and answer.delay_s == delay_s
    assert ties > 0, "rounding left no tie"


def test_with_different_payloads_the_best_pair_is_no_prefix_of_the_gains() -> None:
    # The strongest device has the largest payload; the two others are faster together.
    gain, bits = np.array([3e-6, 2e-6, 1e-6]), np.array([1e9, 1e6, 1e6])
    floor_s = shannon.capacity_floor(bits, gain, NOISE_PSD)
    state = RoundState(
        1,
        gain,
        bits,
        np.ones(3),
        BANDWIDTH_HZ,
        NOISE_PSD,
        float(floor_s[1]) * 5,
        float(floor_s[1]) * 2,
    )

    assert sorted(create("exact").schedule(state).devices.tolist()) == [1, 2]


def test_a_thousand_devices_are_solved_in_a_few_evaluations() -> None:
    gain = paper_gains(1, 1000, 1)[0]
    for queue_s in (0.0, 1e2, 3e2, 1e3, 1e4):
        state = paper_state(gain, 9, queue_s)

        answer = create("exact").schedule(state)

        value = float(Objective().value(len(answer.devices), answer.delay_s, state))
        assert answer.iterations is not None
        assert answer.iterations <= 15
        assert answer.objective_bound == pytest.approx(value, abs=1e-9)
        near = [n for n in (len(answer.devices) - 1, len(answer.devices) + 1) if 0 < n <= 1000]
        for count in near:
            delay_s = state.min_delay(state.rank_by_gain()[:count])[0]
            assert float(Objective().value(count, delay_s, state)) <= value


def test_algorithm_1_stops_at_the_same_device_as_the_literal_one() -> None:
    gains = paper_gains(2, 20, 200)
    loop = long_run(create("algorithm1"), gains, initial=5.0)
    queue = np.concatenate([[5.0], loop.queue[:-1]])
    for number, gain in enumerate(gains, 1):
        state = paper_state(gain, number, queue[number - 1] * paper_state(gain).delay_budget_s)
        order, before, count = state.rank_by_gain(), 0.0, 0
        for size in range(1, 21):
            value = float(Objective().value(size, state.min_delay(order[:size])[0], state))
            if value < before:
                break
            before, count = value, size

        assert loop.scheduled[number - 1] == count


def test_the_certificate_is_not_below_the_objective_of_another_set() -> None:
    gain = np.append(4.156, np.full(10, 3.238e-4))
    state = replace(
        paper_state(gain),
        bits=np.full(11, 1e7),
        bandwidth_hz=1e7,
        noise_psd=1e-11,
        delay_budget_s=1.0,
    )
    one_s, all_s = (state.min_delay(state.rank_by_gain()[:count])[0] for count in (1, 11))
    for near in (0.999, 1.0, 1.001):
        priced = replace(state, virtual_queue_s=near * 10 / (all_s - one_s))

        answer = create("exact").schedule(priced)

        assert answer.objective_bound is not None
        for count, delay_s in ((1, one_s), (11, all_s)):
            value = float(Objective().value(count, delay_s, priced))
            assert value <= answer.objective_bound + 1e-13 * abs(value)
        assert answer.bandwidth_hz.sum() == pytest.approx(1e7, rel=1e-14)


def test_two_numbers_of_equal_j_do_not_stop_the_search() -> None:
    gain = np.repeat(
        [6.141269849527916e-2, 3.198702246983722e-2, 6.613435182805627e-13], [20, 2, 500]
    )
    state = replace(paper_state(gain), bits=np.full(522, 1e7), bandwidth_hz=1e7, noise_psd=1e-11)
    few_s, many_s = (state.min_delay(state.rank_by_gain()[:count])[0] for count in (22, 522))
    state = replace(
        state,
        round=1,
        virtual_queue_s=0.0,
        delay_budget_s=float(np.sqrt((many_s**2 - few_s**2) / 1000)),
    )

    answer = create("exact", drift="full").schedule(state)

    assert len(answer.devices) in {22, 522}
