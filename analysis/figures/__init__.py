"""Figures of runs with matplotlib, which is imported when a figure is drawn (extra ``report``)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from analysis.errors import TraceError, suggestion
from analysis.figures import geometry, learning, radio, style, theorem
from analysis.figures.style import Style
from analysis.runs import Runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BOUND", "FIGURES", "Style", "draw", "save"]

FIGURES: Final[dict[str, Callable[[Runs, Style], "Figure"]]] = {
    "fig3": learning.learning,
    "fig4": learning.learning,
    "fig5": learning.budget,
    "fig6": radio.run_times,
    "geometry": geometry.geometry,
    "queue": radio.queue,
    "participation": radio.shares,
    "energy": radio.energy,
}
"""Figures by name; ``fig3`` and ``fig4`` are one drawing for different data sets of the paper."""

BOUND: Final = "bound"
"""The figure of one run that also needs the constants of Theorem 1."""


def draw(
    name: str,
    runs: Runs,
    look: Style = "light",
    constants: Mapping[str, float] | None = None,
    minimum_loss: float = 0.0,
) -> "Figure":
    """Return a figure; ``constants`` are those of Theorem 1 for ``bound``.

    Raises:
        TraceError: no such figure, or runs without the data that it shows.
        ConstantError: a constant of ``bound`` is missing or invalid.
        MissingExtraError: matplotlib is not installed.
    """
    if name not in {*FIGURES, BOUND}:
        raise TraceError(f"there is no figure {name!r}; {suggestion(name, [*FIGURES, BOUND])}")
    chosen = style.settings(look)
    from matplotlib import rc_context

    with rc_context(chosen):
        if name != BOUND:
            return FIGURES[name](runs, look)
        if len(runs) != 1:
            raise TraceError(
                f"figure bound shows one run, and {len(runs)} were given; name one run"
            )
        return theorem.bound(runs[0], constants or {}, look, minimum_loss=minimum_loss)


def save(figure: "Figure", folder: Path, name: str, look: Style = "light") -> list[Path]:
    """Write a figure as SVG and PNG and return the two paths."""
    from matplotlib import rc_context

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.svg", folder / f"{name}.png"]
    with rc_context(style.settings(look)):
        figure.savefig(paths[0], metadata={"Date": None})
        figure.savefig(paths[1])
    return paths
