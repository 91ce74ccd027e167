"""Figures of runs with matplotlib, which is imported when a figure is drawn (extra ``report``)."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from analysis.errors import TraceError, suggestion
from analysis.figures import devices, geometry, learning, radio, theorem
from analysis.figures.style import Options, Style, rc_settings
from analysis.groups import Band, Clock, display
from analysis.runs import Runs, require_rounds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ALIASES", "BOUND", "FIGURES", "FORMATS", "Band", "Clock", "Style", "draw", "save"]

FIGURES: Final[dict[str, Callable[[Runs, Options], "Figure"]]] = {
    "learning": learning.learning,
    "accuracy": learning.accuracy,
    "accuracy_time": learning.accuracy_time,
    "accuracy_energy": learning.accuracy_energy,
    "budget": learning.budget,
    "devices_delay": radio.devices_delay,
    "queue": radio.queue,
    "arrivals": radio.arrivals,
    "participation": devices.shares,
    "energy": radio.energy,
    "device_energy": devices.device_energy,
    "battery": devices.battery,
    "geometry": geometry.geometry,
    "runtime": radio.run_times,
}
"""Figures by name, which says what they show."""

ALIASES: Final = {"fig3": "learning", "fig4": "learning", "fig5": "budget", "fig6": "runtime"}
"""Figures by their numbers in the paper; figures 3 and 4 are one drawing for different data."""

BOUND: Final = "bound"
"""The figure of one run that also needs the constants of Theorem 1."""

FORMATS: Final = ("svg", "png", "pdf")


def draw(
    name: str,
    runs: Runs,
    look: Style = "light",
    *,
    size: tuple[float, float | None] | None = None,
    clock: Clock = "simulated",
    band: Band = "interval",
    order: Sequence[str] = (),
    constants: Mapping[str, float] | None = None,
    minimum_loss: float = 0.0,
) -> "Figure":
    """Return a figure as a matplotlib ``Figure``; its panels are in ``figure.axes``.

    ``look`` is the style: for screens (light) or for a column of a paper (print).
    ``size`` is the width and height of the whole figure in inches; without a height, it fits.
    ``clock`` is the time of the axes that show time: simulated time, or the time on air. ``band``
    is the 95 % interval of the mean over the seeds, or minimum to maximum. Policies and groups
    named in ``order`` come first in the legend. ``constants`` are those of Theorem 1 for ``bound``;
    ``minimum_loss`` is F(W*).

    Raises:
        TraceError: no such figure, a run without a round, or runs without the data.
        ConstantError: a constant of ``bound`` is missing or invalid.
        MissingExtraError: matplotlib is not installed.
    """
    kind = ALIASES.get(name, name)
    if kind not in {*FIGURES, BOUND}:
        known = [*FIGURES, BOUND, *ALIASES]
        raise TraceError(f"there is no figure {display(name)!r}; {suggestion(name, known)}")
    require_rounds(runs)
    settings = rc_settings(look)
    options = Options(look, size_in=size, clock=clock, band=band, order=order)
    from matplotlib import rc_context

    with rc_context(settings):
        if kind != BOUND:
            return FIGURES[kind](runs, options)
        if len(runs) != 1:
            raise TraceError(
                f"figure bound shows one run, and {len(runs)} were given; name one run"
            )
        return theorem.bound(runs[0], constants or {}, options, minimum_loss=minimum_loss)


def save(
    figure: "Figure",
    folder: Path,
    name: str,
    *,
    look: Style = "light",
    formats: Sequence[str] = ("svg", "png"),
) -> list[Path]:
    """Write a figure in each format and return the paths; equal figures are equal files."""
    from matplotlib import rc_context

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{ending}" for ending in formats]
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    with rc_context(rc_settings(look)):
        for path, ending in zip(paths, formats, strict=True):
            figure.savefig(path, metadata=undated[ending])
    return paths
