"""Protocol tables: the ``[protocol]`` tables, one file per protocol."""

from typing import Annotated

from pydantic import Field, SerializeAsAny, WrapValidator

from coupling.scenario.tables.protocols import plugin
from coupling.scenario.tables.protocols.aggregate import AggregateTable
from coupling.scenario.tables.protocols.base import ProtocolTable, RadioProtocolTable
from coupling.scenario.tables.protocols.centralised import CentralisedTable
from coupling.scenario.tables.protocols.fedavg_lora import FedAvgLoraTable
from coupling.scenario.tables.protocols.phased import PhasedLegBits, PhasedTable

BuiltInProtocol = Annotated[
    AggregateTable | PhasedTable | FedAvgLoraTable | CentralisedTable, Field(discriminator="kind")
]
"""The table of a built-in protocol."""

AnyProtocol = Annotated[SerializeAsAny[BuiltInProtocol], WrapValidator(plugin.validated)]
"""The table of any protocol, a plug-in's included."""

__all__ = [
    "AggregateTable",
    "AnyProtocol",
    "CentralisedTable",
    "FedAvgLoraTable",
    "PhasedLegBits",
    "PhasedTable",
    "ProtocolTable",
    "RadioProtocolTable",
]
