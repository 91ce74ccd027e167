"""Protocol tables: the keys and the bits that the ``[protocol]`` tables have in common."""

from abc import ABC, abstractmethod

from coupling.scenario.tables.base import ScenarioTable
from coupling.scenario.tables.cell import CellTable
from coupling.scenario.tables.channel import ChannelTable
from learner.settings import LearnerSettings
from netsim.link.transmission import Outage
from netsim.parameters import Positive, Switch


class ProtocolTable(ScenarioTable, ABC):
    """The ``[protocol]`` table of one protocol; ``simulation.build`` maps it to its process."""

    kind: str
    """Name of the protocol."""

    @property
    @abstractmethod
    def fixed_bits(self) -> float | None:
        """Bits per device and round, all legs together; None where the learner counts them."""

    @property
    def fixed_uplink_bits(self) -> float | None:
        """Uplink part of ``fixed_bits``."""
        return self.fixed_bits

    @abstractmethod
    def check(
        self, cell: CellTable, channel: ChannelTable, learner: LearnerSettings | None
    ) -> None:
        """Raise ValueError where another table lacks a key that the protocol needs."""

    def minibatches(self, learner: LearnerSettings) -> int:
        """Return the number of minibatches per scheduled device and round."""
        return learner.local_batches


class RadioProtocolTable(ProtocolTable):
    """Keys of the protocols whose legs are transfers over a channel that may change."""

    outage: Outage | None = None
    """What happens where the gain is too low to be received; by default any gain is."""
    reallocate: Switch = False
    """Whether the share of a device that has ended goes to the others."""
    deadline_s: Positive | None = None
    """Time after a round's start at which all its transfers end, delivered or not; computing may
    continue after it. By default none.
    """
