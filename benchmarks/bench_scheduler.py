"""Scheduling cost against a literal Algorithm 1, against sorting, and by delay budget (Fig. 6).

Each claim is a ratio of processor times measured in one run. Twenty devices: every 25th of the
5,000 rounds of ``scenarios/paper/base.toml`` with a queue that starts at 5 budgets, under
``algorithm1``. Many devices: one round of the same world, with queues from empty (all devices are
scheduled) to so long that none is.
"""

import sys
from collections.abc import Callable, Iterator
from time import process_time
from typing import Final

import numpy as np
from numpy import ndarray

from benchmarks.common import Report, timed
from benchmarks.literal_algorithm1 import scheduled_count
from netsim.channel.fading import Rayleigh
from netsim.channel.pathloss import PowerLaw
from netsim.channel.radio_environment import RadioEnvironment
from netsim.mobility import Static
from netsim.placement import Disc
from netsim.scheduling import Objective, Policy, RoundState, batch, create
from netsim.streams import Streams
from netsim.virtual_queue import next_virtual_queue

BITS: Final = 51_904_512.0
BANDWIDTH_HZ: Final = 10e6
NOISE_PSD: Final = 1e-11
BUDGET_S_PER_BIT: Final = 1e-6
ROUNDS: Final = 5_000
ROUNDS_APART: Final = 25
REPEATS: Final = 7
MINIMUM_MEAN_N: Final = 6
MINIMUM_SPEEDUP: Final = {"algorithm1": 20, "exact": 30}
# At 10^3 devices the calls into NumPy alone take 12 to 18 argsorts, see docs/log.md.
MAXIMUM_ARGSORTS: Final = {10**3: 45, 10**4: 20, 10**5: 20, 10**6: 20}
MAXIMUM_GROWTH: Final = 1.0
WORLDS: Final = 64
MAXIMUM_BATCH: Final = 0.2
QUEUES_IN_BUDGETS: Final = (0.0, 1.0, 10.0, 100.0, 1_000.0, 1e4, 1e5)
BUDGETS_OF_FIG_6: Final = (0.0004, 0.0005, 0.001, 0.002, 0.005, 0.01)


def gains_of_rounds(device_count: int, rounds: int) -> Iterator[ndarray]:
    """Yield the gains of the paper's devices in their disc, round by round."""
    radio = RadioEnvironment.modelled(
        placement=Disc(center_m=(300.0, 0.0), radius_m=50.0),
        mobility=Static(),
        path_loss=PowerLaw(exponent=3.5, reference_m=10.0),
        fading=Rayleigh(),
        server_m=(0.0, 0.0),
        count=device_count,
        streams=Streams(1),
    )
    for round_number in range(1, rounds + 1):
        yield radio.gain(round_number, 0.0)


def round_state(
    round_number: int, gain: ndarray, queue_s: float, budget_s: float = BUDGET_S_PER_BIT * BITS
) -> RoundState:
    """Return the state in which a policy decides about devices with these gains."""
    ones = np.ones(len(gain))
    return RoundState(
        round=round_number,
        gain=gain,
        bits=BITS * ones,
        tx_power_w=ones,
        bandwidth_hz=BANDWIDTH_HZ,
        noise_psd=NOISE_PSD,
        delay_budget_s=budget_s,
        virtual_queue_s=queue_s,
    )


def closed_loop(
    policy: Policy, rounds: int, budget_s: float
) -> Iterator[tuple[RoundState, int, float]]:
    """Yield the state, the number of scheduled devices and the policy's seconds per round."""
    queue_s = 5 * budget_s
    for round_number, gain in enumerate(gains_of_rounds(20, rounds), 1):
        state = round_state(round_number, gain, queue_s, budget_s=budget_s)
        start_s = process_time()
        allocation = policy.schedule(state)
        yield state, len(allocation.devices), process_time() - start_s
        queue_s = next_virtual_queue(queue_s, allocation.delay_s, budget_s)


def minimum_s(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the minimum processor time of some work, which other programs disturb little."""
    return min(timed(work) for _ in range(repeats))


def twenty_devices(report: Report) -> None:
    """Report the speed of both policies relative to the literal Algorithm 1."""
    policies = {name: create(name) for name in MINIMUM_SPEEDUP}
    loop = [*closed_loop(policies["algorithm1"], ROUNDS, BUDGET_S_PER_BIT * BITS)][::ROUNDS_APART]
    states = [state for state, _, _ in loop]
    counts = [count for _, count, _ in loop]
    mean_n = np.mean(counts)
    assert mean_n >= MINIMUM_MEAN_N, f"mean N is {mean_n}, too few to measure"
    assert [scheduled_count(state) for state in states] == counts, "literally others"
    for state in states:
        optimum = policies["exact"].schedule(state)
        value = float(Objective().value(len(optimum.devices), optimum.delay_s, state))
        assert optimum.objective_bound is not None
        assert optimum.objective_bound - value < 1e-9, "the optimum is not certain"
    literal_s = 0.0
    spent_s = dict.fromkeys(policies, 0.0)
    for state in states:
        literal_s += minimum_s(lambda state=state: scheduled_count(state))
        for name, policy in policies.items():
            spent_s[name] += minimum_s(lambda policy=policy, state=state: policy.schedule(state))
    report.note(f"20 devices, {len(states)} rounds of base.toml, mean N {mean_n:.2f}")
    for name, bound in MINIMUM_SPEEDUP.items():
        text = f"speed of {name} relative to literal ({1e3 * spent_s[name] / len(states):.3f} ms)"
        report.minimum(text, literal_s / spent_s[name], bound)


def many_devices(report: Report) -> None:
    """Report the time of ``exact`` in units of ``np.argsort``, and its growth with K."""
    exact = create("exact")
    mean_s = {}
    for count, bound in MAXIMUM_ARGSORTS.items():
        gain = next(gains_of_rounds(count, 1))
        sort_s = minimum_s(lambda gain=gain: np.argsort(gain), 9)
        costs_s = []
        sizes = []
        for queue in QUEUES_IN_BUDGETS:
            state = round_state(100, gain, queue * BUDGET_S_PER_BIT * BITS)
            sizes.append(len(exact.schedule(state).devices))
            costs_s.append(minimum_s(lambda state=state: exact.schedule(state)))
        assert max(sizes) == count
        assert min(sizes) == 0
        mean_s[count] = float(np.mean(costs_s))
        row = zip(QUEUES_IN_BUDGETS, costs_s, sizes, strict=True)
        cells = [f"{queue:g}: {cost_s / sort_s:.1f} ({size})" for queue, cost_s, size in row]
        report.note(f"K = {count:,}, argsorts (N) by queue in budgets: {', '.join(cells)}")
        report.maximum(f"argsorts of {count:,} floats for exact", max(costs_s) / sort_s, bound)
    few, *_, many = mean_s
    linearithmic = many * np.log(many) / (few * np.log(few))
    growth = mean_s[many] / mean_s[few] / linearithmic
    report.maximum(f"growth from {few:,} to {many:,} over K log K", growth, MAXIMUM_GROWTH)


def many_worlds(report: Report) -> None:
    """Report the time of one batched call for 64 worlds of 20 devices, relative to 64 calls."""
    budget_s = BUDGET_S_PER_BIT * BITS
    queues = np.random.default_rng(1).choice(QUEUES_IN_BUDGETS, WORLDS)
    states = [
        round_state(number, gain, queue * budget_s)
        for number, (gain, queue) in enumerate(
            zip(gains_of_rounds(20, WORLDS), queues, strict=True), 1
        )
    ]
    worlds = batch.StateBatch.of(states)
    everyone = np.ones(worlds.gain.shape, bool)
    positions = np.arange(20)
    for name, decide in (("exact", batch.exact), ("algorithm1", batch.algorithm1)):
        policy = create(name)
        single = [policy.schedule(state) for state in states]
        scheduled = decide(worlds, Objective()).scheduled
        assert scheduled.sum(axis=1).tolist() == [len(one.devices) for one in single], name
        ratio = paired(
            lambda decide=decide: decide(worlds, Objective()),
            lambda policy=policy: [policy.schedule(state) for state in states],
        )
        report.maximum(
            f"time of {name} for {WORLDS} worlds relative to calls", ratio, MAXIMUM_BATCH
        )
    ratio = paired(
        lambda: batch.min_delay(worlds, everyone),
        lambda: [state.min_delay(positions) for state in states],
    )
    report.maximum(f"time of min_delay for {WORLDS} worlds relative to calls", ratio, MAXIMUM_BATCH)


def paired(work: Callable[[], object], other: Callable[[], object]) -> float:
    """Return the median ratio of the processor times of two functions that take turns."""
    return float(np.median([timed(work) / timed(other) for _ in range(15)]))


def figure_6(report: Report) -> None:
    """Print the quartiles of the processor time of ``algorithm1`` by delay budget."""
    report.note("Fig. 6, algorithm1, ms per round (1,000 rounds per budget)")
    report.note("budget (ms/bit)    min     25 %     50 %     75 %     max   mean N")
    for budget_ms in BUDGETS_OF_FIG_6:
        loop = [*closed_loop(create("algorithm1"), 1_000, budget_ms * 1e-3 * BITS)]
        box = np.quantile([1e3 * spent_s for _, _, spent_s in loop], [0, 0.25, 0.5, 0.75, 1])
        mean_n = np.mean([count for _, count, _ in loop])
        report.note(
            f"{budget_ms:<15g}" + "".join(f"{value:9.3f}" for value in box) + f"{mean_n:9.2f}"
        )


def main() -> int:
    """Print the ratios; return the exit status."""
    report = Report("scheduler")
    twenty_devices(report)
    many_devices(report)
    many_worlds(report)
    figure_6(report)
    return report.status


if __name__ == "__main__":
    sys.exit(main())
