"""Map of the cell: server, devices, tracks and participation."""

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.figures.groups import groups
from analysis.figures.style import Style, panels
from analysis.metrics import participation
from analysis.run import Run
from analysis.runs import Runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRACK_POINTS = 300
"""Number of positions that draw a device's track, evenly spaced over the rounds."""


def geometry(runs: Runs, style: Style) -> "Figure":
    """Draw the server, the last positions of the devices, and their tracks.

    Colours show participation. There is one panel per policy, for its first seed.
    """
    lines = groups(runs)
    figure, rows = panels(style, 1, len(lines))
    maximum = max(float(participation(group.runs[0]).share.max()) for group in lines) * 100.0
    for axes, group in zip(rows[0], lines, strict=True):
        drawn = _map(axes, group.runs[0], maximum)
        axes.set(
            title=f"{group.name}, seed {group.runs[0].scenario['seed']}",
            xlabel="x (m)",
            ylabel="y (m)",
        )
    figure.colorbar(drawn, ax=rows[0], label="rounds scheduled (%)")
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
    axes.plot(*server, marker="^", color="black", markersize=9, linestyle="none", label="server")
    placement = run.scenario["devices"].get("placement", {})
    if placement.get("kind") == "disc" and "center_m" in placement:
        _outline(axes, placement["center_m"], placement["radius_m"])
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
    axes.legend(loc="upper left")
    return drawn


def _outline(axes: "Axes", center_m: list[float], radius_m: float) -> None:
    turn = np.linspace(0.0, 2.0 * np.pi, 181)
    x_m = center_m[0] + radius_m * np.cos(turn)
    y_m = center_m[1] + radius_m * np.sin(turn)
    axes.plot(x_m, y_m, color="#999999", linewidth=0.6, linestyle="--")
