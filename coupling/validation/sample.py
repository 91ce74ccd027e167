"""Sample of a run: its first rounds, simulated without training."""

import math
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, final

import numpy as np
from numpy import ndarray

from coupling.scenario.ending import Ending
from coupling.simulation.simulation import Simulation
from netsim.scheduling import Policy, RoundRecord, call_policy, notify_policy

MAXIMUM_ROUNDS: Final = 50
"""Number of rounds of a sample."""
MAXIMUM_S: Final = 5.0
"""Seconds of wall time after which no further round is sampled."""


@final
@dataclass
class Sample:
    """First rounds of a run: their delays, devices and ends, and the sizes that were sent."""

    delay_s: list[float] = field(default_factory=list)
    scheduled: list[int] = field(default_factory=list)
    end_s: list[float] = field(default_factory=list)
    legs: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Smallest and largest number of bits of each leg."""
    wall_s: float = 0.0
    """Seconds of wall time."""

    def add_sizes(self, leg: str, bits: ndarray) -> None:
        """Add the bits of some transfers of a leg."""
        low, high = int(bits.min()), int(bits.max())
        known = self.legs.get(leg, (low, high))
        self.legs[leg] = min(low, known[0]), max(high, known[1])

    def add_round(self, record: RoundRecord) -> None:
        """Add a round."""
        self.delay_s.append(record.delay_s)
        self.scheduled.append(len(record.scheduled))
        self.end_s.append(record.time_s)
        for count, columns in record.tables["transfers"]:
            legs = np.broadcast_to(np.asarray(columns["leg"]), count)
            bits = np.broadcast_to(np.asarray(columns["bits"]), count)
            for leg in np.unique(legs):
                self.add_sizes(str(leg), bits[legs == leg])

    def rounds_of_run(self, ending: Ending) -> int:
        """Return the number of rounds of the run if the other rounds last as long as these.

        A test accuracy may end the run before.
        """
        if ending.until_s is None or not self.end_s[-1]:
            return ending.rounds
        by_time = math.ceil(ending.until_s * len(self.end_s) / self.end_s[-1])
        return min(ending.rounds, by_time)


def sample_rounds(simulation: Simulation, policy: Policy) -> Sample:
    """Simulate the first rounds of a run, and return the sample.

    Raises:
        RunError: a round fails, as it would in the run.
    """
    sample = Sample()
    start_s = perf_counter()
    with simulation.errors:
        while len(sample.delay_s) < MAXIMUM_ROUNDS and sample.wall_s < MAXIMUM_S:
            state = simulation.observe()
            if state is None:
                break
            record = simulation.step(call_policy(policy, state, simulation.policy_name))
            notify_policy(policy, record, simulation.policy_name)
            sample.add_round(record)
            sample.wall_s = perf_counter() - start_s
    # Legs that were not sent in these rounds: those of all devices in the first round.
    for leg, bits in simulation.protocol.leg_bits(1).items():
        if leg not in sample.legs:
            sample.add_sizes(leg, bits)
    return sample
