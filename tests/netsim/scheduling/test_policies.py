"""Rules of every policy."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scheduling_states import BANDWIDTH_HZ, BUDGET_S, NOISE_PSD, with_memory

from netsim.scheduling import POLICIES, RoundState, create, validated

OPTIONS: dict[str, dict[str, Any]] = {
    "random": {"count": 3},
    "round_robin": {"count": 3},
    "proportional_fair": {"count": 3},
    "latency_first": {"count": 3},
    "oracle_static": {"count": 3},
    "knapsack_energy": {"energy_budget_j": 30.0},
}
examples = settings(deadline=None, max_examples=40)
CASES = [*POLICIES, "random by probability", "exact, full", "algorithm1, full"]


def policy_of(case: str) -> Any:
    kind, _, variant = case.partition(", ")
    if case == "random by probability":
        return create("random", probability=0.4)
    return create(kind, **({"drift": variant} if variant else OPTIONS.get(kind, {})))


@st.composite
def states(draw: st.DrawFn, *, distinct: bool = False) -> RoundState:
    count = draw(st.integers(1, 12))
    exponents = (
        st.floats(-9, -4)
        if distinct
        else st.one_of(st.floats(-12, -2), st.sampled_from([-7.0, -6.0]))
    )
    gain = 10.0 ** np.array(
        draw(st.lists(exponents, min_size=count, max_size=count, unique=distinct))
    )
    if not distinct and draw(st.booleans()):
        gain[draw(st.integers(0, count - 1))] = 0.0
    bits = np.full(count, 5e7)
    if draw(st.booleans()):
        bits = 10.0 ** np.array(draw(st.lists(st.floats(6, 8), min_size=count, max_size=count)))
    power_w = np.ones(count)
    if draw(st.booleans()):
        power_w = np.array(draw(st.lists(st.floats(0.1, 2.0), min_size=count, max_size=count)))
    queue_s = BUDGET_S * draw(st.sampled_from([0.0, 0.1, 1.0, 3.0, 30.0]))
    ids = np.cumsum(draw(st.lists(st.integers(1, 5), min_size=count, max_size=count)))
    number = draw(st.integers(1, 1000))
    return with_memory(
        RoundState(number, gain, bits, power_w, BANDWIDTH_HZ, NOISE_PSD, BUDGET_S, queue_s, ids)
    )


def permuted(state: RoundState, order: np.ndarray) -> RoundState:
    """Return the state with its devices in another order; numbers, history and all else move
    along.
    """
    assert state.history is not None
    memory = {
        name: getattr(state.history, name)[order]
        for name in ("times_scheduled", "last_round", "mean_rate_bps", "mean_energy_j")
    }
    moved = {name: getattr(state, name)[order] for name in ("gain", "bits", "tx_power_w", "device")}
    return replace(
        state,
        **moved,
        history=replace(state.history, **memory),
        rng=np.random.default_rng(0),
    )


@pytest.mark.parametrize("case", CASES)
@examples
@given(state=states())
def test_allocations_are_feasible_and_keep_their_delay(case: str, state: RoundState) -> None:
    answer = validated(policy_of(case).schedule(state), state, case)

    position = np.searchsorted(state.device, answer.devices)
    assert (state.gain[position] > 0).all()
    strength = (
        state.gain[position]
        if np.ptp(state.tx_power_w) == 0
        else np.sort(state.gain[position])[::-1]
    )
    assert (np.diff(strength) <= 0).all()
    if len(position):
        assert state.delay(position, answer.bandwidth_hz) == pytest.approx(
            answer.delay_s, rel=1e-10
        )


@pytest.mark.parametrize("case", CASES)
@examples
@given(state=states())
def test_the_same_seed_gives_the_same_answer(case: str, state: RoundState) -> None:
    first, second = (
        policy_of(case).schedule(replace(state, rng=np.random.default_rng(seed))) for seed in (0, 0)
    )

    np.testing.assert_array_equal(first.devices, second.devices)
    np.testing.assert_array_equal(first.bandwidth_hz, second.bandwidth_hz)
    assert first.delay_s == second.delay_s


@pytest.mark.parametrize("case", CASES)
@examples
@given(state=states(distinct=True), data=st.data())
def test_the_allocation_does_not_depend_on_the_order_of_the_devices(
    case: str, state: RoundState, data: st.DataObject
) -> None:
    order = np.array(data.draw(st.permutations(range(len(state.gain)))))

    straight = policy_of(case).schedule(state)
    moved = policy_of(case).schedule(permuted(state, order))

    assert sorted(moved.devices.tolist()) == sorted(straight.devices.tolist())
    assert moved.delay_s == pytest.approx(straight.delay_s, rel=1e-12)


GAIN_BASED = [
    case
    for case in CASES
    if case.split(" ")[0] not in ("random", "round_robin", "proportional_fair", "knapsack_energy")
]


@pytest.mark.parametrize("case", GAIN_BASED)
@examples
@given(state=states(distinct=True), data=st.data())
def test_a_policy_of_gains_alone_does_not_depend_on_device_ids(
    case: str, state: RoundState, data: st.DataObject
) -> None:
    order = np.array(data.draw(st.permutations(range(len(state.gain)))))

    straight = policy_of(case).schedule(state)
    renamed = policy_of(case).schedule(replace(permuted(state, order), device=state.device))

    # The device at position i was at position order[i] before.
    before = order[np.searchsorted(state.device, renamed.devices)]
    assert sorted(state.device[before].tolist()) == sorted(straight.devices.tolist())


@pytest.mark.parametrize(
    "case",
    ["exact", "exact, full", "algorithm1", "greedy", "aaba", "latency_first", "oracle_static"],
)
def test_ties_go_to_the_lowest_device_ids(case: str) -> None:
    for count in (40, 600):
        gain, ones = np.full(count, 1e-6), np.ones(count)
        for queue_s in (0.0, 25.0, 50.0, 100.0, 200.0):
            state = RoundState(
                1, gain, 5e7 * ones, ones, BANDWIDTH_HZ, NOISE_PSD, 8 * BUDGET_S, queue_s * BUDGET_S
            )

            answer = policy_of(case).schedule(state)

            assert answer.devices.tolist() == list(range(len(answer.devices)))


def test_a_draw_of_20_among_a_million_devices_is_vector_work() -> None:
    count = 1_000_000
    rng = np.random.default_rng(1)
    state = RoundState(
        1,
        rng.exponential(1e-6, count),
        np.full(count, 5e7),
        np.ones(count),
        BANDWIDTH_HZ,
        NOISE_PSD,
        50.0,
        0.0,
        rng=rng,
    )

    answer = create("random", count=20).schedule(state)

    assert len(set(answer.devices.tolist())) == 20
