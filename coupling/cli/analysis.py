"""Commands that read run directories: ``figures``, ``report`` and ``timeline``."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from coupling.scenario.errors import ScenarioError, os_error_text

RunPaths = Annotated[
    list[Path],
    typer.Argument(metavar="RUN...", help="Run directories, or folders that contain them."),
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
        Literal["light", "print"], typer.Option(help="Style for screens or for print.")
    ] = "light",
    constant: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A constant of Theorem 1 for the figure bound."),
    ] = None,
    minimum_loss: Annotated[float, typer.Option(help="F(W*) for the figure bound.")] = 0.0,
) -> None:
    """Draw a figure of the runs as SVG and PNG."""
    with _wrong_input():
        from analysis import TraceError, load_many
        from analysis.figures import FIGURES, draw, save

        loaded = load_many(runs)
        for kind in FIGURES if name == "all" else [name]:
            try:
                figure = draw(
                    kind,
                    loaded,
                    style,
                    constants=_constants(constant),
                    minimum_loss=minimum_loss,
                )
            except TraceError as error:
                if name != "all":
                    raise
                typer.echo(f"{kind}: left out: {error}", err=True)
                continue
            for path in save(figure, out, kind, look=style):
                print(path)


def report(
    runs: RunPaths,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file.")] = Path("report.html"),
) -> None:
    """Write a report of the runs as one self-contained HTML file."""
    with _wrong_input():
        from analysis import load_many
        from analysis.report import page

        _write(out, page(load_many(runs)))


def timeline(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    rounds: Annotated[
        str | None,
        typer.Option(metavar="FIRST:LAST", help="Rounds, both included (default: all)."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSON file.")] = Path("trace.json"),
) -> None:
    """Write rounds of a run in the Chrome trace format, for Perfetto."""
    with _wrong_input():
        from analysis import load
        from analysis.timeline import timeline as trace

        _write(out, json.dumps(trace(load(run), _rounds(rounds)), separators=(",", ":")))


@contextmanager
def _wrong_input() -> Iterator[None]:
    """Turn an error of the analysis that a user can cause into a ScenarioError."""
    from analysis import ConstantError, MissingExtraError, TraceError

    try:
        yield
    except (TraceError, ConstantError, MissingExtraError) as error:
        raise ScenarioError(str(error)) from None


def _write(path: Path, text: str) -> None:
    """Write a text file, and print its path."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be written: {os_error_text(error)}") from None
    print(path)


def _rounds(text: str | None) -> tuple[int, int] | None:
    """Return the first and the last round of ``FIRST:LAST``; None if no text is given."""
    if text is None:
        return None
    first, _, last = text.partition(":")
    try:
        low, high = int(first), int(last or first)
    except ValueError:
        raise ScenarioError(f"--rounds {text}: is not FIRST:LAST, such as 1:50") from None
    if not 1 <= low <= high:
        raise ScenarioError(f"--rounds {text}: rounds count from 1, and FIRST is not after LAST")
    return low, high


def _constants(given: list[str] | None) -> dict[str, float]:
    """Return the constants of ``NAME=VALUE`` arguments."""
    constants = {}
    for entry in given or []:
        name, _, value = entry.partition("=")
        try:
            constants[name] = float(value)
        except ValueError:
            raise ScenarioError(
                f"--constant {entry}: is not NAME=NUMBER, such as smoothness=4"
            ) from None
    return constants
