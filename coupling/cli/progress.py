"""Progress of a run on stderr: a bar on a terminal, lines elsewhere, nothing if it is quiet."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import IntEnum
from types import TracebackType
from typing import Final, Self, cast, final

from typing_extensions import override

from coupling.cli.console import ProgressBar
from coupling.run_directory.writer import Tables
from coupling.simulation.observers import RunObserver
from netsim.scheduling import RoundRecord

INTERVAL_S: Final = 30.0
"""Seconds of wall time after which a line is written."""
STEP: Final = 0.05
"""Share of the rounds after which a line is written."""


class Verbosity(IntEnum):
    """Amount of output on stderr."""

    QUIET = 0
    """Errors only."""
    NORMAL = 1
    VERBOSE = 2
    """A line per round."""


@final
class ProgressLines(RunObserver):
    """Progress of a run as lines: every 30 seconds, every 5 % of the rounds, and at the end."""

    def __init__(
        self,
        rounds: int,
        *,
        every_round: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rounds = rounds
        self._every_round = every_round
        self._clock = clock
        self._start_s = clock()
        self._line_s = self._start_s
        self._line_round = 0
        self._first_round: int | None = None
        self._accuracy: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    @override
    def on_start(self, tables: Tables) -> None:
        for _, row in tables.get("evaluations", ()):
            self._accuracy = cast(float, row["accuracy"])

    @override
    def on_round(self, record: RoundRecord) -> None:
        if self._first_round is None:
            self._first_round = record.round
            self._line_round = record.round - 1
        if record.evaluation is not None:
            self._accuracy = record.evaluation["accuracy"]
        now_s = self._clock()
        if (
            self._every_round
            or record.round == self._rounds
            or now_s - self._line_s >= INTERVAL_S
            or record.round - self._line_round >= STEP * self._rounds
        ):
            print(self._line(record, now_s), file=sys.stderr, flush=True)
            self._line_s = now_s
            self._line_round = record.round

    def _line(self, record: RoundRecord, now_s: float) -> str:
        assert self._first_round is not None, "a line follows a round"
        parts = [
            f"round {record.round}/{self._rounds} ({record.round / self._rounds:.0%})",
            f"devices {len(record.scheduled)}",
            f"simulated {record.time_s:,.0f} s",
        ]
        if record.train_loss is not None:
            parts.append(f"loss {record.train_loss:.3f}")
        if self._accuracy is not None:
            parts.append(f"accuracy {self._accuracy:.1%}")
        elapsed_s = now_s - self._start_s
        done = record.round - self._first_round + 1
        left_s = elapsed_s / done * (self._rounds - record.round)
        return ", ".join([*parts, f"wall {elapsed_s:,.0f} s", f"left {left_s:,.0f} s"])


def run_progress(
    rounds: int, verbosity: Verbosity
) -> AbstractContextManager[ProgressBar | ProgressLines | None]:
    """Return the observer that shows the progress of a run; None in the context if it is quiet."""
    if verbosity is Verbosity.QUIET:
        return nullcontext()
    if verbosity is Verbosity.VERBOSE or not sys.stderr.isatty():
        return ProgressLines(rounds, every_round=verbosity is Verbosity.VERBOSE)
    return ProgressBar(rounds)
