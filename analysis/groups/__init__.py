"""Groups of runs that differ only in the seed, and their curves, for figures and reports."""

from analysis.groups.axis import Axis, Clock, air_time_s, axis_label, positions
from analysis.groups.curve import Band, Curve, curve, ranked, window_of
from analysis.groups.group import Group, data_name, groups, policy_name, tasks
from analysis.groups.quantity import (
    QUANTITIES,
    Quantity,
    energy_of_devices,
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
    "tasks",
    "window_of",
    "without_home",
    "without_rounding",
]
