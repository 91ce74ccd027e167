"""Sweeps and comparisons: many runs on one machine or a cluster."""

from coupling.sweeps.compare import compare
from coupling.sweeps.sweep import sweep

__all__ = ["compare", "sweep"]
