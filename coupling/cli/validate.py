"""Command ``validate``: everything that a run would refuse, and the cost of the run."""

import json
from importlib import import_module
from typing import Annotated, Any, Final

import typer

from coupling.cli.options import (
    Rounds,
    ScenarioPath,
    Seed,
    Settings,
    load_scenario,
    print_warnings,
)
from coupling.scenario.errors import Interrupted, RunError, ScenarioError, key_path, shown
from coupling.scenario.scenario import Scenario
from coupling.simulation.stop_signals import Stopped, act_at_once, stop_requests
from coupling.validation import LegRange, Validation
from coupling.validation import validate as validate_scenario

_KEYS: Final = ("leg_bits", "memory_bytes", "median_delay_s", "sampled_rounds", "wall_time_s")


def validate(
    context: typer.Context,
    scenario: ScenarioPath,
    settings: Settings = None,
    seed: Seed = None,
    rounds: Rounds = None,
    no_learning: Annotated[
        bool, typer.Option("--no-learning", help="Leave out model and data, as the run would.")
    ] = False,
    no_plugins: Annotated[
        bool,
        typer.Option("--no-plugins", help="List the code that it names, without importing it."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check all that a run would refuse, without training, and estimate what the run needs."""
    try:
        loaded = load_scenario(
            scenario, settings, seed=seed, rounds=rounds, imports_plugins=not no_plugins
        )
        named = loaded.plugins() if no_plugins else []
        if named and as_json:
            raise ScenarioError(f"{scenario}: names code; --json needs it, leave out --no-plugins")
        for path, name in named:
            print(f"{scenario}: {key_path(path)} = {name!r} names code, which was not imported")
        if named:
            print(f"{scenario}: valid apart from that code and its options")
            return
        result = _validated(loaded, learning=not no_learning)
    except (ScenarioError, RunError, MemoryError) as error:
        if as_json:
            nothing: dict[str, Any] = dict.fromkeys(_KEYS)
            document = {"valid": False, "error": shown(error, 2000), "warnings": [], **nothing}
            print(json.dumps(document, indent=2))
        raise
    print_warnings(result.warnings, context.obj)
    if as_json:
        print(json.dumps(result.document(), indent=2))
        return
    unseen = ", apart from what could not be looked at" if result.memory_bytes is None else ""
    print(f"{scenario}: valid{unseen}")
    for line in _lines(result):
        print(line)


def _validated(scenario: Scenario, *, learning: bool) -> Validation:
    """Return the result of the validation.

    Raises:
        Interrupted: a signal has arrived.
    """
    with stop_requests() as stop:
        try:
            with act_at_once(stop):
                # The summary at the end of a run needs memory, too.
                import_module("analysis.metrics")
                return validate_scenario(scenario, learning=learning)
        except Stopped:
            raise Interrupted("interrupted; nothing was written") from None


def _lines(result: Validation) -> list[str]:
    """Return the lines about the cost of the run, as far as it is known."""
    legs = (f"{leg} {_bits(size)}" for leg, size in result.leg_bits.items())
    rounds = f"the first {result.sampled_rounds} rounds"
    if result.sampled_rounds == 1:
        rounds = "the first round"
    lines = []
    if result.leg_bits:
        lines.append(f"legs per device and round: {', '.join(legs)}")
    if result.median_delay_s is not None:
        lines.append(f"median delay of {rounds}: {result.median_delay_s:.4g} s")
    if result.memory_bytes is not None:
        lines.append(f"memory: {result.memory_bytes / 1e6:,.0f} MB")
    if result.wall_time_s is not None:
        lines.append(f"wall time: about {_duration(result.wall_time_s)}")
    return lines


def _bits(size: LegRange) -> str:
    if size.minimum == size.maximum:
        return f"{size.maximum:,} bit"
    return f"{size.minimum:,} to {size.maximum:,} bit"


def _duration(seconds: float) -> str:
    """Return a time with two digits, in seconds, minutes or hours."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return (
                f"{seconds / length:.2g} {unit}"
                if seconds < 99 * length
                else (f"{seconds / length:,.0f} {unit}")
            )
    return f"{seconds:.2g} s" if seconds < 99 else f"{seconds:.0f} s"
