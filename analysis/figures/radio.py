"""Radio and scheduler figures: run times, virtual queue, arrivals, devices against delay."""

from typing import TYPE_CHECKING

import numpy as np

from analysis.comparison import idle_share, long_rounds
from analysis.figures.lines import WIDE, legend_of_groups, legend_of_points, panel, scale_of
from analysis.figures.points import (
    BUDGETS,
    bars,
    budget_of,
    by_budget,
    per_bit,
    scheduled_mean,
)
from analysis.figures.style import Options, legend, line_style, panels, shown
from analysis.groups import Group, groups
from analysis.intervals import Interval, metric_interval
from analysis.metrics import summary
from analysis.run import Run
from analysis.runs import Runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def run_times(runs: Runs, options: Options) -> "Figure":
    """Draw a box of the wall-clock time of a decision per policy and delay budget.

    Figure 6 of the paper. A box holds all rounds of all seeds; the whiskers end at the 1st and the
    99th percentile.
    """
    figure, rows = panels(options, 1, 1)
    axes = rows[0][0]
    lines = groups(runs, BUDGETS, options.order)
    budgets = sorted({budget_of(run, per_bit=per_bit(runs)) for run in runs})
    medians: list[float] = []
    for place, group in enumerate(lines):
        width = 0.8 / len(lines)
        offset = (place - (len(lines) - 1) / 2) * width
        members = by_budget(group, runs)
        positions = [budgets.index(budget) + offset for budget in members]
        medians += _boxes(
            axes, group, list(members.values()), positions=positions, width=0.8 * width
        )
        axes.lines[-1].set_label("")
        axes.patches[-1].set_label(shown(group.name, options))
    axes.set(
        xticks=range(len(budgets)),
        xticklabels=[f"{entry:.4g}" for entry in budgets],
        xlabel="delay budget (ms per bit)" if per_bit(runs) else "delay budget (s)",
        ylabel="wall time of a decision (ms)",
        yscale=scale_of(medians),
    )
    legend(figure, options)
    return figure


def queue(runs: Runs, options: Options) -> "Figure":
    """Draw the virtual queue and the number of scheduled devices against the rounds."""
    return _pair(runs, options, "queue", "scheduled")


def arrivals(runs: Runs, options: Options) -> "Figure":
    """Draw the devices that arrived per round, and their share of the scheduled ones."""
    return _pair(runs, options, "arrived", "arrived_share")


def energy(runs: Runs, options: Options) -> "Figure":
    """Draw the cumulative energy of all devices against the rounds and time."""
    figure, rows = panels(options, 1, 2)
    lines = groups(runs, order=options.order)
    panel(rows[0][0], lines, "energy", "round", options=options)
    panel(rows[0][1], lines, "energy", options.clock, options=options)
    legend_of_groups(figure, lines, options)
    return figure


def devices_delay(runs: Runs, options: Options) -> "Figure":
    """Draw the mean number of scheduled devices against the realised delay.

    Runs that differ only in the delay budget form one line. The delay is the mean over the rounds,
    and the median of that over the seeds. If the delay of a run has no finite mean, the
    medians over the rounds stand in for all means.
    """
    figure, rows = panels(options, 1, 1)
    axes = rows[0][0]
    seeds: set[int] = set()
    key = "delay_mean_s"
    if any(summary(run)[key] is None for run in runs):
        key = "delay_median_s"
    estimates = []
    for group in groups(runs, BUDGETS, options.order):
        members = by_budget(group, runs).values()
        delays = [_delay(key, entry) for entry in members]
        devices = [_devices(entry) for entry in members]
        bars(axes, group, options, x=delays, y=devices)
        seeds |= {len(entry) for entry in members}
        estimates += [entry.estimate for entry in delays]
    if max(estimates) > WIDE * min(estimates) > 0:
        axes.set_xscale("log")
    name = "mean" if key == "delay_mean_s" else "median"
    axes.set(xlabel=f"delay of a round, {name} (s)", ylabel="devices scheduled (mean)")
    legend_of_points(figure, seeds, options)
    return figure


def _devices(runs: list[Run]) -> Interval:
    """Return the number of devices over the seeds with the interval of its kind."""
    values = [scheduled_mean(run) for run in runs]
    return metric_interval("scheduled_mean", values, long_rounds=long_rounds(runs))


def _delay(key: str, runs: list[Run]) -> Interval:
    """Return the delay over the seeds with the interval of its kind."""
    summaries = [summary(run) for run in runs]
    return metric_interval(
        key,
        [entry[key] for entry in summaries],
        long_rounds=long_rounds(runs),
        rounds=min(entry["rounds"] for entry in summaries),
        idle_share=idle_share(summaries),
    )


def _pair(runs: Runs, options: Options, left: str, right: str) -> "Figure":
    """Draw two quantities against the rounds."""
    figure, rows = panels(options, 1, 2)
    lines = groups(runs, order=options.order)
    panel(rows[0][0], lines, left, "round", options=options)
    panel(rows[0][1], lines, right, "round", options=options)
    legend_of_groups(figure, lines, options)
    return figure


def _boxes(
    axes: "Axes", group: Group, runs: list[list[Run]], *, positions: list[float], width: float
) -> list[float]:
    """Draw a box per list of runs; return the medians, in ms."""
    times = [
        np.concatenate([run.arrays("rounds", "policy_wall_s")["policy_wall_s"] for run in entry])
        for entry in runs
    ]
    axes.boxplot(
        [entry * 1e3 for entry in times],
        positions=positions,
        widths=width,
        whis=(1, 99),
        showfliers=False,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": line_style(group)["color"], "alpha": 0.5},
        medianprops={"color": "black"},
    )
    return [1e3 * float(np.median(entry)) for entry in times if len(entry)]
