"""Runs with executed shape annotations, as a program: every kind of every family of a scenario.

The working directory holds the scenario files and the files that they name. Each line of standard
input is a run as JSON: its scenario file, its overrides, and whether it learns.
"""

import json
import sys
import tempfile

from jaxtyping import TypeCheckError, install_import_hook

import support.type_checker  # noqa: F401  (the import hook looks it up by its name)

COUPLING = (
    "run_directory.checkpoint",
    "run_directory.table_buffer",
    "simulation.decision_rows",
    "simulation.learners",
    "simulation.oracle",
    "simulation.payloads",
    "simulation.protocols",
    "simulation.round_states",
    "simulation.rows",
    "simulation.simulation",
    "simulation.world",
)
"""Modules with arrays. Beartype refuses ``Self``, which other modules of ``coupling`` use."""
CHECKED = ["netsim", "learner", *(f"coupling.{name}" for name in COUPLING)]


def main() -> None:
    """Run all scenarios; then violate an annotation per package and write the error's name."""
    with install_import_hook(CHECKED, "support.type_checker.checked"):
        import coupling
        from coupling.run_directory.checkpoint import RunState
        from learner.executor import micro_batches
        from netsim.streams import uniform

    failures = 0
    for line in sys.stdin:
        path, overrides, learning = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            try:
                scenario = coupling.Scenario.load(path, overrides)
                coupling.run(scenario, f"{folder}/run", learning=learning)
            except Exception as error:  # noqa: BLE001 - each failed run is reported
                failures += 1
                sys.stderr.write(f"{overrides}: {str(error)[:300]}\n\n")
    for violation in (
        lambda: uniform("words"),
        lambda: next(micro_batches.by_length("words", 1)),
        lambda: RunState.initial("words", 0.0),
    ):
        try:
            violation()
        except TypeCheckError as error:
            sys.stdout.write(f"{type(error).__name__}\n")
    sys.exit(failures)


if __name__ == "__main__":
    main()
