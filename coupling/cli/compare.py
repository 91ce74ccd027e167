"""The command that compares policies."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.status import Status
from rich.table import Table

from coupling.scenario.errors import ScenarioError
from coupling.scenario.file import parse_set, read
from coupling.scenario.scenario import Scenario
from coupling.sweeps.compare import Comparison, parse_seeds, settings_for


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("compare")(compare)


def compare(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file (TOML).")],
    policies: Annotated[
        str, typer.Option(metavar="A,B,C", help="Policies; the first is the reference.")
    ],
    seeds: Annotated[
        str, typer.Option(metavar="FIRST:END", help="Seeds, END not included.")
    ] = "0:20",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set one key of the scenario."),
    ] = None,
    equal_delay: Annotated[
        bool,
        typer.Option(
            "--equal-delay", help="Scale each budget until the realised mean delays agree."
        ),
    ] = False,
    no_learning: Annotated[
        bool, typer.Option("--no-learning", help="Run the network alone.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Keep the runs here; by default they are removed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Run policies in the same worlds and print one table with intervals."""
    given = dict(parse_set(argument) for argument in settings or [])

    names = [name for name in policies.split(",") if name]
    if len(set(names)) < len(names) or not names:
        raise ScenarioError(f"--policies {policies}: needs names joined by commas, each once")

    own = settings_for(names, given, read(scenario).raw.get("scheduler", {}))

    def load(policy: str, overrides: dict[str, object]) -> Scenario:
        return Scenario.load(scenario, own[policy] | {"scheduler.kind": policy} | overrides)

    for name in names:
        load(name, {})
    with _folder(out) as folder, Status("", console=Console(stderr=True)) as status:
        comparison = Comparison(load, parse_seeds(seeds), folder, not no_learning, status.update)
        folders = (comparison.at_equal_delay if equal_delay else comparison.at_equal_budget)(names)
        from analysis import load_many
        from analysis.policies import policy_table

        found = policy_table(load_many(folders))
        records: list[dict[str, Any]] = json.loads(found.to_json(orient="records"))
    for note in comparison.notes:
        typer.echo(f"warning: {note}", err=True)
    if as_json:
        typer.echo(json.dumps(records, indent=2))
    else:
        Console().print(_table(records))


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="airtune-") as folder:
        yield Path(folder)


def _table(records: list[dict[str, Any]]) -> Table:
    """Return the numbers, policies as columns."""
    table = Table(show_header=True)
    table.add_column("")
    for record in records:
        table.add_column(str(record["policy"]))
    for label, cell in _ROWS.items():
        table.add_row(label, *(cell(record) for record in records))
    return table


def _with(record: dict[str, Any], name: str, low: str, high: str) -> str:
    if record.get(low) is None:
        return f"{record[name]:.4g}" if record.get(name) is not None else ""
    return f"{record[name]:.4g} ({record[low]:.4g} to {record[high]:.4g})"


_ROWS: dict[str, Callable[[dict[str, Any]], str]] = {
    "devices scheduled": lambda r: _with(r, "scheduled_mean", "scheduled_low", "scheduled_high"),
    "less the first policy's": lambda r: _with(
        r, "scheduled_difference", "scheduled_difference_low", "scheduled_difference_high"
    ),
    "delay, mean (s)": lambda r: _with(r, "delay_mean_s", "delay_mean_low_s", "delay_mean_high_s"),
    "why no interval": lambda r: r["delay_mean_note"] or "",
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
