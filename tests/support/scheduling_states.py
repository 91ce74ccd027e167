"""Round states of the paper's radio, and random ones."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from netsim.channel.fading import Rayleigh
from netsim.channel.pathloss import PowerLaw
from netsim.channel.radio_environment import RadioEnvironment
from netsim.link import shannon
from netsim.mobility import Static
from netsim.placement import Disc
from netsim.scheduling import History, Policy, RoundState
from netsim.streams import Streams
from netsim.virtual_queue import next_virtual_queue

BITS = 51_904_512.0
BANDWIDTH_HZ = 10e6
NOISE_PSD = 1e-11
BUDGET_S = 1e-6 * BITS


def paper_gains(seed: int, count: int, rounds: int) -> Float[ndarray, "rounds count"]:
    """Return the gains of section V-A: disc 300 m away, exponent 3.5, Rayleigh fading."""
    world = RadioEnvironment.modelled(
        placement=Disc(center_m=(300.0, 0.0), radius_m=50.0),
        mobility=Static(),
        path_loss=PowerLaw(exponent=3.5, reference_m=10.0),
        fading=Rayleigh(),
        server_m=(0.0, 0.0),
        count=count,
        streams=Streams(seed),
    )
    return np.stack([world.gain(number, 0.0) for number in range(1, rounds + 1)])


def paper_state(
    gain: ndarray, number: int = 1, queue_s: float = 0.0, budget_s: float = BUDGET_S
) -> RoundState:
    ones = np.ones(len(gain))
    return RoundState(
        round=number,
        gain=gain,
        bits=BITS * ones,
        tx_power_w=ones,
        bandwidth_hz=BANDWIDTH_HZ,
        noise_psd=NOISE_PSD,
        delay_budget_s=budget_s,
        virtual_queue_s=queue_s,
    )


@dataclass(frozen=True)
class LongRun:
    """Closed loop of rounds: devices, delay and queue after each round; times in budgets."""

    scheduled: ndarray
    delay: ndarray
    queue: ndarray


def long_run(
    policy: Policy, gains: ndarray, *, initial: float = 0.0, budget: float = 1.0
) -> LongRun:
    """Run a policy over rounds with (18a); ``budget`` scales the budget that it works with."""
    budget_s = budget * BUDGET_S
    queue_s = initial * BUDGET_S
    rows = []
    for number, gain in enumerate(gains, 1):
        answer = policy.schedule(paper_state(gain, number, queue_s, budget_s=budget_s))
        queue_s = next_virtual_queue(queue_s, answer.delay_s, budget_s)
        rows.append((len(answer.devices), answer.delay_s / BUDGET_S, queue_s / BUDGET_S))
    return LongRun(*np.array(rows).T)


def random_states(
    seed: int, number: int, *, max_count: int = 10, spread: float = 3.0
) -> Iterator[RoundState]:
    """Yield random small rounds; payloads differ in a third of them, powers in a half."""
    rng = np.random.default_rng(seed)
    for index in range(number):
        count = int(rng.integers(1, max_count + 1))
        gain = 10 ** rng.uniform(-6 - spread, -6, count)
        bits = (
            np.full(count, 10 ** rng.uniform(6, 8)) if index % 3 else 10 ** rng.uniform(6, 8, count)
        )
        power_w = np.ones(count) if index % 2 else rng.uniform(0.1, 2.0, count)
        budget_s = float(
            np.median(shannon.capacity_floor(bits, gain, NOISE_PSD, tx_power_w=power_w))
        ) * 10 ** rng.uniform(-1, 1)
        queue_s = budget_s * 10 ** rng.uniform(-3, 3)
        yield RoundState(
            round=int(rng.integers(1, 100)),
            gain=gain,
            bits=bits,
            tx_power_w=power_w,
            bandwidth_hz=BANDWIDTH_HZ,
            noise_psd=NOISE_PSD,
            delay_budget_s=budget_s,
            virtual_queue_s=queue_s,
        )


def with_memory(state: RoundState, seed: int = 0) -> RoundState:
    """Return the state with a generator and with a history that depends on the device ids."""
    rng = np.random.default_rng(seed)
    size = int(state.device.max()) + 1
    times = rng.integers(0, 9, size)
    last = rng.permutation(size)
    rate_bps = rng.uniform(0, 1e6, size)
    energy_j = rng.uniform(0, 100, size)
    ids = state.device
    history = History(times[ids], last[ids], rate_bps[ids], mean_energy_j=energy_j[ids])
    return replace(state, rng=np.random.default_rng(seed), history=history)


def all_delays(state: RoundState) -> Iterator[tuple[int, float]]:
    """Yield the number of devices and the minimum common delay of every non-empty set."""
    positions = range(len(state.gain))
    for count in range(1, len(state.gain) + 1):
        for chosen in combinations(positions, count):
            yield count, state.min_delay(np.array(chosen))[0]
