"""Radio and scheduler figures: policy run times, virtual queue, participation, energy."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.figures import curves
from analysis.figures.groups import Group, groups
from analysis.figures.learning import BUDGETS, budget_of
from analysis.figures.style import Style, legend, panels
from analysis.metrics import jain, participation
from analysis.runs import Runs, scenario_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def run_times(runs: Runs, style: Style) -> "Figure":
    """Draw a box of the wall-clock time of a decision per policy and delay budget.

    Figure 6 of the paper. A box holds all rounds of all seeds; the whiskers end at the 1st and the
    99th percentile.
    """
    figure, rows = panels(style, 1, 1)
    axes = rows[0][0]
    per_bit = all(scenario_value(run, BUDGETS[1]) is not None for run in runs)
    lines = groups(runs, BUDGETS)
    budgets = sorted({budget_of(run, per_bit=per_bit) for run in runs})
    for place, group in enumerate(lines):
        offset = (place - (len(lines) - 1) / 2) * 0.8 / len(lines)
        _boxes(axes, group, budgets, offset=offset, per_bit=per_bit)
    axes.set(
        xticks=range(len(budgets)),
        xticklabels=[f"{entry:.4g}" for entry in budgets],
        xlabel="delay budget (ms per bit)" if per_bit else "delay budget (s)",
        ylabel="wall time of a decision (ms)",
        yscale="log",
    )
    legend(figure, axes)
    return figure


def queue(runs: Runs, style: Style) -> "Figure":
    """Draw the virtual queue and the number of scheduled devices against the rounds."""
    figure, rows = panels(style, 1, 2)
    window = curves.window_of(list(runs))
    for group in groups(runs):
        curves.draw(rows[0][0], curves.over_rounds(group, "rounds", "virtual_queue_s"), group)
        curves.draw(
            rows[0][1], curves.over_rounds(group, "rounds", "scheduled", window=window), group
        )
    rows[0][0].set(xlabel="round", ylabel="virtual queue (s)")
    rows[0][1].set(xlabel="round", ylabel=f"devices scheduled{curves.window_label(window)}")
    legend(figure, rows[0][0])
    return figure


def shares(runs: Runs, style: Style) -> "Figure":
    """Draw the share of rounds in which each device took part, in descending order.

    The share is the mean over seeds at equal rank: placements differ between seeds, so a device
    number has no meaning across them.
    """
    figure, rows = panels(style, 1, 1)
    axes = rows[0][0]
    for group in groups(runs):
        tables = [participation(run) for run in group.runs]
        ranked = pd.DataFrame([np.sort(entry.share.to_numpy())[::-1] for entry in tables]) * 100.0
        indices = [jain(entry.times.to_numpy()) for entry in tables]
        fairness = [index for index in indices if index is not None]
        note = f", Jain {np.mean(fairness):.3f}" if fairness else ""
        rank = np.arange(1, ranked.shape[1] + 1)
        name = f"{group.name}{note}"
        axes.step(rank, ranked.mean(axis=0), where="mid", label=name, **group.line_style)
    axes.set(
        xlabel="device, in descending order of participation",
        ylabel="rounds scheduled (%)",
        ylim=(0, 105),
    )
    axes.locator_params(axis="x", integer=True)
    legend(figure, axes)
    return figure


def energy(runs: Runs, style: Style) -> "Figure":
    """Draw the cumulative energy of all devices against the rounds and simulated time."""
    figure, rows = panels(style, 1, 2)
    for group in groups(runs):
        total = curves.totals(group, "energy_j")
        curves.draw(rows[0][0], total, group, scale=1e-3)
        ends = curves.over_rounds(group, "rounds", "end_s")
        assert ends is not None, "every run has rounds"
        rows[0][1].plot(ends.mean, total.mean * 1e-3, label=group.name, **group.line_style)
    rows[0][0].set(xlabel="round", ylabel="energy so far (kJ)")
    rows[0][1].set(xlabel="simulated time (s)", ylabel="energy so far (kJ)")
    legend(figure, rows[0][0])
    return figure


def _boxes(
    axes: "Axes", group: Group, budgets: list[float], *, offset: float, per_bit: bool
) -> None:
    times: dict[float, list[np.ndarray]] = {}
    for run in group.runs:
        wall_s = run.arrays("rounds", "policy_wall_s")["policy_wall_s"]
        times.setdefault(budget_of(run, per_bit=per_bit), []).append(wall_s)
    places = [place for place, entry in enumerate(budgets) if entry in times]
    axes.boxplot(
        [np.concatenate(times[budgets[place]]) * 1e3 for place in places],
        positions=[place + offset for place in places],
        widths=0.15,
        whis=(1, 99),
        showfliers=False,
        manage_ticks=False,
        label=group.name,
        patch_artist=True,
        boxprops={"facecolor": group.line_style["color"], "alpha": 0.5},
        medianprops={"color": "black"},
    )
