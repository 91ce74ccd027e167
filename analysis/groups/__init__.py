"""Groups of runs that differ only in the seed, and their curves, for figures and reports."""

from analysis.groups.axis import Axis, Clock, axis_label, positions
from analysis.groups.curve import Band, Curve, curve, ranked, window_of
from analysis.groups.group import Group, groups, policy_name, tasks
from analysis.groups.quantity import QUANTITIES, Quantity
from analysis.groups.text import display, printable, without_home

__all__ = [
    "QUANTITIES",
    "Axis",
    "Band",
    "Clock",
    "Curve",
    "Group",
    "Quantity",
    "axis_label",
    "curve",
    "display",
    "groups",
    "policy_name",
    "positions",
    "printable",
    "ranked",
    "tasks",
    "window_of",
    "without_home",
]
