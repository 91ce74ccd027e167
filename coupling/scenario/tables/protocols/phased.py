"""Phased protocol: the ``[protocol]`` table of the split step with three legs in time."""

from typing import Literal, final

from typing_extensions import override

from coupling.scenario.tables.base import ScenarioTable
from coupling.scenario.tables.cell import CellTable
from coupling.scenario.tables.channel import ChannelTable
from coupling.scenario.tables.protocols.base import RadioProtocolTable
from learner.settings import LearnerSettings
from netsim.parameters import Bits, NonNegative


@final
class PhasedLegBits(ScenarioTable):
    """Bits of each leg of the split step."""

    embedding: Bits
    """Uplink, device to server, in bit."""
    feature: Bits
    """Downlink, server to device, in bit."""
    gradient: Bits
    """Uplink, device to server, in bit."""


@final
class PhasedOperations(ScenarioTable):
    """Operations of each step per device and round; they take time where a speed is given."""

    embed: NonNegative = 0.0
    """On the device, before the embedding is sent."""
    encode: NonNegative = 0.0
    """On the server, when the embedding has arrived."""
    head: NonNegative = 0.0
    """On the device, forward and backward through its head, when the feature has arrived."""
    backward: NonNegative = 0.0
    """On the server, when all devices have ended, for each gradient that arrived."""


@final
class PhasedTable(RadioProtocolTable):
    """Three legs in time, embedding up, feature down, gradient up: transfers over a channel that
    may change.
    """

    kind: Literal["phased"]
    payload_bit: PhasedLegBits | Literal["actual"]
    """Bits of each leg; ``actual``: those that the learner's payloads have."""
    operations: PhasedOperations = PhasedOperations()
    """Operations of each step."""

    @property
    @override
    def fixed_bits(self) -> float | None:
        bits = self.payload_bit
        return None if bits == "actual" else bits.embedding + bits.feature + bits.gradient

    @property
    @override
    def fixed_uplink_bits(self) -> float | None:
        bits = self.payload_bit
        return None if bits == "actual" else bits.embedding + bits.gradient

    @override
    def check(
        self, cell: CellTable, channel: ChannelTable, learner: LearnerSettings | None
    ) -> None:
        if cell.downlink_bandwidth_hz is None or cell.server_tx_power_w is None:
            raise ValueError(
                "protocol.kind = 'phased' needs cell.downlink_bandwidth_hz and "
                "cell.server_tx_power_w"
            )
