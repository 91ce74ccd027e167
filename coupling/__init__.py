"""Scenarios, and the protocols that couple the radio to the learner."""

from coupling.problems import RunError, ScenarioError
from coupling.scenario import Scenario
from coupling.simulation import run

__all__ = ["RunError", "Scenario", "ScenarioError", "run"]
