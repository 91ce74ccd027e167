"""The commands that read run directories: figures, report, timeline."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from coupling.scenario.errors import ScenarioError

RunPaths = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Run directories, or folders that hold them.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    commands: list[Callable[..., None]] = [figures, report, timeline]
    for command in commands:
        app.command()(command)


def figures(
    name: Annotated[str, typer.Argument(metavar="NAME", help="fig3 ... energy, bound, or all.")],
    runs: RunPaths,
    out: Annotated[Path, typer.Option(help="Folder of the SVG and PNG files.")] = Path("figures"),
    style: Annotated[
        Literal["light", "print"], typer.Option(help="For a screen, or for a paper.")
    ] = "light",
    constant: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A constant of Theorem 1 for the figure bound."),
    ] = None,
    minimum_loss: Annotated[float, typer.Option(help="F(W*) for the figure bound.")] = 0.0,
) -> None:
    """Draw a figure of some runs as SVG and PNG."""
    with _wrong_input():
        from analysis import TraceError, load_many
        from analysis.figures import FIGURES, draw, save

        found = load_many(runs)
        for each in FIGURES if name == "all" else [name]:
            try:
                figure = draw(each, found, style, _constants(constant), minimum_loss)
            except TraceError as error:
                if name != "all":
                    raise
                typer.echo(f"{each}: left out: {error}", err=True)
                continue
            for path in save(figure, out, each, style):
                print(path)


def report(
    runs: RunPaths,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file.")] = Path("report.html"),
) -> None:
    """Write a report of some runs: one HTML file that needs nothing else."""
    with _wrong_input():
        from analysis import load_many
        from analysis.report import page

        _write(out, page(load_many(runs)))


def timeline(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    rounds: Annotated[
        str | None,
        typer.Option(metavar="FIRST:LAST", help="Rounds, both included; by default all."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSON file.")] = Path("trace.json"),
) -> None:
    """Write some rounds of a run in the Chrome trace format, which Perfetto opens."""
    with _wrong_input():
        from analysis import load
        from analysis.timeline import timeline as trace

        _write(out, json.dumps(trace(load(run), _rounds(rounds)), separators=(",", ":")))


@contextmanager
def _wrong_input() -> Iterator[None]:
    """Turn what a user of the analysis can cause into the one line of the command line."""
    from analysis import ConstantError, MissingExtraError, TraceError

    try:
        yield
    except (TraceError, ConstantError, MissingExtraError) as error:
        raise ScenarioError(str(error)) from None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ScenarioError(
            f"{path}: cannot be written: {(error.strerror or str(error)).lower()}"
        ) from None
    print(path)


def _rounds(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, _, last = text.partition(":")
    try:
        found = int(first), int(last or first)
    except ValueError:
        raise ScenarioError(f"--rounds {text}: is not FIRST:LAST, such as 1:50") from None
    if not 1 <= found[0] <= found[1]:
        raise ScenarioError(f"--rounds {text}: rounds count from 1, and FIRST is not after LAST")
    return found


def _constants(given: list[str] | None) -> dict[str, float]:
    found = {}
    for entry in given or []:
        name, _, value = entry.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise ScenarioError(
                f"--constant {entry}: is not NAME=NUMBER, such as smoothness=4"
            ) from None
    return found
