"""Command ``compare``: policies in the same worlds, side by side."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.status import Status
from rich.table import Table

from coupling.cli.analysis import wrong_input
from coupling.cli.console import plain_console
from coupling.cli.options import Rounds, Settings, parse_overrides, print_line
from coupling.scenario.errors import ScenarioError
from coupling.sweeps.compare import compare as compare_policies
from coupling.sweeps.compare import parse_seeds

_CAPTION: Final = (
    "Estimate over the seeds (95 % interval; coverage of such intervals in the coverage study). "
    "An estimate is a mean, for times and energies a geometric mean, or where it says so a median."
)


def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="SCENARIO|RUN...",
            help="A scenario with --policies; or finished runs, or folders that hold some.",
        ),
    ],
    policies: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="Policies to run; the first is the reference."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="FIRST:END", help="Seeds, END excluded (default: 0:20).")
    ] = None,
    settings: Settings = None,
    rounds: Rounds = None,
    equal_delay: Annotated[
        bool,
        typer.Option("--equal-delay", help="Scale each budget until the mean delays are equal."),
    ] = False,
    no_learning: Annotated[
        bool, typer.Option("--no-learning", help="Run the network without the learner.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Directory of the runs (default: one that is removed).")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Of finished runs: the key to compare (default: policy)."),
    ] = None,
    within: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Of finished runs: compare within each value of a key."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Compare policies in the same worlds: run them, or take finished runs."""
    if policies is None:
        to_run = {
            "--seeds": seeds,
            "--set": settings,
            "--rounds": rounds is not None,
            "--equal-delay": equal_delay,
            "--no-learning": no_learning,
            "--out": out,
        }
        _require_runs(paths, [option for option, given in to_run.items() if given])
        with wrong_input():
            records = policy_records(paths, by=by or "policy", within=within or [])
    else:
        if len(paths) > 1 or by or within:
            raise ScenarioError("--policies: needs one scenario, and excludes --by and --within")
        records = _run(
            paths[0],
            [name for name in policies.split(",") if name],
            parse_seeds(seeds or "0:20"),
            settings=parse_overrides(settings, rounds=rounds),
            equal_delay=equal_delay,
            learning=not no_learning,
            out=out,
        )
    if as_json:
        typer.echo(json.dumps(records, indent=2))
    else:
        plain_console().print(_table(records, [*(within or []), by or "policy"]))


def policy_records(
    folders: Sequence[Path], by: str = "policy", within: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return the numbers of each policy over its runs, with their intervals."""
    from analysis import load_many
    from analysis.policies import policy_table

    table = policy_table(load_many(list(folders)), by, within=within)
    records: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return records


def _run(scenario: Path, policies: list[str], seeds: list[int], **options: Any) -> Any:
    """Run the policies, print notes on stderr, and return the numbers of each policy."""
    notes: list[str] = []
    with Status("", console=plain_console(stderr=True)) as status:
        records = compare_policies(
            scenario,
            policies,
            seeds,
            tabulate=policy_records,
            on_run=status.update,
            on_note=notes.append,
            **options,
        )
    for note in notes:
        print_line(f"warning: {note}")
    return records


def _require_runs(paths: Sequence[Path], options: Sequence[str]) -> None:
    """Require directories, and none of the options that are for runs to come.

    Raises:
        ScenarioError: a path is no directory, or there is such an option.
    """
    for path in paths:
        if not path.is_dir():
            raise ScenarioError(
                f"{path}: is no directory of runs; with a scenario, name the policies to run with "
                "--policies A,B,C"
            )
    if options:
        raise ScenarioError(f"{options[0]}: is for runs to come; name their policies (--policies)")


def _table(records: list[dict[str, Any]], keys: Sequence[str]) -> Table:
    """Return the table of the numbers, with one column per policy."""
    table = Table(show_header=True, caption=_CAPTION, caption_justify="left")
    table.add_column("")
    for record in records:
        table.add_column(", ".join(str(record[key]) for key in keys))
    for label, cell in _ROWS.items():
        cells = [cell(record) for record in records]
        if any(cells):
            table.add_row(label, *cells)
    return table


def _estimate(name: str, stem: str, unit: str = "") -> Callable[[dict[str, Any]], str]:
    """Return the function that writes an estimate of a record and its interval."""

    def text(record: dict[str, Any]) -> str:
        if record.get(name) is None:
            return ""
        prefix = "median " if record.get(f"{stem}_kind") == "median" else ""
        low, high = record[f"{stem}_low{unit}"], record[f"{stem}_high{unit}"]
        coverage = record[f"{stem}_coverage"]
        if low is None or coverage is None:
            return f"{prefix}{record[name]:.4g}"
        return f"{prefix}{record[name]:.4g} ({low:.4g} to {high:.4g}; {coverage:.1%})"

    return text


def _all_at_once(record: dict[str, Any]) -> str:
    """Return the verdict on the difference from the first policy, among all such differences."""
    verdict = record.get("scheduled_difference_verdict")
    if verdict is None:
        return ""
    low, high = (record[f"scheduled_difference_simultaneous_{end}"] for end in ("low", "high"))
    limits = f"{-math.inf if low is None else low:.4g} to {math.inf if high is None else high:.4g}"
    return f"{verdict} ({limits}; p {record['scheduled_difference_p']:.2g})"


_ROWS: dict[str, Callable[[dict[str, Any]], str]] = {
    "seeds": lambda r: str(r["seeds"]),
    "devices scheduled": _estimate("scheduled_mean", "scheduled"),
    "minus the first policy's": _estimate("scheduled_difference", "scheduled_difference"),
    "  all differences at once (Holm)": _all_at_once,
    "devices arrived": _estimate("arrived_mean", "arrived"),
    "  of the scheduled, share": _estimate("arrived_share", "arrived_share"),
    "delay, mean (s)": _estimate("delay_mean_s", "delay_mean", "_s"),
    "reason for no mean or interval": lambda r: r["delay_mean_note"] or "",
    "delay, 50 % (s)": _estimate("delay_p50_s", "delay_p50", "_s"),
    "delay, 90 % (s)": _estimate("delay_p90_s", "delay_p90", "_s"),
    "delay, 99 % (s)": _estimate("delay_p99_s", "delay_p99", "_s"),
    "budget (s)": lambda r: f"{r['delay_budget_s']:.4g}",
    "rounds over budget": lambda r: f"{r['over_budget']:.1%}",
    "simulated time (s)": _estimate("simulated_s", "simulated", "_s"),
    "time on air (s)": _estimate("air_time_s", "air_time", "_s"),
    "Q(T) / (T budget)": _estimate("virtual_queue_per_budget", "virtual_queue_per_budget"),
    "Jain fairness": _estimate("jain_fairness", "jain_fairness"),
    "energy (J)": _estimate("energy_j", "energy", "_j"),
    "test accuracy": _estimate("accuracy_last", "accuracy_last"),
}
