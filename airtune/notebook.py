"""Notebooks: the progress of a run as a bar below the cell."""

import sys
import time
from collections.abc import Callable
from typing import Any, Final, final

from typing_extensions import override

from coupling.cli.progress import ProgressText
from coupling.run_directory.writer import Tables
from coupling.scenario.ending import Ending
from coupling.simulation.observers import RunObserver
from netsim.scheduling import RoundRecord

INTERVAL_S: Final = 0.2
"""Minimum of wall-clock seconds between two changes of the bar."""


def in_notebook() -> bool:
    """Return whether the code runs in the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


@final
class NotebookProgress(RunObserver):
    """Progress bar of a run in a notebook, which appears with the first round."""

    def __init__(self, ending: Ending, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._text = ProgressText(ending, clock)
        self._handle: Any = None
        self._shown_s = -INTERVAL_S

    @override
    def on_start(self, tables: Tables) -> None:
        self._text.on_start(tables)

    @override
    def on_round(self, record: RoundRecord) -> None:
        from IPython.display import HTML, display

        text = self._text.after(record)
        now_s = self._clock()
        if self._text.share < 1 and now_s - self._shown_s < INTERVAL_S:
            return
        self._shown_s = now_s
        bar = HTML(
            f'<progress value="{self._text.share:.4f}" style="width: 20em"></progress> {text}'
        )
        if self._handle is None:
            self._handle = display(bar, display_id=True)
        else:
            self._handle.update(bar)
