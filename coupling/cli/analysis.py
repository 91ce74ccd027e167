"""Commands that read run directories: ``figures``, ``report`` and ``timeline``."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from coupling.cli.options import print_line
from coupling.files.paths import unlink_second_name
from coupling.run_directory.layout import refuse_links_in_run
from coupling.scenario.errors import ScenarioError, os_error_text

RunPaths = Annotated[
    list[Path],
    typer.Argument(metavar="RUN...", help="Run directories, or folders that contain them."),
]

ClockOption = Annotated[
    Literal["simulated", "air"],
    typer.Option(help="Time of the axes: simulated time, or time on air (the sum of the delays)."),
]


def figures(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="learning, budget, queue, ... (see the docs), or all."),
    ],
    runs: RunPaths,
    out: Annotated[Path, typer.Option(help="Folder of the files.")] = Path("figures"),
    style: Annotated[
        Literal["light", "print"], typer.Option(help="Style for screens or for print.")
    ] = "light",
    formats: Annotated[
        str, typer.Option("--format", metavar="A,B", help="Formats: svg, png, pdf.")
    ] = "svg,png",
    size: Annotated[
        str | None,
        typer.Option(metavar="WIDTHxHEIGHT", help="Inches, as 3.4x2.2 (or 3.4: a fitting height)."),
    ] = None,
    order: Annotated[
        str, typer.Option(metavar="A,B", help="Policies or groups that come first in the legend.")
    ] = "",
    clock: ClockOption = "simulated",
    band: Annotated[
        Literal["interval", "range"],
        typer.Option(help="Band: 95 % interval of the mean, or minimum to maximum of the seeds."),
    ] = "interval",
    constant: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A constant of Theorem 1 for the figure bound."),
    ] = None,
    minimum_loss: Annotated[float, typer.Option(help="F(W*) for the figure bound.")] = 0.0,
) -> None:
    """Draw a figure of the runs as SVG, PNG or PDF."""
    with wrong_input():
        from analysis import TraceError, load_many

        _import_matplotlib()
        from analysis.figures import FIGURES, draw, save
        from analysis.runs import require_rounds

        size_in = _size(size)
        endings = _formats(formats)
        constants = _constants(constant)
        loaded = load_many(runs)
        require_rounds(loaded)
        for kind in FIGURES if name == "all" else [name]:
            try:
                figure = draw(
                    kind,
                    loaded,
                    style,
                    size=size_in,
                    clock=clock,
                    band=band,
                    order=[entry for entry in order.split(",") if entry],
                    constants=constants,
                    minimum_loss=minimum_loss,
                )
            except TraceError as error:
                if name != "all":
                    raise
                print_line(f"{kind}: left out: {error}")
                continue
            for path in _saved(save, figure, out, name=kind, look=style, formats=endings):
                print(path)


def report(
    runs: RunPaths,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file.")] = Path("report.html"),
    clock: ClockOption = "simulated",
) -> None:
    """Write a report of the runs as one self-contained HTML file."""
    with wrong_input():
        from analysis import load_many
        from analysis.report import page

        _write(out, page(load_many(runs), clock))


def timeline(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    rounds: Annotated[
        str | None,
        typer.Option(metavar="FIRST:LAST", help="Rounds, both included (default: all)."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSON file.")] = Path("trace.json"),
) -> None:
    """Write rounds of a run in the Chrome trace format, for Perfetto."""
    with wrong_input():
        from analysis import load
        from analysis.timeline import timeline as trace

        _write(out, json.dumps(trace(load(run), _rounds(rounds)), separators=(",", ":")))


@contextmanager
def wrong_input() -> Iterator[None]:
    """Turn an error of the analysis that a user can cause into a ScenarioError."""
    from analysis import ConstantError, MissingExtraError, TraceError

    try:
        yield
    except (TraceError, ConstantError, MissingExtraError) as error:
        raise ScenarioError(str(error)) from None


def _import_matplotlib() -> None:
    """Import Matplotlib without the ``matplotlibrc`` of the working directory.

    That file may come with a run of others, and its settings begin programs.
    """
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(Path(__file__).parent)
        # The extra that it is part of is named where figures are drawn.
        with suppress(ImportError):
            import_module("matplotlib")
    finally:
        os.fchdir(here)
        os.close(here)


def _write(path: Path, text: str) -> None:
    """Write a text file, and print its path."""
    refuse_links_in_run(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unlink_second_name(path)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be written: {os_error_text(error)}") from None
    print(path)


def _saved(
    save: Callable[..., list[Path]],
    figure: object,
    folder: Path,
    *,
    name: str,
    formats: Sequence[str],
    **options: Any,
) -> list[Path]:
    """Return the files of a figure that is saved now."""
    for ending in formats:
        refuse_links_in_run(folder / f"{name}.{ending}")
    try:
        for ending in formats:
            unlink_second_name(folder / f"{name}.{ending}")
        return save(figure, folder, name, formats=formats, **options)
    except OSError as error:
        raise ScenarioError(f"{folder}: cannot be written: {os_error_text(error)}") from None


def _formats(text: str) -> list[str]:
    """Return the formats of ``--format``."""
    from analysis.figures import FORMATS

    endings = [entry.strip() for entry in text.split(",")]
    for entry in endings:
        if entry not in FORMATS:
            raise ScenarioError(f"--format {text}: {entry!r} is none of {', '.join(FORMATS)}")
    return endings


def _size(text: str | None) -> tuple[float, float | None] | None:
    """Return the width and the height of ``WIDTH`` or ``WIDTHxHEIGHT`` in inches."""
    if text is None:
        return None
    try:
        numbers = [float(entry) for entry in text.split("x")]
    except ValueError:
        numbers = []
    if len(numbers) not in {1, 2}:
        raise ScenarioError(f"--size {text}: is not WIDTH or WIDTHxHEIGHT in inches, as 3.4x2.2")
    if not all(1 <= entry <= 50 for entry in numbers):
        raise ScenarioError(f"--size {text}: width and height are from 1 to 50 inches")
    return numbers[0], numbers[1] if len(numbers) == 2 else None


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
