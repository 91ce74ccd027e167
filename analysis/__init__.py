"""Analysis of run directories: tables, summaries, comparisons; imports no other package here."""

from analysis.comparison import compare
from analysis.cost_to_accuracy import (
    air_time_to_accuracy,
    bits_to_accuracy,
    energy_to_accuracy,
    rounds_to_accuracy,
    time_to_accuracy,
)
from analysis.errors import ConstantError, MissingExtraError, TraceError
from analysis.metrics import (
    delay_statistics,
    jain,
    participation,
    queue_statistics,
    summaries,
    summary,
)
from analysis.run import Run
from analysis.run_directory import load
from analysis.runs import Runs, load_many
from analysis.schema_versions import SCHEMA_VERSION

__all__ = [
    "SCHEMA_VERSION",
    "ConstantError",
    "MissingExtraError",
    "Run",
    "Runs",
    "TraceError",
    "air_time_to_accuracy",
    "bits_to_accuracy",
    "compare",
    "delay_statistics",
    "energy_to_accuracy",
    "jain",
    "load",
    "load_many",
    "participation",
    "queue_statistics",
    "rounds_to_accuracy",
    "summaries",
    "summary",
    "time_to_accuracy",
]
