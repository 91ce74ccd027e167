"""Figures of the page: those of ``airtune figures``, drawn from the runs of the stages."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from analysis import figures
from analysis.runs import Runs, scenario_value
from reproduction.stages import POLICY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Variants = dict[str, Runs]


@final
@dataclass(frozen=True)
class Drawing:
    """A figure: its kind in ``airtune figures``, and its runs."""

    kind: str
    runs: tuple[tuple[str, str], ...]
    """Stage and variant of the runs."""
    policies: tuple[str, ...] = ()
    """Policies that are shown; by default all."""
    postprocess: "Callable[[Figure], None] | None" = None
    """Change that is made to the drawn figure."""


def _time_in_decades(figure: "Figure") -> None:
    """Put simulated time on a logarithmic axis: All-in takes 60 to 234 times as long."""
    for axes in figure.axes:
        if axes.get_xlabel().startswith("simulated time"):
            axes.set_xscale("log")


_DPI: Final = 110
_PAPER: Final = ("all_in", "algorithm1", "greedy", "aaba")
_THREE: Final = _PAPER[1:]

FIGURES: Final = {
    "fig3-sst2": Drawing("learning", (("fig3-sst2", "all"),), _PAPER, postprocess=_time_in_decades),
    "fig3-sst2-sgd": Drawing(
        "learning", (("fig3-sst2-sgd", "all"),), _PAPER, postprocess=_time_in_decades
    ),
    "fig3-mrpc": Drawing("learning", (("fig3-mrpc", "all"),), _PAPER, postprocess=_time_in_decades),
    "fig4-cifar10": Drawing(
        "learning", (("fig4-cifar10", "all"),), _PAPER, postprocess=_time_in_decades
    ),
    "fig5-sst2": Drawing("budget", (("fig5-sst2", "all"), ("fig3-sst2", "all")), _THREE),
    "fig5-devices-start0": Drawing("budget", (("budgets", "start0"),)),
    "fig5-devices-start5": Drawing("budget", (("budgets", "start5"),)),
    "fig6": Drawing("runtime", (("budgets", "start5"),), ("algorithm1",)),
    "queue-start0": Drawing(
        "queue", (("radio", "start0"),), ("algorithm1", "exact", "greedy", "aaba")
    ),
    "queue-start5": Drawing(
        "queue", (("radio", "start5"),), ("algorithm1", "exact", "greedy", "aaba")
    ),
    "participation": Drawing("participation", (("radio", "start5"),)),
    "order": Drawing("learning", (("order", "all"),), postprocess=_time_in_decades),
}


def draw(name: str, variants: dict[str, Variants], folder: Path) -> None:
    """Draw a figure and write it as PNG, which stays small for curves with 5,000 points."""
    drawing = FIGURES[name]
    runs = Runs(
        run
        for stage, variant in drawing.runs
        for run in variants[stage][variant]
        if not drawing.policies or scenario_value(run, POLICY) in drawing.policies
    )
    figure = figures.draw(drawing.kind, runs, band="range")
    if drawing.postprocess is not None:
        drawing.postprocess(figure)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=_DPI)
