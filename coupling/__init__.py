"""Scenarios, and the simulation that couples the radio to the learner.

Names are imported when they are first used, so that the command line can report a foreign package
of the same name in one line.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from coupling.scenario.errors import RunError, ScenarioError
    from coupling.scenario.scenario import Scenario
    from coupling.simulation.run import resume, run
    from coupling.simulation.simulation import Simulation

_MODULES: Final = {
    "RunError": "coupling.scenario.errors",
    "Scenario": "coupling.scenario.scenario",
    "ScenarioError": "coupling.scenario.errors",
    "Simulation": "coupling.simulation.simulation",
    "resume": "coupling.simulation.run",
    "run": "coupling.simulation.run",
}

__all__ = ["RunError", "Scenario", "ScenarioError", "Simulation", "resume", "run"]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
