"""Groups of runs that differ only in the seed, and their curves, for figures and reports."""

from analysis.groups.axis import Axis, Clock, air_time_s, axis_label, positions
from analysis.groups.curve import Band, Curve, curve, ranked, statistic_of, window_of
from analysis.groups.group import Group, data_name, groups, policy_name, tasks
from analysis.groups.quantity import (
    QUANTITIES,
    Quantity,
    Statistic,
    energy_of_devices,
    statistic_label,
    without_rounding,
)
from analysis.groups.text import display, printable, without_home

__all__ = [
    "QUANTITIES",
    "Axis",
    "Band",
    "Clock",
    "Curve",
    "Group",
    "Quantity",
    "Statistic",
    "air_time_s",
    "axis_label",
    "curve",
    "data_name",
    "display",
    "energy_of_devices",
    "groups",
    "policy_name",
    "positions",
    "printable",
    "ranked",
    "statistic_label",
    "statistic_of",
    "tasks",
    "window_of",
    "without_home",
    "without_rounding",
]
