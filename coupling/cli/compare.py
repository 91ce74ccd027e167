"""Command ``compare``: policies in the same worlds, side by side."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.status import Status
from rich.table import Table

from coupling.scenario.file import parse_set
from coupling.sweeps.compare import compare as compare_policies
from coupling.sweeps.compare import parse_seeds


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("compare")(compare)


def compare(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file (TOML).")],
    policies: Annotated[
        str, typer.Option(metavar="A,B,C", help="Policies; the first is the reference.")
    ],
    seeds: Annotated[str, typer.Option(metavar="FIRST:END", help="Seeds, END excluded.")] = "0:20",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set one key of the scenario."),
    ] = None,
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Run policies in the same worlds, and print one table with confidence intervals."""
    notes: list[str] = []
    with Status("", console=Console(stderr=True)) as status:
        records = compare_policies(
            scenario,
            [name for name in policies.split(",") if name],
            parse_seeds(seeds),
            settings=dict(parse_set(argument) for argument in settings or []),
            equal_delay=equal_delay,
            learning=not no_learning,
            out=out,
            tabulate=policy_records,
            on_run=status.update,
            on_note=notes.append,
        )
    for note in notes:
        typer.echo(f"warning: {note}", err=True)
    if as_json:
        typer.echo(json.dumps(records, indent=2))
    else:
        Console().print(_table(records))


def policy_records(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the numbers of each policy over its runs, with their intervals."""
    from analysis import load_many
    from analysis.policies import policy_table

    table = policy_table(load_many(list(folders)))
    records: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return records


def _table(records: list[dict[str, Any]]) -> Table:
    """Return the table of the numbers, with one column per policy."""
    table = Table(show_header=True)
    table.add_column("")
    for record in records:
        table.add_column(str(record["policy"]))
    for label, cell in _ROWS.items():
        table.add_row(label, *(cell(record) for record in records))
    return table


def _with(record: dict[str, Any], name: str, low: str, high: str) -> str:
    """Return a number and its interval as text."""
    if record.get(low) is None:
        return f"{record[name]:.4g}" if record.get(name) is not None else ""
    return f"{record[name]:.4g} ({record[low]:.4g} to {record[high]:.4g})"


_ROWS: dict[str, Callable[[dict[str, Any]], str]] = {
    "devices scheduled": lambda r: _with(r, "scheduled_mean", "scheduled_low", "scheduled_high"),
    "minus the first policy's": lambda r: _with(
        r, "scheduled_difference", "scheduled_difference_low", "scheduled_difference_high"
    ),
    "delay, mean (s)": lambda r: _with(r, "delay_mean_s", "delay_mean_low_s", "delay_mean_high_s"),
    "reason for no mean or interval": lambda r: r["delay_mean_note"] or "",
    "delay, 50 % (s)": lambda r: _with(r, "delay_p50_s", "delay_p50_low_s", "delay_p50_high_s"),
    "delay, 90 % (s)": lambda r: _with(r, "delay_p90_s", "delay_p90_low_s", "delay_p90_high_s"),
    "delay, 99 % (s)": lambda r: _with(r, "delay_p99_s", "delay_p99_low_s", "delay_p99_high_s"),
    "budget (s)": lambda r: f"{r['delay_budget_s']:.4g}",
    "rounds over budget": lambda r: f"{r['over_budget']:.1%}",
    "Q(T) / (T budget)": lambda r: f"{r['virtual_queue_per_budget']:.4f}",
    "Jain fairness": lambda r: "" if r["jain_fairness"] is None else f"{r['jain_fairness']:.3f}",
    "energy (J)": lambda r: f"{r['energy_j']:.4g}",
    "seeds": lambda r: str(r["seeds"]),
}
