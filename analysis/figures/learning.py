"""Learning figures: loss and accuracy against rounds, time, energy and the delay budget."""

from typing import TYPE_CHECKING

from analysis.errors import TraceError
from analysis.figures.lines import legend_of_groups, legend_of_points, panel
from analysis.figures.points import against_budget, final_accuracy, final_loss, scheduled_mean
from analysis.figures.style import Options, panels, shown
from analysis.groups import Axis, groups, tasks
from analysis.runs import Runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning(runs: Runs, options: Options) -> "Figure":
    """Draw training loss and test accuracy against rounds and time.

    Each data set has two columns of panels. Figures 3 and 4 of the paper show the rounds only.
    """
    named = _learned(runs)
    figure, rows = panels(options, 2, 2 * len(named))
    for place, (name, task) in enumerate(named.items()):
        lines = groups(task, order=options.order)
        axes: tuple[Axis, Axis] = ("round", options.clock)
        for column, axis in enumerate(axes, start=2 * place):
            panel(rows[0][column], lines, "loss", axis, options=options)
            panel(rows[1][column], lines, "accuracy", axis, options=options)
            if len(named) > 1:
                rows[0][column].set_title(shown(name, options, 2 * len(named)))
    legend_of_groups(figure, lines, options)
    return figure


def accuracy(runs: Runs, options: Options) -> "Figure":
    """Draw test accuracy against rounds, one panel per data set."""
    return _accuracy(runs, options, "round")


def accuracy_time(runs: Runs, options: Options) -> "Figure":
    """Draw test accuracy against time, one panel per data set."""
    return _accuracy(runs, options, options.clock)


def accuracy_energy(runs: Runs, options: Options) -> "Figure":
    """Draw test accuracy against the energy of all devices, one panel per data set."""
    return _accuracy(runs, options, "energy")


def budget(runs: Runs, options: Options) -> "Figure":
    """Draw final loss, final accuracy and mean number of devices against the delay budget.

    Figure 5 of the paper. Loss and accuracy are left out if no run learned. The final loss is the
    mean of the last 5 % of the rounds. Bars are 95 % intervals over seeds.
    """
    numbers = {"devices scheduled (mean)": (scheduled_mean, "scheduled_mean")}
    if any(run.learned for run in runs):
        numbers = {
            "final training loss (nat)": (final_loss, "train_loss"),
            "final test accuracy (%)": (final_accuracy, "accuracy_last"),
            **numbers,
        }
    figure, rows = panels(options, 1, len(numbers))
    for axes, (label, (number, metric)) in zip(rows[0], numbers.items(), strict=True):
        seeds = against_budget(axes, runs, number, metric=metric, options=options)
        axes.set_ylabel(label)
    legend_of_points(figure, seeds, options)
    return figure


def _accuracy(runs: Runs, options: Options, axis: Axis) -> "Figure":
    named = _learned(runs)
    figure, rows = panels(options, 1, len(named))
    for axes, (name, task) in zip(rows[0], named.items(), strict=True):
        lines = groups(task, order=options.order)
        panel(axes, lines, "accuracy", axis, options=options)
        if len(named) > 1:
            axes.set_title(shown(name, options, len(named)))
    legend_of_groups(figure, lines, options)
    return figure


def _learned(runs: Runs) -> dict[str, Runs]:
    """Return the runs of each data set that was learned from."""
    named = {name: task for name, task in tasks(runs).items() if any(run.learned for run in task)}
    if not named:
        raise TraceError(
            f"{runs[0].name}: holds no evaluation; the figure needs runs with learning"
        )
    return named
