"""Stop signals: a request to end a run, and the state to which a round that it ends returns."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, Self, final

from coupling.run_directory.checkpoint import RunState
from coupling.run_directory.policy_memory import PolicyMemory
from coupling.simulation.simulation import Simulation

AT_ONCE: Final = "interrupted at once; the tables are readable up to the last complete round"
_UNWINDING_S: Final = 1.0
"""Time after a second Ctrl-C that Python code has to end; native code is not waited for."""
_EXIT_STATUS: Final = 130


class Stopped(BaseException):
    """Request to stop, raised wherever the main thread is within ``act_at_once``."""


@final
class StopRequest:
    """Request to stop: true once a signal has arrived."""

    def __init__(self) -> None:
        self._arrived = False
        self._acts_at_once = False

    def __call__(self) -> bool:
        """Return whether a signal has arrived."""
        return self._arrived

    def arrive(self) -> None:
        """Take note of a signal.

        Raises:
            Stopped: within ``act_at_once``.
        """
        self._arrived = True
        if self._acts_at_once:
            self._acts_at_once = False
            raise Stopped

    @contextmanager
    def act_at_once(self) -> Iterator[None]:
        """Raise Stopped in the code inside as soon as a signal arrives, or if one has arrived."""
        try:
            self._acts_at_once = True
            if self._arrived:
                raise Stopped
            yield
        finally:
            self._acts_at_once = False


@contextmanager
def act_at_once(stop: Callable[[], bool]) -> Iterator[None]:
    """Raise Stopped inside when a signal arrives; a stop that is no StopRequest only waits."""
    if not isinstance(stop, StopRequest):
        yield
        return
    with stop.act_at_once():
        yield


@final
@dataclass(frozen=True)
class RestorePoint:
    """State of a run between two rounds, to which it returns if the next round is stopped."""

    _simulation: Simulation
    _state: RunState
    _restore_learner: Callable[[], None]
    _memory: PolicyMemory | None
    _remembered: Mapping[str, Any]

    @classmethod
    def of(cls, simulation: Simulation, memory: PolicyMemory | None) -> Self | None:
        """Return the present state; None if the learner cannot undo a round.

        Raises:
            RunError: the memory of the policy cannot be saved.
        """
        restore_learner = simulation.learner.restore_point()
        if restore_learner is None:
            return None
        remembered = {} if memory is None else memory.remembered(simulation.state.round)
        state = deepcopy(simulation.state)
        return cls(simulation, state, restore_learner, _memory=memory, _remembered=remembered)

    def restore(self) -> None:
        """Return to the state; the simulation can then be saved, and no longer advanced."""
        self._simulation.state = self._state
        self._restore_learner()
        if self._memory is not None:
            self._memory.return_to(self._remembered)


@contextmanager
def stop_requests(
    numbers: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
) -> Iterator[StopRequest]:
    """Yield the request that a signal makes.

    A second signal, if it is SIGINT, interrupts at once; native code ends with its process.
    """
    request = StopRequest()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if signal.SIGINT in numbers:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        request.arrive()

    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        with _ended_by_second_interrupt(numbers):
            yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _ended_by_second_interrupt(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """End the process if a second signal, SIGINT, does not end the code inside within a second.

    Python runs a signal's handler only after native code; the pipe of a wake-up descriptor is
    written at once.
    """
    if signal.SIGINT not in numbers:
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    ended = threading.Event()
    former = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watch = threading.Thread(
        target=_end_at_second_interrupt, args=(reader, frozenset(numbers), ended), daemon=True
    )
    watch.start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(former)
        os.close(writer)
        watch.join()
        os.close(reader)


def _end_at_second_interrupt(
    reader: int, numbers: frozenset[signal.Signals], ended: threading.Event
) -> None:
    """Watch the pipe of signals; end the process after a signal that SIGINT follows."""
    requested = False
    while arrived := os.read(reader, 64):
        for number in arrived:
            if requested and number == signal.SIGINT and not ended.wait(_UNWINDING_S):
                os.write(2, f"{AT_ONCE}\n".encode())
                os._exit(_EXIT_STATUS)
            requested = requested or number in numbers
