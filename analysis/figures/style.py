"""Figure styles: for a screen (light) and for a two-column paper (print)."""

from typing import TYPE_CHECKING, Any, Final, Literal

from analysis.errors import MissingExtraError

if TYPE_CHECKING:
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
_LINE_STYLES: Final[dict[str, tuple[str, str, Any, str]]] = {
    "all_in": ("All-in", "#000000", "-", "o"),
    "algorithm1": ("Algorithm 1", "#D55E00", "-", "s"),
    "exact": ("exact P1", "#0072B2", (0, (6, 1)), "D"),
    "greedy": ("GS", "#009E73", (0, (4, 1, 1, 1)), "^"),
    "aaba": ("AABA", "#CC79A7", (0, (2, 1)), "v"),
    "random": ("random", "#56B4E9", (0, (1, 1)), "x"),
    "round_robin": ("round robin", "#E69F00", (0, (5, 1, 1, 1, 1, 1)), "P"),
    "proportional_fair": ("proportional fair", "#8C6BB1", (0, (3, 2)), "*"),
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


def settings(style: Style) -> dict[Any, Any]:
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


def panels(style: Style, rows: int, columns: int) -> "tuple[Figure, list[list[Axes]]]":
    """Return an empty figure and its panels, row by row."""
    from matplotlib.figure import Figure

    width, height = _PANEL_IN[style]
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False).tolist()


def legend(figure: "Figure", axes: "Axes", columns: int = 2) -> None:
    """Draw the legend of a panel's lines above all panels, where it covers no data."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=min(columns, len(names)) or 1)


def label(policy: Any) -> str:
    """Return the name of a policy in legends: the paper's name if it has one."""
    return _LINE_STYLES[policy][0] if policy in _LINE_STYLES else str(policy)


def line_style(group: tuple[Any, ...], place: int, *, alone: bool) -> dict[str, Any]:
    """Return colour and dashes of a group of runs.

    They are those of its policy if the group is ``alone`` with that policy, and otherwise those of
    the group's ``place`` in the figure.
    """
    policy = group[0]
    if alone and policy in _LINE_STYLES:
        return {"color": _LINE_STYLES[policy][1], "linestyle": _LINE_STYLES[policy][2]}
    dashes = [entry[2] for entry in _LINE_STYLES.values()]
    return {"color": _OTHERS[place % len(_OTHERS)], "linestyle": dashes[place % len(dashes)]}


def marker(policy: Any) -> str:
    """Return the marker of a policy."""
    return _LINE_STYLES[policy][3] if policy in _LINE_STYLES else "o"
