"""Protocols: the exchange of each round as SimPy processes, one file per protocol."""

from coupling.simulation.protocols.base import Outcome, Payload, Protocol, RoundPlan, Transfers

__all__ = ["Outcome", "Payload", "Protocol", "RoundPlan", "Transfers"]
