"""Map of the cell: server, devices, tracks and participation."""

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.figures.style import Options, legend, panels, shown
from analysis.groups import groups
from analysis.metrics import participation
from analysis.run import Run
from analysis.runs import Runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
"""Largest number of maps beside each other."""

_NARROWEST_IN = 1.6
"""Smallest width of a map with its labels, in inches."""

TRACK_POINTS = 300
"""Number of positions that draw a device's track, evenly spaced over the rounds."""


def geometry(runs: Runs, options: Options) -> "Figure":
    """Draw the server, the last positions of the devices, and their tracks.

    Colours show participation. There is one panel per group, for its first seed.
    """
    lines = groups(runs, order=options.order)
    columns = min(len(lines), _COLUMNS)
    if options.size_in is not None:
        columns = min(columns, max(1, int(options.size_in[0] / _NARROWEST_IN)))
    figure, rows = panels(options, -(-len(lines) // columns), columns)
    places = [axes for row in rows for axes in row]
    maximum = max(float(participation(group.runs[0]).share.max()) for group in lines) * 100.0
    for axes in places[len(lines) :]:
        axes.remove()
    places = places[: len(lines)]
    for axes, group in zip(places, lines, strict=True):
        drawn = _map(axes, group.runs[0], maximum)
        name = f"{group.name}, seed {group.runs[0].scenario.get('seed')}"
        axes.set_title(shown(name, options, columns), fontsize="small")
        axes.set(xlabel="x (m)", ylabel="y (m)")
    figure.colorbar(
        drawn, ax=places, label="rounds scheduled (%)", location="bottom", shrink=0.8, aspect=40
    )
    legend(figure, options)
    return figure


def _map(axes: "Axes", run: Run, maximum: float) -> Any:
    rows = run.table("devices", ["round", "device", "x_m", "y_m"])
    share = participation(run).share.to_numpy() * 100.0
    last = rows.groupby("device").last()
    for _, track in rows.groupby("device"):
        if np.ptp(track.x_m) or np.ptp(track.y_m):
            points = track.iloc[:: max(1, len(track) // TRACK_POINTS)]
            axes.plot(points.x_m, points.y_m, color="#999999", linewidth=0.6, zorder=1)
    server = run.scenario.get("cell", {}).get("position_m", [0.0, 0.0])
    axes.plot(
        *map(float, server[:2]),
        marker="^",
        color="black",
        markersize=6,
        linestyle="none",
        label="server",
    )
    placement = run.scenario["devices"].get("placement", {})
    if placement.get("kind") == "disc":
        _outline(axes, placement.get("center_m"), placement.get("radius_m"))
    drawn = axes.scatter(
        last.x_m,
        last.y_m,
        c=share[last.index],
        cmap="viridis",
        vmin=0,
        vmax=maximum,
        edgecolors="black",
        linewidths=0.4,
        zorder=2,
    )
    axes.set_aspect("equal", adjustable="datalim")
    return drawn


def _outline(axes: "Axes", center_m: Any, radius_m: Any) -> None:
    """Draw the disc of a placement, if its center and its radius are numbers."""
    try:
        x_center_m, y_center_m, radius = (float(entry) for entry in (*center_m, radius_m))
    except (TypeError, ValueError):
        return
    turn = np.linspace(0.0, 2.0 * np.pi, 181)
    x_m = x_center_m + radius * np.cos(turn)
    y_m = y_center_m + radius * np.sin(turn)
    axes.plot(x_m, y_m, color="#999999", linewidth=0.6, linestyle="--")
