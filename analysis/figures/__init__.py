"""Figures of runs, with matplotlib, which is imported when one is drawn (extra ``report``)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from analysis.errors import TraceError
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
"""Figures by name; ``fig3`` and ``fig4`` are one drawing, of other data sets in the paper."""

BOUND: Final = "bound"
"""The figure that needs constants besides runs, of one run."""


def draw(
    name: str,
    runs: Runs,
    look: Style = "light",
    constants: Mapping[str, float] | None = None,
    minimum_loss: float = 0.0,
) -> "Figure":
    """Return a figure; ``constants`` are those of Theorem 1 for ``bound``.

    Raises:
        TraceError: no such figure, or runs that do not hold what it shows.
        ConstantError: a constant of ``bound`` is missing or has no meaning.
        MissingExtraError: matplotlib is not installed.
    """
    if name not in {*FIGURES, BOUND}:
        raise TraceError(f"there is no figure {name!r}; there is {', '.join([*FIGURES, BOUND])}")
    chosen = style.settings(look)
    from matplotlib import rc_context

    with rc_context(chosen):
        if name != BOUND:
            return FIGURES[name](runs, look)
        if len(runs) != 1:
            raise TraceError(f"figure bound is of one run; {len(runs)} were given")
        return theorem.bound(runs[0], constants or {}, look, minimum_loss)


def save(figure: "Figure", folder: Path, name: str, look: Style = "light") -> list[Path]:
    """Write a figure as SVG and PNG and return the two paths."""
    from matplotlib import rc_context

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.svg", folder / f"{name}.png"]
    with rc_context(style.settings(look)):
        figure.savefig(paths[0], metadata={"Date": None})
        figure.savefig(paths[1])
    return paths
