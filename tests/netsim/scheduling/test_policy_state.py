import functools
import random
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.scheduling_states import paper_gains, paper_state, with_memory

from netsim.scheduling import POLICIES, Allocation, Policy, RoundState, create
from netsim.scheduling.policy_state import (
    PolicyStateError,
    fingerprint,
    has_memory,
    pack,
    unpack,
)

REQUIRED_OPTIONS = {
    "random": {"count": 4},
    "round_robin": {"count": 4},
    "proportional_fair": {"count": 4},
    "latency_first": {"count": 4},
    "oracle_static": {"count": 4},
    "knapsack_energy": {"energy_budget_j": 1.0},
}


class Slotted:
    """An object that keeps a value in a slot."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value


class Remembering(Policy):
    """A policy with one attribute of any kind."""

    def __init__(self, memory: object) -> None:
        self.memory = memory

    def schedule(self, state: RoundState) -> Allocation:
        return Allocation.empty()


@dataclass(frozen=True)
class Caching(Policy):
    """A frozen policy with caches that are functions of its options."""

    count: int = 3
    weights: dict[str, float] = field(default_factory=dict)

    @functools.cached_property
    def squares(self) -> list[int]:
        return [number**2 for number in range(self.count)]

    @staticmethod
    @functools.lru_cache
    def cubes(count: int) -> int:
        return count**3

    def schedule(self, state: RoundState) -> Allocation:
        assert self.cubes(self.squares[-1]) == 64
        return Allocation.empty()


class Saving(Remembering):
    """A policy that saves its memory."""

    def state_dict(self) -> dict[str, Any]:
        return {"memory": self.memory}


def nested_list(memory: Any) -> None:
    memory["a"][1].append(3)


CHANGES = {
    "a list": ([1], lambda memory: memory.append(2)),
    "an array": (np.zeros(3), lambda memory: memory.put(1, 1e-300)),
    "an array of objects": (np.array([[1], None], object), lambda memory: memory[0].append(2)),
    "a list in a tuple in a dict": ({"a": (0, [1])}, nested_list),
    "the order of a dict": ({"a": 1, "b": 2}, lambda memory: memory.update(a=memory.pop("a"))),
    "a set": ({"a", "b"}, lambda memory: memory.discard("a")),
    "a deque": (deque([1], maxlen=3), lambda memory: memory.append(2)),
    "a slot": (Slotted(1), lambda memory: setattr(memory, "value", 2)),
    "a generator": (np.random.default_rng(1), lambda memory: memory.random()),
    "Python's generator": (random.Random(1), lambda memory: memory.random()),
    "another policy": (Remembering([1]), lambda memory: memory.memory.append(2)),
    "bytes": (bytearray(b"ab"), lambda memory: memory.append(3)),
    "an iterator": (iter([1, 2, 3]), next),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_of_an_attribute_changes_the_fingerprint(kind: str) -> None:
    memory, change = CHANGES[kind]
    policy = Remembering(memory)
    before = fingerprint(policy)

    assert fingerprint(policy) == before
    change(memory)  # type: ignore[operator]
    assert fingerprint(policy) != before


def test_a_change_behind_a_closure_changes_the_fingerprint() -> None:
    calls: list[int] = []
    policy = Remembering(lambda: calls.append(1))
    before = fingerprint(policy)

    policy.memory()  # type: ignore[operator]

    assert fingerprint(policy) != before


def test_a_new_attribute_changes_the_fingerprint() -> None:
    policy = Remembering(None)
    before = fingerprint(policy)

    policy.count = 1  # type: ignore[attr-defined]

    assert fingerprint(policy) != before


def test_caches_and_objects_that_hold_themselves_do_not_count_as_memory() -> None:
    circle: list[object] = []
    circle.append(circle)
    place = Path("a/b")
    for policy in (Caching(), Remembering(circle), Remembering(place), Remembering(open)):
        before = fingerprint(policy)
        policy.schedule(paper_state(np.full(3, 1e-6)))
        assert str(place) == "a/b"
        assert fingerprint(policy) == before


def test_equal_policies_have_equal_fingerprints() -> None:
    assert fingerprint(Caching()) == fingerprint(Caching())
    assert fingerprint(Caching()) != fingerprint(Caching(count=4))
    assert fingerprint(create("exact")) != fingerprint(create("exact", drift="full"))


@pytest.mark.parametrize("kind", POLICIES)
def test_a_built_in_policy_keeps_nothing_over_50_rounds(kind: str) -> None:
    policy = create(kind, **REQUIRED_OPTIONS.get(kind, {}))
    before = fingerprint(policy)

    for number, gain in enumerate(paper_gains(2, 20, 50), 1):
        policy.schedule(with_memory(replace(paper_state(gain), round=number)))

    assert fingerprint(policy) == before
    assert not has_memory(policy)


def test_a_policy_that_overrides_state_dict_has_memory() -> None:
    assert has_memory(Saving([1]))
    assert not has_memory(Remembering([1]))


def test_the_default_state_is_empty_and_takes_nothing_else() -> None:
    policy = Remembering(None)

    assert policy.state_dict() == {}
    policy.load_state_dict({})
    with pytest.raises(ValueError, match=r"Remembering has no load_state_dict\(\) .* 'counts'$"):
        policy.load_state_dict({"counts": 1})


def test_a_state_comes_back_as_it_was_packed() -> None:
    state = {
        "counts": np.arange(3),
        "empty": np.empty((0, 2), np.float32),
        "round": 3,
        "mean": np.float64(0.1),
        "label": "ucb",
        "warm": np.bool_(True),
        "best": None,
        "limit": float("inf"),
    }

    arrays, values = pack(state)
    restored = unpack(arrays, values)

    assert restored.keys() == state.keys()
    for key, value in state.items():
        np.testing.assert_array_equal(restored[key], value)
    assert restored["empty"].dtype == np.float32
    assert type(restored["mean"]) is float
    assert restored["warm"] is True


def test_packed_arrays_are_copies() -> None:
    counts = np.zeros(2)
    arrays, _ = pack({"counts": counts})

    counts[:] = 1

    assert not arrays["counts"].any()


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"arms": [1, 2]}, r"state_dict\(\)\['arms'\] is of type list; use an array of integers"),
        ({"arms": np.array([None])}, r"state_dict\(\)\['arms'\] is an array of dtype object; use"),
        ({"rng": np.random.default_rng(1)}, r"state_dict\(\)\['rng'\] is of type Generator; use"),
        ({"z": 1j}, r"state_dict\(\)\['z'\] is of type complex; use"),
        ({3: 1}, r"state_dict\(\) has the key 3; keys must be strings"),
    ],
)
def test_a_value_that_cannot_be_saved_is_named(state: Any, problem: str) -> None:
    with pytest.raises(PolicyStateError, match=f"^{problem}") as error:
        pack(state)

    assert "\n" not in str(error.value)
