"""Figure styles: for a screen (light) and for a two-column paper (print)."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, final

from analysis.errors import MissingExtraError
from analysis.groups import Band, Clock, Group, printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Style = Literal["light", "print"]

_COMMON: Final[dict[str, Any]] = {
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "svg.hashsalt": "airtune",
    "figure.facecolor": "white",
}
_SETTINGS: Final[dict[Style, dict[str, Any]]] = {
    "light": {"font.size": 10, "lines.linewidth": 1.6, "grid.color": "#e3e3e3", "savefig.dpi": 150},
    "print": {
        "font.size": 7,
        "font.family": "serif",
        "lines.linewidth": 1.0,
        "lines.markersize": 3.5,
        "grid.color": "#cccccc",
        "savefig.dpi": 600,
    },
}
_PANEL_IN: Final[dict[Style, tuple[float, float]]] = {"light": (4.8, 3.2), "print": (3.4, 2.1)}

# Okabe and Ito (2008): distinct with any colour vision; the dashes are distinct in grey.
_LINE_STYLES: Final[dict[str, tuple[str, Any, str]]] = {
    "all_in": ("#000000", "-", "o"),
    "algorithm1": ("#D55E00", "-", "s"),
    "exact": ("#0072B2", (0, (6, 1)), "D"),
    "greedy": ("#009E73", (0, (4, 1, 1, 1)), "^"),
    "aaba": ("#CC79A7", (0, (2, 1)), "v"),
    "random": ("#56B4E9", (0, (1, 1)), "x"),
    "round_robin": ("#E69F00", (0, (5, 1, 1, 1, 1, 1)), "P"),
    "proportional_fair": ("#8C6BB1", (0, (3, 2)), "*"),
}
_OTHERS: Final = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#8C6BB1",
)
_LOWEST_PANEL_IN: Final = 1.5
"""Height that a panel has in a figure with a given width only, in inches."""
_NARROWEST_PANEL_IN: Final = 1.6
"""Width below which the panels of a row are put below each other, in inches."""


@final
@dataclass(frozen=True)
class Options:
    """Options of a figure: its looks, and the numbers that it shows."""

    style: Style = "light"
    size_in: tuple[float, float | None] | None = None
    """Width and height of the whole figure in inches; by default they follow from the panels."""
    clock: Clock = "simulated"
    """Time of the axes that show time."""
    band: Band = "interval"
    """Band of the curves."""
    order: Sequence[str] = ()
    """Policies or groups that come first in the legend."""


def rc_settings(style: Style) -> dict[Any, Any]:
    """Return the matplotlib settings of a style.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    need_matplotlib()
    return {**_COMMON, **_SETTINGS[style]}


def need_matplotlib() -> None:
    """Check that matplotlib is installed.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError("matplotlib") from None


def panels(options: Options, rows: int, columns: int) -> "tuple[Figure, list[list[Axes]]]":
    """Return an empty figure and its panels, row by row.

    The panels of a single row are put below each other where the figure is too narrow for them.
    """
    from matplotlib.figure import Figure

    width, height = _PANEL_IN[options.style]
    given_width, given_height = options.size_in or (width * columns, None)
    stacked = rows == 1 and given_width < _NARROWEST_PANEL_IN * columns
    lines, across = (columns, 1) if stacked else (rows, columns)
    if options.size_in is not None:
        height = max(_LOWEST_PANEL_IN, height * min(1.0, given_width / (width * across)))
    figure = Figure(figsize=(given_width, given_height or height * lines), layout="constrained")
    grid = figure.subplots(lines, across, squeeze=False)
    return figure, grid.reshape(rows, columns).tolist()


def legend(figure: "Figure", options: Options, note: str = "") -> None:
    """Draw the legend of the lines of all panels above the panels, where it covers no data.

    It has as many columns as fit into the width of the figure; ``note`` is its title. A figure
    without a given height grows by the height of its legend.
    """
    by_name: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            by_name.setdefault(name, handle)
    names, handles = list(by_name), list(by_name.values())
    if not names:
        return
    for columns in range(min(len(names), 6), 0, -1):
        drawn = figure.legend(
            handles,
            names,
            loc="outside upper center",
            ncols=columns,
            title=note or None,
            title_fontsize="small",
            columnspacing=1.2,
            handlelength=2.4,
        )
        extent = drawn.get_window_extent()
        if columns == 1 or extent.width / figure.dpi <= figure.get_figwidth():
            break
        drawn.remove()
    if options.size_in is None or options.size_in[1] is None:
        figure.set_figheight(figure.get_figheight() + extent.height / figure.dpi)


def shown(text: str, options: Options, columns: int = 1) -> str:
    """Return a name as matplotlib shows it literally: no formula, no hidden name, lines that fit.

    ``columns`` is the number of panels beside each other, if the name is that of a panel.
    Matplotlib reads ``$`` as the start of a formula and leaves out names that begin with ``_``.
    """
    width, size_pt = _PANEL_IN[options.style][0], _SETTINGS[options.style]["font.size"]
    if options.size_in is not None:
        width = options.size_in[0] / columns
    characters = max(12, int((width * 72 - 40) / (0.6 * size_pt)))
    lines = textwrap.wrap(printable(text), characters, break_on_hyphens=False) or [""]
    literal = "\n".join(lines).replace("$", r"\$")
    return f"\u200b{literal}" if literal.startswith("_") else literal


def line_style(group: Group) -> dict[str, Any]:
    """Return colour and dashes of a group of runs.

    The colour is that of the policy if the policies differ, and otherwise that of the group's
    place. The dashes are the policy's if no other group has it, and else the next ones.
    """
    patterns = [entry[1] for entry in _LINE_STYLES.values()]
    if group.policy in _LINE_STYLES and group.policies > 1:
        color, dashes, _ = _LINE_STYLES[group.policy]
        if group.members > 1:
            dashes = patterns[(0, 2, 5, 3, 6)[group.member % 5]]
        return {"color": color, "linestyle": dashes}
    return {
        "color": _OTHERS[group.place % len(_OTHERS)],
        "linestyle": patterns[group.place % len(patterns)],
    }


def marker_style(group: Group) -> dict[str, Any]:
    """Return the marker of a group of runs: its policy's, filled in another way for each group."""
    shape = _LINE_STYLES[group.policy][2] if group.policy in _LINE_STYLES else "o"
    place = group.member % 5 if group.members > 1 else 0
    return {"marker": shape, "fillstyle": ("full", "none", "left", "top", "right")[place]}
