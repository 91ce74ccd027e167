from dataclasses import fields, replace

import numpy as np
import pytest
from support.scheduling_states import paper_state

from netsim.scheduling import RoundState

PER_DEVICE = (
    "battery_j",
    "distance_m",
    "samples",
    "last_loss",
    "last_gradient_norm",
    "speed_per_s",
    "rounds_since_arrival",
)


def full_state(count: int = 4) -> RoundState:
    """Return a state with every optional array; each has its own values."""
    arrays = {name: 10.0 * index + np.arange(count) for index, name in enumerate(PER_DEVICE)}
    return replace(
        paper_state(np.full(count, 1e-6)),
        **arrays,
        position_m=np.arange(2.0 * count).reshape(count, 2),
        available=np.array([True, False] * count),
        deadline_s=30.0,
    )


def test_a_subset_keeps_the_entries_of_its_devices_in_every_array() -> None:
    state = full_state()

    part = state.subset(np.array([False, True, False, True]))

    for name in ("device", "gain", "bits", "tx_power_w", "position_m", *PER_DEVICE):
        np.testing.assert_array_equal(getattr(part, name), getattr(state, name)[[1, 3]])
    np.testing.assert_array_equal(part.available, state.available)
    assert part.deadline_s == 30.0
    assert part.downlink_bits is None


@pytest.mark.parametrize("name", ["position_m", "available", *PER_DEVICE])
def test_a_policy_reads_the_arrays_and_the_simulation_still_writes_its_own(name: str) -> None:
    own = np.ones((3, 2)) if name == "position_m" else np.ones(3)
    state = replace(paper_state(np.full(3, 1e-6)), **{name: own})

    shown = getattr(state, name)

    assert np.shares_memory(shown, own)
    with pytest.raises(ValueError, match="read-only"):
        shown[0] = 2
    own[0] = 2


def test_a_state_built_by_hand_needs_eight_fields() -> None:
    required = [column.name for column in fields(RoundState)][:8]

    state = paper_state(np.full(2, 1e-6))

    assert required[0] == "round"
    assert required[-1] == "virtual_queue_s"
    assert all(getattr(state, name) is None for name in ("available", *PER_DEVICE))
