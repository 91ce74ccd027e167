"""Theorem 1 as a bound on the optimality gap of a run: as printed, and corrected."""

from analysis.bound.conditions import Condition, uniform_selection
from analysis.bound.constants import Constants, measured_gap
from analysis.bound.estimates import diversity, gradient_variance, polyak, smoothness
from analysis.bound.recursions import corrected, printed
from analysis.bound.trace import Bound, of_run

__all__ = [
    "Bound",
    "Condition",
    "Constants",
    "corrected",
    "diversity",
    "gradient_variance",
    "measured_gap",
    "of_run",
    "polyak",
    "printed",
    "smoothness",
    "uniform_selection",
]
