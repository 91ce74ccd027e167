"""Public package of airtune: scenarios, simulations, runs, sweeps, comparisons, and run tables.

It forwards to ``coupling`` and ``analysis`` and decides nothing.
"""

from importlib.metadata import version

from airtune.packages import require_own_packages

require_own_packages()

from airtune.runs import compare, resume, run, sweep  # noqa: E402 (after the check)
from analysis import load, load_many  # noqa: E402
from coupling import RunError, Scenario, ScenarioError, Simulation  # noqa: E402

__version__ = version("airtune")

__all__ = [
    "RunError",
    "Scenario",
    "ScenarioError",
    "Simulation",
    "__version__",
    "compare",
    "load",
    "load_many",
    "resume",
    "run",
    "sweep",
]
