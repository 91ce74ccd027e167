"""Figures of single devices: participation, energy and batteries."""

from typing import TYPE_CHECKING, Final

import numpy as np

from analysis.errors import TraceError
from analysis.figures.lines import label_of, legend_of_groups, line, panel
from analysis.figures.style import Options, panels
from analysis.groups import Quantity, energy_of_devices, groups, ranked
from analysis.metrics import jain, participation
from analysis.run import Run
from analysis.runs import Runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_SHARE: Final = Quantity(
    "rounds scheduled (%)",
    "rounds",
    lambda run: participation(run).share.to_numpy() * 100.0,
    maximum=100.0,
)
_ENERGY: Final = Quantity("energy of a device (J)", "rounds", energy_of_devices)


def shares(runs: Runs, options: Options) -> "Figure":
    """Draw the share of rounds in which each device took part, in descending order.

    The share is the median over seeds at equal rank. The legend has the mean of Jain's index.
    """
    figure, rows = panels(options, 1, 1)
    axes = rows[0][0]
    lines = groups(runs, order=options.order)
    for group in lines:
        tables = [participation(run) for run in group.runs]
        percent = [entry.share.to_numpy() * 100.0 for entry in tables]
        drawn = ranked(percent, _SHARE)
        indices = [jain(entry.times.to_numpy()) for entry in tables]
        fairness = [index for index in indices if index is not None]
        note = f", Jain {np.mean(fairness):.3f}" if fairness else ""
        line(axes, drawn, group, options=options, note=note, drawstyle="steps-mid")
    axes.set(
        xlabel="device, in descending order of participation",
        ylabel=label_of(_SHARE, lines),
        ylim=(0, 105),
    )
    axes.locator_params(axis="x", integer=True)
    legend_of_groups(figure, lines, options)
    return figure


def device_energy(runs: Runs, options: Options) -> "Figure":
    """Draw the energy of each device over the whole run, in descending order.

    The energy is the median over seeds at equal rank.
    """
    figure, rows = panels(options, 1, 1)
    axes = rows[0][0]
    lines = groups(runs, order=options.order)
    for group in lines:
        drawn = ranked([energy_of_devices(run) for run in group.runs], _ENERGY)
        line(axes, drawn, group, options=options, drawstyle="steps-mid")
    axes.set(xlabel="device, in descending order of energy", ylabel=label_of(_ENERGY, lines))
    axes.locator_params(axis="x", integer=True)
    axes.set_ylim(bottom=0)
    legend_of_groups(figure, lines, options)
    return figure


def battery(runs: Runs, options: Options) -> "Figure":
    """Draw the mean charge of the devices and the number of available ones against time."""
    if not any(has_battery(run) for run in runs):
        raise TraceError(
            f"{runs[0].name}: has no batteries; the figure needs a scenario with devices.battery"
        )
    figure, rows = panels(options, 1, 2)
    lines = groups(runs, order=options.order)
    panel(rows[0][0], lines, "battery", options.clock, options=options)
    panel(rows[0][1], lines, "available", options.clock, options=options)
    legend_of_groups(figure, lines, options)
    return figure


def has_battery(run: Run) -> bool:
    """Return whether the devices have batteries."""
    charge = run.arrays("devices", "battery_j")["battery_j"].astype(float)
    return bool((~np.isnan(charge)).any())
