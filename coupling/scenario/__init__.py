"""Scenario files: tables, merging, validation and error lines."""

from coupling.scenario.errors import RunError, ScenarioError
from coupling.scenario.scenario import Scenario
from coupling.scenario.tables.protocols import ProtocolTable, RadioProtocolTable

__all__ = ["ProtocolTable", "RadioProtocolTable", "RunError", "Scenario", "ScenarioError"]
