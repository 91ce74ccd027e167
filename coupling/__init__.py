"""Scenarios, and the protocols that couple the radio to the learner."""

from coupling.scenario.errors import RunError, ScenarioError
from coupling.scenario.scenario import Scenario
from coupling.simulation.run import resume, run
from coupling.simulation.simulation import Simulation

__all__ = ["RunError", "Scenario", "ScenarioError", "Simulation", "resume", "run"]
