"""Warnings about a run: what a reader of its summary has to know."""

from analysis.run import Run
from analysis.warnings.arrivals import charge_warning, loss_warning
from analysis.warnings.idle_rounds import idle_warning

__all__ = ["idle_warning", "warnings"]


def warnings(run: Run) -> list[str]:
    """Return the warnings about a run, one line each.

    They are about rounds without devices, about updates that did not arrive, and about devices that
    were available with next to no charge.

    Raises:
        TraceError: a table cannot be read.
    """
    lines = (idle_warning(run), loss_warning(run), charge_warning(run))
    return [line for line in lines if line]
