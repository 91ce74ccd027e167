"""What crosses the channel in a round, and when: one file a protocol, its ``[protocol]`` table
beside it.
"""

from typing import Annotated

from pydantic import Field

from coupling.simulation.protocols.aggregate import AggregateTable
from coupling.simulation.protocols.base import (
    Outcome,
    Payload,
    Protocol,
    ProtocolTable,
    RoundPlan,
    Transfers,
)
from coupling.simulation.protocols.centralised import CentralisedTable
from coupling.simulation.protocols.fedavg_lora import FedAvgLoraTable
from coupling.simulation.protocols.phased import PhasedTable

AnyProtocol = Annotated[
    AggregateTable | PhasedTable | FedAvgLoraTable | CentralisedTable, Field(discriminator="kind")
]
"""The table of any protocol."""

__all__ = [
    "AnyProtocol",
    "Outcome",
    "Payload",
    "Protocol",
    "ProtocolTable",
    "RoundPlan",
    "Transfers",
]
