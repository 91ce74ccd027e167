"""Scenarios, and the protocols that couple the radio to the learner."""

from coupling.scenario.errors import RunError, ScenarioError
from coupling.scenario.scenario import Scenario
from coupling.simulation.run import run

__all__ = ["RunError", "Scenario", "ScenarioError", "run"]
