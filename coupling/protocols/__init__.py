"""What crosses the channel in a round, and when: one file a protocol, its ``[protocol]`` table beside it."""

from typing import Annotated

from pydantic import Field

from coupling.protocols.aggregate import AggregateSettings
from coupling.protocols.base import Outcome, Payload, Plan, Protocol, ProtocolSettings, Transfers
from coupling.protocols.centralised import CentralisedSettings
from coupling.protocols.fedavg_lora import FedAvgLoraSettings
from coupling.protocols.phased import PhasedSettings

AnyProtocol = Annotated[
    AggregateSettings | PhasedSettings | FedAvgLoraSettings | CentralisedSettings, Field(discriminator="kind")
]
"""The table of any protocol."""

__all__ = ["AnyProtocol", "Outcome", "Payload", "Plan", "Protocol", "ProtocolSettings", "Transfers"]
