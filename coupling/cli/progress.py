"""Progress of a run on stderr: a bar on a terminal, lines elsewhere, nothing if it is quiet."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, cast, final

from typing_extensions import override

from coupling.cli.console import ProgressBar
from coupling.cli.verbosity import Verbosity
from coupling.run_directory.writer import Tables
from coupling.scenario.ending import Ending
from coupling.simulation.observers import RunObserver
from netsim.scheduling import RoundRecord

INTERVAL_S: Final = 30.0
"""Seconds of wall time after which a line is written."""
STEP: Final = 0.05
"""Share of the run after which a line is written."""
_ROUNDING: Final = 1e-9


@final
class ProgressText:
    """Text of the progress of a run: round, devices, simulated time, loss, accuracy, time left."""

    def __init__(self, ending: Ending, clock: Callable[[], float] = time.monotonic) -> None:
        self._ending = ending
        self._clock = clock
        self._start_s = clock()
        self._first: tuple[float, float] | None = None
        self._accuracy: float | None = None
        self.first_share = 0.0
        """Share of the run that was done before the first round."""
        self.share = 0.0
        """Share of the run that is done, from 0 to 1."""

    def on_start(self, tables: Tables) -> None:
        """Take in the evaluation before the first round."""
        for _, row in tables.get("evaluations", ()):
            self._accuracy = cast(float, row["accuracy"])

    def after(self, record: RoundRecord) -> str:
        """Return the text after a round, and take in its evaluation; call it for every round."""
        now_s = self._clock()
        self.share = self._ending.progress(record.round, record.time_s)
        if record.evaluation is not None:
            self._accuracy = record.evaluation["accuracy"]
            self.share = 1.0 if self._ending.is_accurate(self._accuracy) else self.share
        parts = [
            f"round {record.round}/{self._ending.rounds} ({self.share:.0%})",
            f"devices {len(record.scheduled)}",
            f"simulated {record.time_s:,.0f} s",
        ]
        if record.train_loss is not None:
            parts.append(f"loss {record.train_loss:.3f}")
        if self._accuracy is not None:
            parts.append(f"accuracy {self._accuracy:.1%}")
        parts.append(f"wall {now_s - self._start_s:,.0f} s")
        if self._first is None:
            # A resumed run is at the time of its first round already.
            before_s = 0.0 if record.round == 1 else record.time_s
            self.first_share = self._ending.progress(record.round - 1, before_s)
            # The time until the first round has the model's loading in it.
            self._first = self.share, now_s
        elif (done := self.share - self._first[0]) > 0:
            parts.append(f"left {(now_s - self._first[1]) / done * (1 - self.share):,.0f} s")
        return ", ".join(parts)


@final
class ProgressLines(RunObserver):
    """Progress of a run as lines: every 30 seconds, every 5 % of the run, and at the end."""

    def __init__(
        self,
        ending: Ending,
        *,
        every_round: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._every_round = every_round
        self._clock = clock
        self._text = ProgressText(ending, clock)
        self._line_s = clock()
        self._line_share: float | None = None

    @override
    def on_start(self, tables: Tables) -> None:
        self._text.on_start(tables)

    @override
    def on_round(self, record: RoundRecord) -> None:
        text = self._text.after(record)
        if self._line_share is None:
            self._line_share = self._text.first_share
        share = self._text.share
        now_s = self._clock()
        if (
            self._every_round
            or share >= 1
            or now_s - self._line_s >= INTERVAL_S
            or share - self._line_share >= STEP * (1 - _ROUNDING)
        ):
            print(text, file=sys.stderr, flush=True)
            self._line_s = now_s
            self._line_share = share


def run_progress(
    ending: Ending, verbosity: Verbosity
) -> AbstractContextManager[RunObserver | None]:
    """Return the observer that shows the progress of a run; None in the context if it is quiet."""
    if verbosity is Verbosity.QUIET:
        return nullcontext()
    if verbosity is Verbosity.VERBOSE or not sys.stderr.isatty():
        return ProgressLines(ending, every_round=verbosity is Verbosity.VERBOSE)
    return ProgressBar(ending)
