"""Local engine: processes of this machine, one per run."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Final, final

from typing_extensions import override

from coupling.scenario.errors import MAXIMUM_LINE, RunError, shown
from coupling.simulation.stop_signals import stop_requests
from coupling.sweeps.engines.base import Engine, Stop, Task, TaskResult
from coupling.sweeps.engines.worker import execute

_POLL_INTERVAL_S: Final = 0.2


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


@final
@dataclass(frozen=True)
class LocalEngine(Engine):
    """Local processes: up to ``jobs`` runs in parallel, with equal shares of the cores for PyTorch.

    The processes are forked from a server that has imported the modules of a run, so that they
    start in milliseconds. A worker that is killed, for instance by the system for its memory, fails
    its own run only.
    """

    jobs: int

    @override
    def work(self, tasks: Sequence[Task], stop: Stop) -> Iterator[TaskResult]:
        context = multiprocessing.get_context("forkserver")
        # pyarrow imports pandas when it first converts an array.
        modules = ["coupling.sweeps.engines.worker", "pandas"]
        if any(task.learning for task in tasks):
            modules.append("learner.split_learner")
        context.set_forkserver_preload(modules)
        threads = max(1, cores() // self.jobs)
        waiting = deque(tasks)
        running = list[_Worker]()
        try:
            while running or (waiting and not stop()):
                while waiting and len(running) < self.jobs and not stop():
                    running.append(_started(context, waiting.popleft(), threads))
                if stop():
                    for worker in running:
                        worker.process.terminate()
                wait([worker.process.sentinel for worker in running], timeout=_POLL_INTERVAL_S)
                for worker in [worker for worker in running if not worker.process.is_alive()]:
                    running.remove(worker)
                    yield worker.result(asked_to_stop=stop())
        finally:
            for worker in running:
                worker.process.kill()


@final
@dataclass(frozen=True)
class _Worker:
    """Worker process, and the end of the pipe on which it reports the result of its run."""

    task: Task
    process: BaseProcess
    connection: Connection

    def result(self, *, asked_to_stop: bool) -> TaskResult:
        """Return the result of a process that has exited."""
        self.process.join()
        try:
            state, error = self.connection.recv()
        except EOFError:
            code = self.process.exitcode or 0
            # The request came before the process could listen.
            if asked_to_stop and code in (1, -signal.SIGTERM):
                return TaskResult(self.task, "interrupted")
            return TaskResult(self.task, "failed", _exit_message(code))
        finally:
            self.connection.close()
        return TaskResult(self.task, state, error)


def _started(
    context: "multiprocessing.context.ForkServerContext", task: Task, threads: int
) -> _Worker:
    """Return a worker that has started its run."""
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(task, threads, sender), name=task.name)
    with _hidden_main():
        process.start()
    sender.close()
    return _Worker(task, process, receiver)


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep a new process from importing the script that runs the sweep.

    A worker does not need that script, which may be standard input or may start the sweep again
    when it is imported.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _work(task: Task, threads: int, connection: Connection) -> None:
    """Worker process: execute a run, and report its result."""
    # The terminal's interrupt reaches all processes; the parent passes it on as SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_requests([signal.SIGTERM]) as asked:
        parent = multiprocessing.parent_process()
        assert parent is not None, "a worker has a parent"
        if task.learning:
            import torch

            torch.set_num_threads(min(threads, torch.get_num_threads()))
        watch = threading.Thread(target=_stop_without_parent, args=(parent,), daemon=True)
        watch.start()
        try:
            result = execute(task, asked)
        except RunError as error:
            result = "failed", shown(error, MAXIMUM_LINE)
        # A parent that was killed reads no results; the run has saved its state.
        with contextlib.suppress(BrokenPipeError):
            connection.send(result)


def _stop_without_parent(parent: BaseProcess) -> None:
    """Send the signal to stop to this process when its parent has ended."""
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _exit_message(code: int) -> str:
    """Return the line about a process that exited without a result."""
    if code >= 0:
        return f"its process exited with status {code}; see its output above"
    name = signal.Signals(-code).name
    hint = ", perhaps by the system for its memory: try fewer --jobs" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{hint}"
