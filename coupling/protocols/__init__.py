"""What crosses the channel in a round, and when: one file a protocol."""

from coupling.protocols.aggregate import Aggregate
from coupling.protocols.base import Outcome, Plan, Protocol, Transfers

__all__ = ["Aggregate", "Outcome", "Plan", "Protocol", "Transfers"]
