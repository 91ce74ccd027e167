"""Reads run directories; imports nothing of the simulator."""

from analysis.comparison import compare
from analysis.errors import ConstantError, MissingExtraError, TraceError
from analysis.metrics import (
    delay_statistics,
    jain,
    participation,
    queue_statistics,
    summaries,
    summary,
)
from analysis.partitioned_table import SCHEMA_VERSION
from analysis.run_directory import Run, load
from analysis.runs import Runs, load_many
from analysis.targets import bits_to, energy_to, rounds_to, time_to

__all__ = [
    "SCHEMA_VERSION",
    "ConstantError",
    "MissingExtraError",
    "Run",
    "Runs",
    "TraceError",
    "bits_to",
    "compare",
    "delay_statistics",
    "energy_to",
    "jain",
    "load",
    "load_many",
    "participation",
    "queue_statistics",
    "rounds_to",
    "summaries",
    "summary",
    "time_to",
]
