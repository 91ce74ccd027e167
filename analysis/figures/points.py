"""Points of figures: numbers of whole runs, with 95 % intervals over the seeds."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from analysis.comparison import long_rounds
from analysis.figures.lines import scale_of
from analysis.figures.style import Options, line_style, marker_style, shown
from analysis.groups import Group, groups
from analysis.intervals import Interval, metric_interval
from analysis.run import Run
from analysis.runs import Runs, delay_budget_s, scenario_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BUDGETS: Final = ("scheduler.delay_budget_s", "scheduler.delay_budget_s_per_bit")
"""Keys of the delay budget, in which the runs of one line may differ."""

Number = Callable[[Run], float]


def final_loss(run: Run) -> float:
    """Return the mean training loss of the last 5 % of the rounds in nat; NaN without training."""
    loss = run.arrays("rounds", "train_loss")["train_loss"].astype(float)
    last = loss[-max(1, len(loss) // 20) :]
    return float(np.nanmean(last)) if (~np.isnan(last)).any() else float("nan")


def final_accuracy(run: Run) -> float:
    """Return the last test accuracy in percent; NaN without an evaluation."""
    accuracy = run.arrays("evaluations", "accuracy")["accuracy"]
    return 100.0 * float(accuracy[-1]) if len(accuracy) else float("nan")


def scheduled_mean(run: Run) -> float:
    """Return the mean number of devices scheduled per round."""
    return float(run.arrays("rounds", "scheduled")["scheduled"].mean())


def per_bit(runs: Runs) -> bool:
    """Return whether every run has its delay budget per bit."""
    return all(scenario_value(run, BUDGETS[1]) is not None for run in runs)


def budget_of(run: Run, *, per_bit: bool) -> float:
    """Return the delay budget of a run in ms per bit, or in s."""
    return 1e3 * float(scenario_value(run, BUDGETS[1])) if per_bit else delay_budget_s(run)


def budget_axis(axes: "Axes", runs: Runs) -> None:
    """Label the horizontal axis with the delay budgets of the runs, on a logarithmic scale."""
    budgets = sorted({budget_of(run, per_bit=per_bit(runs)) for run in runs})
    axes.set(
        xscale=scale_of(budgets),
        xlabel="delay budget (ms per bit)" if per_bit(runs) else "delay budget (s)",
    )
    axes.set_xticks(budgets, [f"{entry:.4g}" for entry in budgets])
    axes.minorticks_off()


def against_budget(
    axes: "Axes", runs: Runs, number: Number, *, metric: str, options: Options
) -> set[int]:
    """Draw a number of every group against the delay budget; return the numbers of seeds.

    ``metric`` names the metric whose kind of interval the number has.
    """
    seeds = set()
    for group in groups(runs, BUDGETS, options.order):
        members = by_budget(group, runs)
        values = [
            metric_interval(metric, [number(run) for run in entry], long_rounds=long_rounds(entry))
            for entry in members.values()
        ]
        bars(axes, group, options, x=list(members), y=values)
        seeds |= {len(entry) for entry in members.values()}
    budget_axis(axes, runs)
    return seeds


def by_budget(group: Group, runs: Runs) -> dict[float, list[Run]]:
    """Return the runs of each delay budget, in ascending order."""
    members: dict[float, list[Run]] = {}
    for run in group.runs:
        members.setdefault(budget_of(run, per_bit=per_bit(runs)), []).append(run)
    return dict(sorted(members.items()))


def bars(
    axes: "Axes",
    group: Group,
    options: Options,
    *,
    x: list[float] | list[Interval],
    y: list[Interval],
) -> None:
    """Draw points of a group with the interval of each number that has one."""
    look: dict[str, Any] = line_style(group) | marker_style(group)
    axes.errorbar(
        [entry.estimate if isinstance(entry, Interval) else entry for entry in x],
        [entry.estimate for entry in y],
        yerr=_half_widths(y),
        xerr=_half_widths([entry for entry in x if isinstance(entry, Interval)]),
        label=shown(group.name, options),
        capsize=2,
        elinewidth=0.8,
        **look,
    )


def _half_widths(intervals: list[Interval]) -> np.ndarray | None:
    """Return the lengths below and above the estimates, 0 without an interval."""
    if not intervals:
        return None
    lengths = [(entry.estimate - entry.low, entry.high - entry.estimate) for entry in intervals]
    return np.nan_to_num(np.array(lengths).T)
