"""Exchange as data: the steps and legs of one device in one round.

One more leg is one more ``Send`` in the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import final

from netsim.cell import Direction


class Side(Enum):
    """Side of the cut on which a step is computed."""

    DEVICE = "device"
    SERVER = "server"


DEVICE = Side.DEVICE
SERVER = Side.SERVER


@final
@dataclass(frozen=True)
class Compute:
    """Step that one side computes for one device."""

    step: str
    side: Side


@final
@dataclass(frozen=True)
class Send:
    """Leg that is sent over the channel."""

    leg: str
    direction: Direction


Exchange = Sequence[Compute | Send]
"""Steps and legs of one device in their order."""
