"""One scheduled device on its way through a round."""

from dataclasses import dataclass, field
from typing import Final, Literal, final

from netsim.sending import Attempt

Direction = Literal["uplink", "downlink"]
UPLINK: Final = "uplink"
DOWNLINK: Final = "downlink"


@final
@dataclass
class Visit:
    """What became of one device in a round."""

    device: int
    service_s: dict[str, float]
    """Service time of each of the round's steps for this device, in seconds."""
    legs: list[tuple[str, Direction, Attempt]] = field(default_factory=list)
    compute_s: float = 0.0
    wait_s: float = 0.0
    arrived: bool = False

    def attempts(self, direction: Direction) -> list[Attempt]:
        """Return what was sent in a direction."""
        return [attempt for _, way, attempt in self.legs if way == direction]

    def air_s(self, direction: Direction) -> float:
        """Return the time on air in a direction, in seconds."""
        return sum(attempt.end_s - attempt.start_s for attempt in self.attempts(direction))
