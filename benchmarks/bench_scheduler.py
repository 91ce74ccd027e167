"""What scheduling costs: against a literal Algorithm 1, against sorting, and over the delay budget
(Fig. 6).

Each claim is a ratio of CPU times measured in one run. Twenty devices: every 25th of the 5,000
rounds of ``scenarios/paper/base.toml`` with a queue that starts at 5 budgets, under ``algorithm1``.
Many devices: one round of the same world, with queues from empty (everybody takes part) to so long
that nobody does.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import process_time
from typing import Final

import numpy as np
from numpy import ndarray
from scipy.special import lambertw

from netsim.channel import radio_environment
from netsim.channel.fading import Rayleigh
from netsim.channel.pathloss import PowerLaw
from netsim.link import shannon
from netsim.mobility import Static
from netsim.placement import Disc
from netsim.scheduling import Objective, Policy, RoundState, create
from netsim.streams import Streams
from netsim.virtual_queue import next_virtual_queue

BITS: Final = 51_904_512.0
BANDWIDTH_HZ: Final = 10e6
NOISE_PSD: Final = 1e-11
BUDGET_S_PER_BIT: Final = 1e-6
ROUNDS: Final = 5_000
ROUNDS_APART: Final = 25
REPEATS: Final = 5
BISECTIONS: Final = 60
LEAST_MEAN_N: Final = 6
MANY: Final = (10**3, 10**4, 10**5, 10**6)
QUEUES_IN_BUDGETS: Final = (0.0, 1.0, 10.0, 100.0, 1_000.0, 1e4, 1e5)
BUDGETS_OF_FIG_6: Final = (0.0004, 0.0005, 0.001, 0.002, 0.005, 0.01)


@dataclass(frozen=True)
class PolicyCase:
    """The paper's devices in their disc."""

    count: int
    seed: int = 1

    def gains(self, rounds: int) -> Iterator[ndarray]:
        """Yield the gains of each round."""
        disc, power_law = (
            Disc(center_m=(300.0, 0.0), radius_m=50.0),
            PowerLaw(exponent=3.5, reference_m=10.0),
        )
        radio = radio_environment.RadioEnvironment.modelled(
            disc, Static(), power_law, Rayleigh(), (0.0, 0.0), self.count, Streams(self.seed)
        )
        for number in range(1, rounds + 1):
            yield radio.gain(number, 0.0)


def round_state(
    number: int, gain: ndarray, queue_s: float, budget_s: float = BUDGET_S_PER_BIT * BITS
) -> RoundState:
    ones = np.ones(len(gain))
    return RoundState(number, gain, BITS * ones, ones, BANDWIDTH_HZ, NOISE_PSD, budget_s, queue_s)


def closed_loop(
    policy: Policy, rounds: int, budget_s: float
) -> Iterator[tuple[RoundState, int, float]]:
    """Yield each round's state, the devices scheduled and the CPU time that the policy took."""
    queue_s = 5 * budget_s
    for number, gain in enumerate(PolicyCase(20).gains(rounds), 1):
        state = round_state(number, gain, queue_s, budget_s)
        start_s = process_time()
        answer = policy.schedule(state)
        yield state, len(answer.devices), process_time() - start_s
        queue_s = next_virtual_queue(queue_s, answer.delay_s, budget_s)


def literal_algorithm1(state: RoundState) -> int:
    """Return how many devices Algorithm 1 schedules, written as printed but for the misprint in
    (25).
    """
    strongest = np.sort(state.gain)[::-1]
    objective, before = Objective(), 0.0
    for count in range(1, len(strongest) + 1):
        value = float(objective.value(count, literal_delay_s(strongest[:count]), state))
        if value < before:
            return count - 1
        before = value
    return len(strongest)


def literal_delay_s(gain: ndarray) -> float:
    """Return the least common delay of a set in seconds: bisection until the bandwidths of (25)
    fill the band.
    """
    floor_s = BITS * NOISE_PSD * np.log(2) / gain
    low_s, high_s = (
        float(floor_s.max()),
        float((BITS / shannon.rate(BANDWIDTH_HZ / len(gain), gain, NOISE_PSD)).max()),
    )
    for _ in range(BISECTIONS):
        delay_s = (low_s + high_s) / 2
        x = floor_s / delay_s
        u = -lambertw(-x * np.exp(-x), k=-1).real
        fits = (BITS * np.log(2) / (delay_s * (u - x))).sum() <= BANDWIDTH_HZ
        low_s, high_s = (low_s, delay_s) if fits else (delay_s, high_s)
    return high_s


def cpu_s(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the least CPU time of some work: what other programs on the machine disturbed
    least.
    """
    times = []
    for _ in range(repeats):
        start_s = process_time()
        work()
        times.append(process_time() - start_s)
    return min(times)


def twenty_devices() -> None:
    algorithm1, exact = create("algorithm1"), create("exact")
    loop = list(closed_loop(algorithm1, ROUNDS, BUDGET_S_PER_BIT * BITS))[::ROUNDS_APART]
    states, counts = [state for state, _, _ in loop], [count for _, count, _ in loop]
    assert np.mean(counts) >= LEAST_MEAN_N, f"mean N is {np.mean(counts)}, too few to measure"
    assert list(map(literal_algorithm1, states)) == counts, (
        "the literal Algorithm 1 schedules others"
    )
    ways = literal_algorithm1, algorithm1.schedule, exact.schedule
    spent = sum(
        np.array([cpu_s(lambda way=way, state=state: way(state)) for way in ways])
        for state in states
    )
    optima = [exact.schedule(state) for state in states]
    for state, answer in zip(states, optima, strict=True):
        value = float(Objective().value(len(answer.devices), answer.delay_s, state))
        assert answer.objective_bound is not None
        assert answer.objective_bound - value < 1e-9, "the optimum is not certain"
    print(
        f"20 devices, {len(states)} rounds of base.toml, mean N {np.mean(counts):.2f}, CPU time of a round:"
    )
    for name, time_s in zip(("literal", "algorithm1", "exact"), spent, strict=True):
        print(
            f"  {name:<12}{1e3 * time_s / len(states):8.3f} ms{spent[0] / time_s:8.1f} times as fast as literal"
        )


def many_devices() -> None:
    exact, spent = create("exact"), {}
    print("exact in units of np.argsort of K floats (N scheduled), by virtual queue in budgets:")
    for count in MANY:
        gain = next(PolicyCase(count).gains(1))
        sort_s = cpu_s(lambda gain=gain: np.argsort(gain), 9)
        costs, sizes = [], []
        for queue in QUEUES_IN_BUDGETS:
            state = round_state(100, gain, queue * BUDGET_S_PER_BIT * BITS)
            sizes.append(len(exact.schedule(state).devices))
            costs.append(cpu_s(lambda state=state: exact.schedule(state)))
        assert max(sizes) == count
        assert min(sizes) == 0
        spent[count] = np.array(costs)
        cells = [
            f"{q:g}: {c / sort_s:.1f} ({n})"
            for q, c, n in zip(QUEUES_IN_BUDGETS, costs, sizes, strict=True)
        ]
        print(f"  K = {count:>9,}  " + "   ".join(cells))
    power_gain = spent[MANY[-1]].mean() / spent[MANY[0]].mean()
    linearithmic = MANY[-1] * np.log(MANY[-1]) / (MANY[0] * np.log(MANY[0]))
    print(
        f"  growth from {MANY[0]:,} to {MANY[-1]:,} devices: {power_gain / linearithmic:.2f} of that of K log K"
    )


def figure_6() -> None:
    print("Fig. 6, algorithm1, CPU time of a round in ms (1,000 rounds a budget):")
    print("  budget (ms/bit)    min     25 %     50 %     75 %     max   mean N")
    for budget_ms in BUDGETS_OF_FIG_6:
        loop = list(closed_loop(create("algorithm1"), 1_000, budget_ms * 1e-3 * BITS))
        box = np.quantile([1e3 * spent_s for _, _, spent_s in loop], [0, 0.25, 0.5, 0.75, 1])
        mean_n = np.mean([count for _, count, _ in loop])
        print(f"  {budget_ms:<15g}" + "".join(f"{value:9.3f}" for value in box) + f"{mean_n:9.2f}")


def main() -> int:
    twenty_devices()
    many_devices()
    figure_6()
    return 0


if __name__ == "__main__":
    sys.exit(main())
