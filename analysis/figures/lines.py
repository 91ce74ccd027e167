"""Lines of figures: the curve of each group with its band, and the axes of a panel."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from analysis.figures.style import Options, legend, line_style, shown
from analysis.groups import (
    QUANTITIES,
    Axis,
    Curve,
    Group,
    Quantity,
    Statistic,
    axis_label,
    curve,
    statistic_label,
    statistic_of,
    window_of,
)
from analysis.intervals import band_coverage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAND_NAMES: Final = {
    "interval": "band: 95 % interval",
    "range": "band: minimum to maximum",
    "bars": "bars: 95 % interval",
}
WIDE: Final = 20.0
"""Ratio of the ends of the curves on an axis from which on the axis is logarithmic."""


def scale_of(values: Iterable[float]) -> str:
    """Return the scale of an axis: logarithmic, or linear where no value is above 0."""
    return "log" if any(value > 0 for value in values) else "linear"


def panel(
    axes: "Axes",
    groups: list[Group],
    name: str,
    axis: Axis,
    *,
    options: Options,
) -> None:
    """Draw a quantity of every group against an axis."""
    quantity = QUANTITIES[name]
    window = window_of([run for group in groups for run in group.runs]) if quantity.noisy else 1
    ends = []
    for group in groups:
        drawn = curve(group.runs, quantity, axis, window=window)
        if drawn is not None:
            line(axes, drawn, group, options=options)
            ends.append(float(drawn.x[-1]))
    if axis != "round" and ends and max(ends) > WIDE * min(ends) > 0:
        axes.set_xscale("log")
        axes.set_xlim(left=min(ends) / 30)
    if name == "arrived_share":
        axes.set_ylim(0.0, 1.05 * quantity.maximum)
    averaged = f"\n(mean of {window} rounds)" if window > 1 else ""
    label = label_of(quantity, groups)
    axes.set(xlabel=axis_label(axis), ylabel=f"{label}{averaged}")


def label_of(quantity: Quantity, groups: list[Group]) -> str:
    """Return the label of a quantity, with the number over the seeds if that is not the mean."""
    statistics = {statistic_of(quantity, group.runs) for group in groups if len(group.runs) > 1}
    statistic: Statistic = "median" if "median" in statistics else "mean"
    return statistic_label(quantity.label, statistic).replace(", ", ",\n")


def line(
    axes: "Axes", drawn: Curve, group: Group, *, options: Options, note: str = "", **more: Any
) -> None:
    """Draw a curve and its band."""
    look = line_style(group)
    if len(drawn.x) == 1:
        more = {"marker": "o", **more}
    axes.plot(drawn.x, drawn.center, label=shown(f"{group.name}{note}", options), **look, **more)
    edges = drawn.band(options.band)
    if edges is not None:
        axes.fill_between(drawn.x, *edges, color=look["color"], alpha=0.18, linewidth=0)


def legend_of_groups(figure: "Figure", groups: list[Group], options: Options) -> None:
    """Draw the legend of the groups, with the number of their seeds and the kind of the band."""
    _legend(figure, {len(group.runs) for group in groups}, _BAND_NAMES[options.band], options)


def legend_of_points(figure: "Figure", seeds: set[int], options: Options) -> None:
    """Draw the legend of points that are means over some numbers of seeds."""
    _legend(figure, seeds, _BAND_NAMES["bars"], options)


def _legend(figure: "Figure", seeds: set[int], band: str, options: Options) -> None:
    if seeds == {1}:
        legend(figure, options)
        return
    count = " to ".join(str(entry) for entry in sorted({min(seeds), max(seeds)}))
    coverage = band_coverage(seeds) if band != _BAND_NAMES["range"] else None
    reached = f" (coverage {coverage:.1%})".replace("%", " %") if coverage else ""
    if band == _BAND_NAMES["interval"] and not any(axes.collections for axes in figure.axes):
        band, reached = "too few for a 95 % interval", ""
    legend(figure, options, f"{count} seeds, {band}{reached}")
