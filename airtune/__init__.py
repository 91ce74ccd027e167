"""Public package of airtune: scenarios, simulations, runs, sweeps, comparisons, and run tables.

It forwards to ``coupling`` and ``analysis`` and decides nothing. Names are imported when they are
first used.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Final

from airtune.packages import require_own_packages

require_own_packages()

if TYPE_CHECKING:
    from airtune.evaluation import evaluate
    from airtune.runs import compare, export, resume, run, sweep
    from analysis import load, load_many
    from coupling import RunError, Scenario, ScenarioError, Simulation

__version__ = metadata.version("airtune")

_MODULES: Final = {
    "RunError": "coupling",
    "Scenario": "coupling",
    "ScenarioError": "coupling",
    "Simulation": "coupling",
    "compare": "airtune.runs",
    "evaluate": "airtune.evaluation",
    "export": "airtune.runs",
    "load": "analysis",
    "load_many": "analysis",
    "resume": "airtune.runs",
    "run": "airtune.runs",
    "sweep": "airtune.runs",
}

__all__ = [
    "RunError",
    "Scenario",
    "ScenarioError",
    "Simulation",
    "__version__",
    "compare",
    "evaluate",
    "export",
    "load",
    "load_many",
    "resume",
    "run",
    "sweep",
]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
