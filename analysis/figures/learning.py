"""Learning curves: loss and accuracy against rounds, simulated time and the delay budget."""

from typing import TYPE_CHECKING

import numpy as np

from analysis.errors import TraceError
from analysis.figures import curves
from analysis.figures.groups import Group, groups, tasks
from analysis.figures.style import Style, legend, marker, panels
from analysis.intervals import mean_interval
from analysis.run import Run
from analysis.runs import Runs, delay_budget_s, scenario_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BUDGETS = ("scheduler.delay_budget_s", "scheduler.delay_budget_s_per_bit")


def learning(runs: Runs, style: Style) -> "Figure":
    """Draw training loss and test accuracy against rounds and simulated time.

    Each data set has two columns of panels. Figures 3 and 4 of the paper show the rounds only.
    """
    named = {name: task for name, task in tasks(runs).items() if any(run.learned for run in task)}
    if not named:
        raise TraceError(
            f"{runs[0].name}: holds no evaluation; the figure needs runs with learning"
        )
    figure, rows = panels(style, 2, 2 * len(named))
    for place, (name, task) in enumerate(named.items()):
        window = curves.window_of(list(task))
        loss = f"training loss (nat){curves.window_label(window)}"
        left, right = 2 * place, 2 * place + 1
        for group in groups(task):
            curves.draw(
                rows[0][left],
                curves.over_rounds(group, "rounds", "train_loss", window=window),
                group,
            )
            curves.draw(
                rows[0][right],
                curves.over_time(group, "rounds", "end_s", column="train_loss", window=window),
                group,
            )
            curves.draw(
                rows[1][left],
                curves.over_rounds(group, "evaluations", "accuracy"),
                group,
                scale=100.0,
            )
            curves.draw(
                rows[1][right],
                curves.over_time(group, "evaluations", "time_s", column="accuracy"),
                group,
                scale=100.0,
            )
        for column, x in ((left, "round"), (right, "simulated time (s)")):
            rows[0][column].set(title=name, ylabel=loss, xlabel=x)
            rows[1][column].set(ylabel="test accuracy (%)", xlabel=x)
    legend(figure, rows[0][0], columns=2 * len(named))
    return figure


def budget(runs: Runs, style: Style) -> "Figure":
    """Draw final loss, final accuracy and mean number of devices against the delay budget.

    Figure 5 of the paper. Loss and accuracy are left out if no run learned. The final loss is the
    mean of the last 5 % of the rounds. Bars are 95 % intervals over seeds.
    """
    numbers = {"devices scheduled (mean)": scheduled_mean}
    if any(run.learned for run in runs):
        numbers = {
            "final training loss (nat)": final_loss,
            "final test accuracy (%)": final_accuracy,
            **numbers,
        }
    figure, rows = panels(style, 1, len(numbers))
    for axes, (name, number) in zip(rows[0], numbers.items(), strict=True):
        for group in groups(runs, BUDGETS):
            _against_budget(axes, group, number, per_bit=_per_bit(runs))
        budgets = sorted({budget_of(run, per_bit=_per_bit(runs)) for run in runs})
        axes.set(
            ylabel=name,
            xscale="log",
            xlabel="delay budget (ms per bit)" if _per_bit(runs) else "delay budget (s)",
        )
        axes.set_xticks(budgets, [f"{entry:.4g}" for entry in budgets])
        axes.minorticks_off()
    legend(figure, rows[0][0], columns=len(numbers))
    return figure


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


def budget_of(run: Run, *, per_bit: bool) -> float:
    """Return the delay budget of a run in ms per bit, or in s."""
    return 1e3 * float(scenario_value(run, BUDGETS[1])) if per_bit else delay_budget_s(run)


def _against_budget(axes: "Axes", group: Group, number: object, *, per_bit: bool) -> None:
    assert callable(number), "a number of a run"
    by_budget: dict[float, list[float]] = {}
    for run in group.runs:
        by_budget.setdefault(budget_of(run, per_bit=per_bit), []).append(number(run))
    budgets = sorted(by_budget)
    intervals = [mean_interval(by_budget[entry]) for entry in budgets]
    mean = np.array([entry.estimate for entry in intervals])
    half = np.nan_to_num(np.array([entry.high for entry in intervals]) - mean)
    axes.errorbar(
        budgets,
        mean,
        half,
        label=group.name,
        capsize=2,
        marker=marker(group.policy),
        **group.line_style,
    )


def _per_bit(runs: Runs) -> bool:
    return all(scenario_value(run, BUDGETS[1]) is not None for run in runs)
