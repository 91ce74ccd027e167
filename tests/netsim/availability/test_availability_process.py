"""Every availability process: a function of time alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim.availability import Always, AvailabilityProcess, AvailabilityTrace, Markov
from netsim.errors import StalledError
from netsim.streams import Streams

COUNT = 30
MODELS: dict[str, Callable[[int], AvailabilityProcess]] = {
    "always": lambda count: Always().process(count, Streams(3)),
    "markov": lambda count: markov(5.0, 2.0, count),
    "trace": lambda count: AvailabilityTrace(kind="trace", path=_FILE[0]).process(
        count, Streams(3)
    ),
}
_FILE: list[str] = []


def markov(on_s: float, off_s: float, count: int) -> AvailabilityProcess:
    return Markov(kind="markov", mean_on_s=on_s, mean_off_s=off_s).process(count, Streams(3))


@pytest.fixture(autouse=True, scope="module")
def _file(tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            "device": rng.permutation(np.repeat(np.arange(COUNT), 20)),
            "time_s": rng.random(20 * COUNT) * 60 - 10,
            "available": rng.random(20 * COUNT) < 0.6,
        }
    )
    path: Path = tmp_path_factory.mktemp("availability") / "trace.parquet"
    rows.to_parquet(path)
    _FILE[:] = [str(path)]


@pytest.mark.parametrize("name", MODELS)
@given(
    times_s=st.lists(st.floats(0.0, 60.0), min_size=1, max_size=8),
    device=st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=5, unique=True),
)
@settings(max_examples=25, deadline=None)
def test_states_and_their_ends_do_not_depend_on_earlier_calls(
    name: str, times_s: list[float], device: list[int]
) -> None:
    asked, some = MODELS[name](COUNT), np.array(device)
    seen = [
        (asked.at(at_s).copy(), asked.next_change_s(some, np.full(len(some), at_s)).copy())
        for at_s in times_s
    ]

    for at_s, (available, change_s) in zip(times_s, seen, strict=True):
        assert (MODELS[name](COUNT).at(at_s) == available).all()
        assert (MODELS[name](COUNT).next_change_s(some, np.full(len(some), at_s)) == change_s).all()


@pytest.mark.parametrize("name", MODELS)
def test_another_device_does_not_change_the_states_of_the_others(
    name: str,
) -> None:
    few, many = MODELS[name](7), MODELS[name](COUNT)
    some = np.arange(7)

    for at_s in (0.0, 12.5, 99.0, 3.0):
        assert (many.at(at_s)[:7] == few.at(at_s)).all()
        times_s = np.full(7, at_s)
        assert (many.next_change_s(some, times_s) == few.next_change_s(some, times_s)).all()


@pytest.mark.parametrize("name", ["markov", "trace"])
@given(at_s=st.floats(0.0, 60.0))
@settings(max_examples=25, deadline=None)
def test_a_state_holds_until_its_change_and_not_at_it(name: str, at_s: float) -> None:
    presence = MODELS[name](COUNT)
    before = presence.at(at_s).copy()
    change_s = presence.next_change_s(np.arange(COUNT), np.full(COUNT, at_s))

    assert (change_s > at_s).all()
    for device in np.flatnonzero(np.isfinite(change_s)):
        assert presence.at(np.nextafter(change_s[device], 0.0))[device] == before[device]
        assert presence.at(change_s[device])[device] != before[device]


@pytest.mark.parametrize("name", MODELS)
def test_the_events_of_a_process_replay_the_same_process(name: str, tmp_path: Path) -> None:
    presence = MODELS[name](COUNT)
    rows = pd.concat(
        pd.DataFrame({"device": device, "time_s": time_s, "available": available})
        for device, time_s, available in presence.events(40.0)
    )
    path = tmp_path / "again.csv"
    rows.to_csv(path, index=False)
    again = AvailabilityTrace(kind="trace", path=str(path)).process(COUNT, Streams(4))

    devices = np.arange(COUNT)
    for at_s in np.linspace(0.0, 40.0, 81):
        assert (again.at(at_s) == presence.at(at_s)).all()
        times_s = np.full(COUNT, at_s)
        # The trace has no changes after its last row, which is the first one after the end.
        assert (
            again.next_change_s(devices, times_s) == presence.next_change_s(devices, times_s)
        ).all()


def test_the_sojourns_of_many_devices_do_not_depend_on_chunks() -> None:
    many, fewer = (markov(5.0, 2.0, count).at(77.0) for count in (40_000, 16_385))

    assert (many[:16_385] == fewer).all()


def test_a_process_that_changes_too_fast_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netsim.clock._MAX_EVENTS", 2000)
    presence = markov(1e-3, 1e-3, 2)
    presence.at(0.0)

    with pytest.raises(
        StalledError, match=r"comes or goes more than 2,000 times within one round; raise"
    ):
        presence.at(10.0)
    # The first call, as after a resume, may advance any number of sojourns.
    markov(1e-3, 1e-3, 2).at(3.0)
