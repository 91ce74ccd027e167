"""Centralised training: the ``[protocol]`` table of one data upload per device."""

from typing import Literal, final

from typing_extensions import override

from coupling.scenario.tables.base import ScenarioTable
from coupling.scenario.tables.cell import CellTable
from coupling.scenario.tables.channel import ChannelTable
from coupling.scenario.tables.protocols.base import RadioProtocolTable
from learner.settings import Codecs, LearnerSettings
from netsim.parameters import Bits, NonNegative


@final
class ServerOperations(ScenarioTable):
    """Operations of a server that trains by itself; they take time where its speed is given."""

    step: NonNegative = 0.0
    """Forward and backward of the round's minibatch through the whole model."""


@final
class CentralisedTable(RadioProtocolTable):
    """Each device uploads its share of the data once; the server trains LoRA and one head on what
    has arrived.

    Offered to the policy are the devices whose data is not there yet. A share is sent in one
    transfer; where that is lost, all of it is sent again the next time. At the end of each round
    the server makes one step on a minibatch out of all the data that it has. When everything has
    arrived, rounds have no transfers.
    """

    kind: Literal["centralised"]
    payload_bit: Bits | Literal["actual"]
    """Bits of a device's share of the data; ``actual``: its tokens in the smallest of 8, 16 or 32
    bits that numbers them, or its image files as they are, and its labels.
    """
    operations: ServerOperations = ServerOperations()
    """Operations of the server."""

    @property
    @override
    def fixed_bits(self) -> float | None:
        return None if self.payload_bit == "actual" else self.payload_bit

    @override
    def check(
        self, cell: CellTable, channel: ChannelTable, learner: LearnerSettings | None
    ) -> None:
        if learner is None:
            return
        if learner.codec != Codecs():
            raise ValueError(
                "learner.codec is for a split step, and protocol.kind = 'centralised' has none"
            )
        if learner.local_batches != 1:
            raise ValueError(
                f"learner.local_batches = {learner.local_batches} is not 1: "
                "with protocol.kind = 'centralised' the server takes one minibatch per round"
            )

    @override
    def minibatches(self, learner: LearnerSettings) -> int:
        return 0
