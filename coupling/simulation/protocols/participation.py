"""One scheduled device on its way through a round."""

from dataclasses import dataclass, field
from typing import Final, Literal, final

from netsim.link.transfer import Attempt

Direction = Literal["uplink", "downlink"]
UPLINK: Final = "uplink"
DOWNLINK: Final = "downlink"


@final
@dataclass
class Participation:
    """What became of one device in a round."""

    device: int
    service_s: dict[str, float]
    """Service time of each of the round's steps for this device, in seconds."""
    step_j: dict[str, float]
    """What each of its own steps costs the device, in J."""
    power_w: dict[Direction, float]
    """What the device draws while bits go in a direction, in W."""
    leave_s: float
    """When the device is gone at the latest."""
    charge_j: float
    """What is left in its battery, in J; inf where it has none."""
    legs: list[tuple[str, Direction, Attempt]] = field(default_factory=list)
    compute_s: float = 0.0
    compute_j: float = 0.0
    wait_s: float = 0.0
    arrived: bool = False

    def attempts(self, direction: Direction) -> list[Attempt]:
        """Return what was sent in a direction."""
        return [attempt for _, way, attempt in self.legs if way == direction]

    def air_s(self, direction: Direction) -> float:
        """Return the time on air in a direction, in seconds."""
        return sum(attempt.end_s - attempt.start_s for attempt in self.attempts(direction))

    def spent_j(self, direction: Direction) -> float:
        """Return what sending or receiving has cost the device, in J."""
        return self.power_w[direction] * sum(
            attempt.on_air_s for attempt in self.attempts(direction)
        )

    def bearable_s(self, direction: Direction) -> float:
        """Return for how many seconds the device can send or receive."""
        power_w = self.power_w[direction]
        return self.charge_j / power_w if power_w else float("inf")

    def carried(self, leg: str, direction: Direction, attempts: list[Attempt]) -> None:
        """Book the attempts to send a leg."""
        self.legs += [(leg, direction, attempt) for attempt in attempts]
        self._spend(self.power_w[direction] * sum(attempt.on_air_s for attempt in attempts))

    def step_s(self, step: str, now_s: float) -> float:
        """Return for how many seconds the device takes a step: all of it, or until it leaves or
        runs empty.
        """
        service_s, cost_j = self.service_s[step], self.step_j[step]
        bearable_s = service_s * (self.charge_j / cost_j) if cost_j > self.charge_j else service_s
        return min(bearable_s, max(0.0, self.leave_s - now_s))

    def stepped(self, step: str, taken_s: float, now_s: float) -> bool:
        """Book that the device has taken a step for so long until now; return whether that was all
        of it.
        """
        share = taken_s / self.service_s[step]
        self.compute_s += taken_s
        self.compute_j += share * self.step_j[step]
        self._spend(share * self.step_j[step])
        if share < 1:
            # Whatever was to come next is aborted at once, and so appears in the trace.
            self.leave_s = min(self.leave_s, now_s)
        return share >= 1

    def _spend(self, energy_j: float) -> None:
        self.charge_j = max(0.0, self.charge_j - energy_j)
