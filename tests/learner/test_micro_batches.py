"""Micro-batches: they keep to the token budget, and their cuts have minimum cost."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from learner.executor.micro_batches import FIXED_COST_SHARE, by_length

LENGTHS = st.lists(st.integers(1, 9), max_size=12)


def tokens(lengths: np.ndarray, batches: list[np.ndarray]) -> int:
    return sum(len(batch) * int(lengths[batch].max()) for batch in batches)


@given(lengths=LENGTHS, budget=st.integers(1, 40))
def test_every_sample_is_in_one_batch_and_no_batch_exceeds_the_budget(
    lengths: list[int], budget: int
) -> None:
    array = np.array(lengths, dtype=np.int64)

    batches = list(by_length(array, budget))

    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * array[batch].max() <= budget
    in_order = array[[row for batch in batches for row in batch.tolist()]]
    assert (np.diff(in_order) >= 0).all(), "shortest first"


@given(lengths=LENGTHS.filter(bool), budget=st.integers(9, 40))
def test_no_other_cut_between_lengths_costs_less(lengths: list[int], budget: int) -> None:
    array = np.sort(np.array(lengths, dtype=np.int64))
    changes = (np.flatnonzero(np.diff(array)) + 1).tolist()

    batches = list(by_length(array, budget))

    def cost(cuts: tuple[int, ...]) -> float:
        total = 0.0
        for part in np.split(array, cuts):
            count = -(-len(part) // (budget // int(part.max())))
            total += len(part) * int(part.max()) + FIXED_COST_SHARE * budget * count
        return total

    minimum = min(cost(cuts) for n in range(len(changes) + 1) for cuts in combinations(changes, n))
    # Where a group takes several batches, all but the last may be padded to less than the group's
    # longest.
    assert tokens(array, batches) + FIXED_COST_SHARE * budget * len(batches) <= minimum + 1e-9


def test_batches_are_counted_by_hand() -> None:
    lengths = np.array([30, 5, 5, 30, 6, 5])

    batches = [batch.tolist() for batch in by_length(lengths, 64)]

    # A batch costs 64 / 16 = 4 tokens: one for the 6 alone would save 3 tokens of padding.
    assert batches == [[1, 2, 5, 4], [0, 3]]
    assert [batch.tolist() for batch in by_length(lengths, 16)] == [[1, 2, 5], [4], [0], [3]]


def test_nothing_makes_no_batch() -> None:
    assert list(by_length(np.empty(0, dtype=np.int64), 8)) == []
