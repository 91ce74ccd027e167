"""Theorem 1 against the measured optimality gap."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from analysis.bound import Bound, Constants, measured_gap, of_run
from analysis.errors import TraceError
from analysis.figures.lines import scale_of
from analysis.figures.style import Options, panels
from analysis.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def bound(
    run: Run, given: Mapping[str, float], options: Options, *, minimum_loss: float = 0.0
) -> "Figure":
    """Draw both bounds of a run, the parts of the corrected one, and the measured gap.

    The measured gap is the test loss minus ``minimum_loss``, on a logarithmic axis. That axis
    cannot show values of a bound at or below 0; the legend gives the first such round. The
    conditions that fail are listed below the panels.

    Raises:
        TraceError: the run holds no evaluation.
        ConstantError: a constant is missing or invalid.
    """
    measured = measured_gap(run, minimum_loss)
    if measured.empty:
        raise TraceError(f"{run.name}: holds no evaluation; the figure needs a run with learning")
    constants = Constants.from_run(run, minimum_loss=minimum_loss, **given)
    corrected = of_run(run, constants)
    printed = of_run(run, constants, "printed")
    figure, rows = panels(options, 1, 2)
    axes, parts = rows[0]
    axes.plot(
        measured["round"],
        measured.gap,
        "o-",
        color="black",
        markersize=3,
        label="measured (test loss)",
    )
    axes.plot(corrected.table["round"], corrected.table.gap, color="#0072B2", label="corrected")
    _printed(axes, printed)
    names = ("initial", "gradient_noise", "selection", "task_module")
    parts.stackplot(
        corrected.table["round"],
        [corrected.table[name] for name in names],
        labels=[name.replace("_", " ") for name in names],
        colors=["#0072B2", "#56B4E9", "#E69F00", "#009E73"],
        alpha=0.7,
    )
    axes.set(
        yscale=scale_of([*measured.gap, *corrected.table.gap]),
        xlabel="round",
        ylabel="optimality gap (nat)",
    )
    parts.set(xlabel="round", ylabel="corrected bound in parts (nat)")
    axes.legend()
    parts.legend()
    figure.supxlabel(_failing(corrected), fontsize="small")
    return figure


def _printed(axes: "Axes", printed: Bound) -> None:
    table = printed.table
    shown = table[table.gap > 0]
    label = "as printed (not a bound)"
    if len(shown) < len(table):
        label += f"; negative from round {int(table[table.gap <= 0]['round'].iloc[0])}"
    axes.plot(shown["round"], shown.gap, color="#D55E00", linestyle="--", label=label)


def _failing(bound: Bound) -> str:
    failing = [
        f"{entry.name} fails ({entry.detail})" for entry in bound.conditions if entry.holds is False
    ]
    return "; ".join(failing) or "no condition of the corrected bound is known to fail"
