"""Federated averaging: the ``[protocol]`` table of local training with LoRA exchange."""

from typing import Literal, final

from typing_extensions import override

from coupling.scenario.tables.base import ScenarioTable
from coupling.scenario.tables.cell import CellTable
from coupling.scenario.tables.channel import ChannelTable
from coupling.scenario.tables.protocols.base import RadioProtocolTable
from learner.settings import Codecs, LearnerSettings
from netsim.parameters import Bits, Count, NonNegative


@final
class LocalOperations(ScenarioTable):
    """Operations of a device that trains by itself; they take time where its speed is given."""

    local_step: NonNegative = 0.0
    """Forward and backward of one minibatch through the whole model."""


@final
class FedAvgLoraTable(RadioProtocolTable):
    """Each scheduled device trains a copy of the LoRA matrices and its head, and sends the copy to
    be averaged.

    The server's matrices go to it first, over a downlink of its own where the cell has one, and
    without taking time otherwise. The heads stay on the devices, as in the split protocols, so
    nothing of them is sent. The average weighs as `learner.weights` says.
    """

    kind: Literal["fedavg_lora"]
    payload_bit: Bits | Literal["actual"]
    """Bits of the LoRA matrices, in each direction; ``actual``: 32 for each of the learner's LoRA
    parameters.
    """
    local_steps: Count = 1
    """Steps E that a device makes in a round, each on a minibatch of its own; they take the place
    of `learner.local_batches`.
    """
    operations: LocalOperations = LocalOperations()
    """Operations of a step."""

    @property
    @override
    def fixed_bits(self) -> float | None:
        return None if self.payload_bit == "actual" else self.payload_bit

    @override
    def check(
        self, cell: CellTable, channel: ChannelTable, learner: LearnerSettings | None
    ) -> None:
        if (cell.downlink_bandwidth_hz is None) != (cell.server_tx_power_w is None):
            raise ValueError(
                "cell.downlink_bandwidth_hz and cell.server_tx_power_w need each other"
            )
        if learner is None:
            return
        if learner.codec != Codecs():
            raise ValueError(
                "learner.codec is for a split step, and protocol.kind = 'fedavg_lora' has none"
            )
        if learner.local_batches != 1:
            raise ValueError(
                f"learner.local_batches = {learner.local_batches} is not 1: "
                "with protocol.kind = 'fedavg_lora' protocol.local_steps sets the number of "
                "minibatches per device"
            )
        if learner.lora.frozen:
            raise ValueError("protocol.kind = 'fedavg_lora' needs learner.lora.frozen = false")

    @override
    def minibatches(self, learner: LearnerSettings) -> int:
        return self.local_steps
