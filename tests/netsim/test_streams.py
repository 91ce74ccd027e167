import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy import ndarray

from netsim.philox import philox
from netsim.streams import Streams, normal_pairs, uniform

WORD = st.integers(0, 2**64 - 1)


@given(st.integers(0, 2**128 - 1), st.tuples(WORD, WORD, WORD, WORD))
def test_philox_has_the_words_of_numpy_for_a_key_and_counter(
    key: int, counter: tuple[int, int, int, int]
) -> None:
    number = sum(word << (64 * place) for place, word in enumerate(counter))
    # NumPy counts up before its first words.
    expected = np.random.Philox(key=key, counter=(number - 1) % 2**256).random_raw(4)

    assert (philox(key, np.array(counter, np.uint64)[:, None])[:, 0] == expected).all()


def test_the_words_of_a_counter_do_not_depend_on_other_counters() -> None:
    counter = np.arange(4 * 20_000, dtype=np.uint64).reshape(4, 20_000)

    together = philox(7, counter)

    for column in (0, 8191, 8192, 19_999):
        assert (together[:, column] == philox(7, counter[:, column : column + 1])[:, 0]).all()


@pytest.mark.parametrize("first", [0, 1, 4, 7])
def test_a_stream_read_from_a_later_word_has_the_same_words(first: int) -> None:
    streams = Streams(5)

    assert (
        streams.words(9, "a", 4, 2**63, first=first)
        == streams.words(30, "a", 4, 2**63)[first : first + 9]
    ).all()


def test_words_of_many_streams_at_once_are_those_of_each_stream() -> None:
    streams = Streams(5)

    first_words = streams.first_words("b", np.arange(50)[:, None], np.arange(3))
    words = streams.word_at(np.arange(9)[:, None], "b", np.arange(50))

    assert (first_words[:, 33, 2] == streams.words(4, "b", 33, 2)).all()
    assert all((words[:, block] == streams.words(9, "b", block)).all() for block in (0, 49))


def test_streams_of_other_seeds_names_and_indices_share_no_word() -> None:
    drawn = [
        Streams(seed).words(100, name, *indices)
        for seed in (1, 2)
        for name in ("a", "b")
        for indices in ((), (1,), (0, 1), (1, 1))
    ]

    assert len(np.unique(np.concatenate(drawn))) == 100 * len(drawn)


@pytest.mark.parametrize("indices", [(1, 2, 3), (-1,), (2**64,)])
def test_an_index_out_of_range_is_refused(indices: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at most two indices in 0"):
        Streams(1).generator("a", *indices)


@pytest.mark.parametrize("size", [1, 2, 8, 9, 33, 200, 201])
def test_many_subsets_at_once_are_those_of_each_generator(size: int) -> None:
    streams = Streams(3)
    # From all of the population to draws that 32 bits reject often, or do not reach.
    above = np.array([0, 1, 2, 5, 30, 3_000, 67_000, 3 * 10**9, 2**32 - 1 - size, 2**33])
    population = size + np.repeat(above, 6)
    device = np.arange(len(population))

    together = streams.subsets(population, size, "minibatch", device, 7)

    for row in device:
        alone = streams.generator("minibatch", int(row), 7).choice(
            int(population[row]), size, replace=False
        )
        assert sorted(together[row]) == sorted(alone)


def test_subsets_follow_numpy_if_it_changes_its_algorithm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def last(self: object, population: int, size: int, replace: bool) -> ndarray:
        return np.arange(population - size, population)

    class Changed:
        choice = last

    monkeypatch.setattr(Streams, "generator", lambda *_: Changed())

    together = Streams(3).subsets(np.full(5, 100), 4, "minibatch", np.arange(5), 7)

    assert together.tolist() == 5 * [[96, 97, 98, 99]]


def test_uniform_numbers_never_reach_the_ends_of_their_interval() -> None:
    extreme = uniform(np.array([0, 2**64 - 1], np.uint64))

    assert extreme[0] == 2.0**-53
    assert extreme[1] == 1 - 2.0**-53


def test_normal_pairs_are_standard_normal_and_uncorrelated() -> None:
    count = 400_000
    x, y = normal_pairs(*Streams(3).words(2 * count, "normal").reshape(2, count))

    # Standard errors: mean 1/sqrt(n), variance sqrt(2/n), fourth moment sqrt(96/n), correlation
    # 1/sqrt(n).
    for value in (x, y):
        assert abs(value.mean()) < 4 / np.sqrt(count) < 0.01
        assert abs(value.var() - 1) < 4 * np.sqrt(2 / count) < 0.01
        assert abs((value**4).mean() - 3) < 4 * np.sqrt(96 / count) < 0.15
    assert abs((x * y).mean()) < 4 / np.sqrt(count)
