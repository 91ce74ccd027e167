import numpy as np
import pytest

from netsim.availability import AvailabilityProcess, Markov
from netsim.streams import Streams

COUNT = 200_000
ON_S, OFF_S = 6.0, 2.0
SHARE = ON_S / (ON_S + OFF_S)
TIMES_S = [0.0, 0.7, 40.0, 300.0]


def presence(count: int = COUNT, seed: int = 5) -> AvailabilityProcess:
    return Markov(kind="markov", mean_on_s=ON_S, mean_off_s=OFF_S).process(count, Streams(seed))


@pytest.mark.parametrize("time_s", TIMES_S)
def test_the_share_of_available_devices_is_stationary_from_the_start(time_s: float) -> None:
    available = presence().at(time_s)

    half_width = 4 * np.sqrt(SHARE * (1 - SHARE) / COUNT)
    assert half_width < 0.01 * SHARE
    assert abs(available.mean() - SHARE) < half_width


@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("time_s", TIMES_S)
def test_the_rest_of_a_sojourn_is_exponential_at_any_time(time_s: float, state: bool) -> None:
    world = presence()
    device = np.flatnonzero(world.at(time_s) == state)
    left_s = world.next_change_s(device, np.full(len(device), time_s)) - time_s

    mean_s = ON_S if state else OFF_S
    half_width = 4 * mean_s / np.sqrt(len(device))
    assert half_width < 0.03 * mean_s
    assert abs(left_s.mean() - mean_s) < half_width
    for multiple in (0.1, 1.0, 3.0):
        theory = np.exp(-multiple)
        half_width = 4 * np.sqrt(theory * (1 - theory) / len(device))
        assert half_width < 0.1 * theory
        assert abs((left_s > multiple * mean_s).mean() - theory) < half_width


@pytest.mark.parametrize("state", [True, False])
def test_a_whole_sojourn_lasts_its_mean(state: bool) -> None:
    """A whole sojourn lies between two changes; the one at time 0 would be length-biased."""
    world, device = presence(), np.arange(COUNT)
    first_s = world.next_change_s(device, np.zeros(COUNT))
    enters = world.at(0.0) != state
    second_s = world.next_change_s(device[enters], first_s[enters])

    sojourn_s, mean_s = second_s - first_s[enters], ON_S if state else OFF_S
    half_width = 4 * mean_s / np.sqrt(len(sojourn_s))
    assert half_width < 0.03 * mean_s
    assert abs(sojourn_s.mean() - mean_s) < half_width


@pytest.mark.parametrize("lag_s", [0.5, 1.5, 4.0])
def test_the_state_is_forgotten_at_the_rate_of_the_chain(lag_s: float) -> None:
    world = presence()
    now, later = world.at(30.0).copy(), world.at(30.0 + lag_s)

    # P(on at t + lag | on at t) of a chain with the rates 1 / on and 1 / off.
    theory = SHARE + (1 - SHARE) * np.exp(-lag_s * (1 / ON_S + 1 / OFF_S))
    half_width = 4 * np.sqrt(theory * (1 - theory) / now.sum())
    assert half_width < 0.01 * theory
    assert abs(later[now].mean() - theory) < half_width
    assert abs(SHARE - theory) > half_width, "an independent draw must differ significantly"


def test_devices_and_seeds_are_independent() -> None:
    world = presence().at(12.0)

    half_width = 4 / np.sqrt(COUNT)
    assert half_width < 0.01
    assert abs(np.corrcoef(world[:-1], world[1:])[0, 1]) < half_width
    assert abs(np.corrcoef(world, presence(seed=6).at(12.0))[0, 1]) < half_width
