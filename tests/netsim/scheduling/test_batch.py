"""Batched scheduling: the decisions of the policies for single worlds, and their delays."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy import ndarray

from netsim.scheduling import Objective, Policy, RoundState
from netsim.scheduling import batch as batched
from netsim.scheduling.batch import AllocationBatch, StateBatch
from netsim.scheduling.objective import PowerZeta
from netsim.scheduling.policies.algorithm1 import Algorithm1
from netsim.scheduling.policies.exact import Exact

Decide = Callable[[StateBatch, Objective], AllocationBatch]
WORLDS = 40
DEVICES = 12
OBJECTIVES = [Objective(), Objective(drift="full", zeta=PowerZeta(initial=2.0, exponent=0.25))]
PAIRS: list[tuple[Decide, type[Exact] | type[Algorithm1]]] = [
    (batched.exact, Exact),
    (batched.algorithm1, Algorithm1),
]


def states(seed: int, *, spread: float = 2.0, payloads: str = "equal") -> StateBatch:
    """Return states with devices that are not there, or have no gain, whose numbers are NaN."""
    rng = np.random.default_rng(seed)
    shape = (WORLDS, DEVICES)
    bits = np.full(shape, 5e7)
    if payloads == "different":
        bits *= rng.uniform(0.2, 5.0, shape)
    present = rng.random(shape) < 0.8
    present[0] = False
    present[1] = True
    gain = rng.exponential(size=shape) * 10.0 ** rng.uniform(-spread, spread, shape)
    gain[rng.random(shape) < 0.05] = 0.0
    return StateBatch(
        round=rng.integers(1, 1000, WORLDS),
        gain=np.where(present, gain, np.nan),
        bits=np.where(present, bits, np.nan),
        tx_power_w=np.where(present, rng.uniform(0.1, 2.0, shape), np.nan),
        present=present,
        bandwidth_hz=1e7,
        noise_psd=1e-7,
        delay_budget_s=rng.uniform(10.0, 100.0, WORLDS),
        virtual_queue_s=rng.exponential(size=WORLDS) * 10.0 ** rng.uniform(-1, 4, WORLDS),
    )


def require_equal(
    batch: StateBatch, found: AllocationBatch, policy: Policy, objective: Objective
) -> list[int]:
    """Require the single policy's decision in every world; return its numbers of devices."""
    counts = []
    for world in range(len(batch.gain)):
        state: RoundState = batch.state(world)
        single = policy.schedule(state)
        wanted = np.zeros(DEVICES)
        wanted[single.devices] = single.bandwidth_hz
        scheduled = np.flatnonzero(found.scheduled[world])
        assert scheduled.tolist() == sorted(single.devices.tolist())
        np.testing.assert_allclose(found.delay_s[world], single.delay_s, rtol=1e-12)
        np.testing.assert_allclose(found.bandwidth_hz[world], wanted, rtol=1e-12)
        counts.append(len(scheduled))
    return counts


@pytest.mark.parametrize("objective", OBJECTIVES, ids=["paper", "full"])
@pytest.mark.parametrize(("decide", "policy"), PAIRS, ids=["exact", "algorithm1"])
@pytest.mark.parametrize("payloads", ["equal", "different"])
@pytest.mark.parametrize("spread", [0.5, 4.0])
def test_decisions_equal_those_for_single_worlds(
    decide: Decide,
    policy: type[Exact] | type[Algorithm1],
    objective: Objective,
    *,
    payloads: str,
    spread: float,
) -> None:
    counts = []
    for seed in range(3):
        batch = states(seed, spread=spread, payloads=payloads)

        found = decide(batch, objective)

        counts += require_equal(batch, found, policy(objective=objective), objective)
    assert len(set(counts)) > 3, "worlds of few and of many devices"
    assert 0 in counts


@pytest.mark.parametrize("spread", [0.5, 4.0, 9.0])
def test_delays_of_chosen_devices_equal_those_of_single_sets(spread: float) -> None:
    batch = states(1, spread=spread, payloads="different")
    chosen = np.random.default_rng(2).random(batch.gain.shape) < 0.6

    found = batched.min_delay(batch, chosen)

    for world in range(WORLDS):
        inside = np.flatnonzero(chosen[world] & batch.present[world] & (batch.gain[world] > 0))
        state = batch.state(world)
        positions = np.searchsorted(state.device, inside)
        delay_s, share_hz = state.min_delay(positions)
        assert np.flatnonzero(found.scheduled[world]).tolist() == inside.tolist()
        np.testing.assert_allclose(found.delay_s[world], delay_s, rtol=1e-12)
        np.testing.assert_allclose(found.bandwidth_hz[world, inside], share_hz, rtol=1e-11)


def test_one_device_has_the_whole_band() -> None:
    batch = states(3)
    alone = np.zeros(batch.gain.shape, bool)
    alone[1, 4] = True

    found = batched.min_delay(batch, alone)

    rate_bps = 1e7 * np.log2(1 + batch.tx_power_w[1, 4] * batch.gain[1, 4] / (1e7 * 1e-7))
    np.testing.assert_allclose(found.delay_s[1], 5e7 / rate_bps, rtol=1e-12)
    np.testing.assert_allclose(found.bandwidth_hz[1], np.where(alone[1], 1e7, 0.0))
    assert (found.delay_s[np.arange(WORLDS) != 1] == 0).all()


def test_a_world_decides_alike_in_any_batch() -> None:
    batch = states(5)
    order: ndarray = np.random.default_rng(0).permutation(WORLDS)
    per_world = ("round", "gain", "bits", "tx_power_w", "present")
    moved = replace(
        batch,
        **{name: getattr(batch, name)[order] for name in per_world},
        delay_budget_s=batch.delay_budget_s[order],
        virtual_queue_s=batch.virtual_queue_s[order],
    )

    first, second = batched.exact(batch, Objective()), batched.exact(moved, Objective())

    assert (first.scheduled[order] == second.scheduled).all()
    np.testing.assert_allclose(first.delay_s[order], second.delay_s, rtol=1e-13)


def test_states_of_different_bands_are_no_batch() -> None:
    state = states(4).state(1)

    with pytest.raises(ValueError, match="one band, noise and number of devices, not 2"):
        StateBatch.of([state, replace(state, bandwidth_hz=2e7)])
    assert StateBatch.of([state, state]).gain.shape == (2, DEVICES)
