"""Participation of one device in one round: its legs, steps, energy and departure."""

from dataclasses import dataclass, field
from typing import final

from netsim.cell import Direction
from netsim.link.transfer import Attempt


@final
@dataclass
class Participation:
    """Participation of a scheduled device, recorded while the round is under way."""

    device: int
    service_s: dict[str, float]
    """Service time of each of the round's steps for this device, in seconds."""
    step_j: dict[str, float]
    """Energy that each of its own steps costs the device, in J."""
    power_w: dict[Direction, float]
    """Power that the device draws while bits go in a direction, in W."""
    departure_s: float
    """Departure time of the device; inf for never."""
    charge_j: float
    """Charge left in its battery, in J; inf without a battery."""
    legs: list[tuple[str, Direction, Attempt]] = field(default_factory=list)
    compute_s: float = 0.0
    compute_j: float = 0.0
    wait_s: float = 0.0
    arrived: bool = False

    def attempts(self, direction: Direction) -> list[Attempt]:
        """Return the attempts to send in a direction."""
        return [attempt for _, way, attempt in self.legs if way == direction]

    def air_s(self, direction: Direction) -> float:
        """Return the time on air in a direction, in seconds."""
        return sum(attempt.end_s - attempt.start_s for attempt in self.attempts(direction))

    def spent_j(self, direction: Direction) -> float:
        """Return the energy that the device spent on sending or receiving, in J."""
        airtime_s = sum(attempt.full_power_s for attempt in self.attempts(direction))
        return self.power_w[direction] * airtime_s

    def max_airtime_s(self, direction: Direction) -> float:
        """Return the time for which the battery lasts while bits go in a direction, in seconds."""
        power_w = self.power_w[direction]
        return self.charge_j / power_w if power_w else float("inf")

    def record_leg(self, leg: str, direction: Direction, attempts: list[Attempt]) -> None:
        """Record the attempts to send a leg, and their energy."""
        for attempt in attempts:
            self.legs.append((leg, direction, attempt))
        # One attempt, the usual case, needs no sum.
        first, *others = attempts
        airtime_s = first.full_power_s
        for attempt in others:
            airtime_s += attempt.full_power_s
        self._spend(self.power_w[direction] * airtime_s)

    def step_s(self, step: str, now_s: float) -> float:
        """Return the time that the device spends on a step, in seconds.

        It is the whole service time, or less if the device leaves or its battery runs empty.
        """
        service_s = self.service_s[step]
        cost_j = self.step_j[step]
        lasting_s = service_s * (self.charge_j / cost_j) if cost_j > self.charge_j else service_s
        return min(lasting_s, max(0.0, self.departure_s - now_s))

    def record_step(self, step: str, taken_s: float, now_s: float) -> bool:
        """Record that the device has worked on a step for ``taken_s``; return whether it is done.

        After a step that is not done, the next leg is aborted at once and so appears in the trace.
        """
        share = taken_s / self.service_s[step]
        self.compute_s += taken_s
        self.compute_j += share * self.step_j[step]
        self._spend(share * self.step_j[step])
        if share < 1:
            self.departure_s = min(self.departure_s, now_s)
        return share >= 1

    def _spend(self, energy_j: float) -> None:
        self.charge_j = max(0.0, self.charge_j - energy_j)
