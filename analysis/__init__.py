"""Reads run directories; imports nothing of the simulator."""

from analysis.metrics import summary
from analysis.run_directory import Run, TraceError, load

__all__ = ["Run", "TraceError", "load", "summary"]
