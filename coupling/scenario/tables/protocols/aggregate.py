"""Aggregate protocol: the ``[protocol]`` table of the paper's round."""

from typing import Annotated, Literal, final

from typing_extensions import override

from coupling.scenario.tables.cell import CellTable
from coupling.scenario.tables.channel import ChannelTable
from coupling.scenario.tables.protocols.base import ProtocolTable
from learner.settings import LearnerSettings
from netsim.parameters import Bits, source


@final
class AggregateTable(ProtocolTable):
    """Each scheduled device sends its payload once at its uplink rate, (7) of the paper."""

    kind: Annotated[Literal["aggregate"], source("paper, (7)")] = "aggregate"
    payload_bit: Bits | Literal["actual"]
    """Bits mu that a scheduled device sends in a round, embedding, feature and gradient together;
    ``actual``: those that the learner's payloads have.
    """

    @property
    @override
    def fixed_bits(self) -> float | None:
        return None if self.payload_bit == "actual" else self.payload_bit

    @override
    def check(
        self, cell: CellTable, channel: ChannelTable, learner: LearnerSettings | None
    ) -> None:
        if channel.coherence != "round":
            raise ValueError("protocol.kind = 'aggregate' needs channel.coherence = 'round'")
