"""Ray engine: a cluster of this machine, or of many machines with GPUs."""

import importlib.util
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, final

from typing_extensions import override

from coupling.scenario.errors import ScenarioError, flat, os_error_text
from coupling.simulation.stop_signals import stop_requests
from coupling.sweeps.engines.base import Engine, Stop, Task, TaskResult, TaskState
from coupling.sweeps.engines.worker import execute

_POLL_INTERVAL_S: Final = 0.5
_CONNECT_TIMEOUT_S: Final = 5.0
_MAX_LOST_WORKERS: Final = 5
_LOCK_TIMEOUT_S: Final = 60.0
_OPEN_TO_OTHERS: Final = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Variable with which Ray decides between the loopback interface and all interfaces."""


def _ignore(line: str) -> None:
    """Ignore a line about the cluster."""


@final
@dataclass(frozen=True)
class RayEngine(Engine):
    """Ray tasks: one core and a share of a GPU per run, on any node that has room.

    A run whose node or worker is lost resumes on another node from its checkpoint. This needs a
    sweep directory that all nodes reach: one on a shared file system, or a URL.
    """

    address: str | None
    """Address of a running cluster; None starts one that listens on the loopback interface."""
    gpus_per_run: float
    jobs: int | None
    log: Callable[[str], None] = _ignore
    """Called with a line about runs that wait for a node."""

    @override
    def work(self, tasks: Sequence[Task], stop: Stop) -> Iterator[TaskResult]:
        ray = _import()
        self._connect(ray)
        remote = ray.remote(num_cpus=1, num_gpus=self.gpus_per_run, max_retries=_MAX_LOST_WORKERS)(
            _work
        )
        waiting = deque(tasks)
        running = dict[Any, Task]()
        cancelled = False
        try:
            while running or (waiting and not stop()):
                while waiting and not stop() and (self.jobs is None or len(running) < self.jobs):
                    task = waiting.popleft()
                    running[remote.remote(task)] = task
                if stop() and not cancelled:
                    cancelled = True
                    for reference in running:
                        ray.cancel(reference)
                ready, _ = ray.wait(list(running), timeout=_POLL_INTERVAL_S)
                for reference in ready:
                    yield _result(ray, reference, running.pop(reference))
        finally:
            ray.shutdown()

    def _connect(self, ray: Any) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if self.address is not None:
            _require_answer(self.address)
        own: dict[str, Any] = (
            {"num_cpus": self.jobs, "include_dashboard": False} if self.address is None else {}
        )
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            # The output of the nodes would appear on stdout, which is for the results.
            with _loopback_only(ray) if self.address is None else nullcontext():
                ray.init(
                    address=self.address or "local",
                    logging_level="ERROR",
                    log_to_driver=False,
                    **own,
                )
        except (ConnectionError, ValueError, RuntimeError) as error:
            place = "this machine" if self.address is None else f"--address {self.address}"
            raise ScenarioError(f"{place}: no Ray cluster answers: {flat(error)}") from None
        finally:
            # Ray installs its own handlers.
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if self.address is None:
            _require_loopback(ray)
        self._require_gpus(ray)

    def _require_gpus(self, ray: Any) -> None:
        """Refuse runs that no node can take, or report them where the cluster may grow."""
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = max((resources.get("GPU", 0.0) for resources in alive), default=0.0)
        if self.gpus_per_run <= gpus:
            return
        option = f"--gpus-per-run {self.gpus_per_run:g}"
        if self.address is None:
            ray.shutdown()
            raise ScenarioError(f"{option}: this machine has {gpus:g} GPUs")
        self.log(
            f"{option}: the nodes of the cluster have at most {gpus:g} GPUs each; the runs wait "
            "for a node that has as many"
        )


@contextmanager
def _loopback_only(ray: Any) -> Iterator[None]:
    """Let a cluster that starts here listen on the loopback interface, as on macOS.

    Ray listens on all interfaces of Linux, and carries out what anybody sends it.
    """
    constants = ray._private.ray_constants
    before = os.environ.get(_OPEN_TO_OTHERS), constants.ENABLE_RAY_CLUSTER
    # The first is for the processes of the cluster, the second for this one, which imported Ray.
    os.environ[_OPEN_TO_OTHERS] = "0"
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before[1]
        if before[0] is None:
            del os.environ[_OPEN_TO_OTHERS]
        else:
            os.environ[_OPEN_TO_OTHERS] = before[0]


def _require_loopback(ray: Any) -> None:
    """End a cluster that a version of Ray has opened to other machines nevertheless."""
    addresses = [node["NodeManagerAddress"] for node in ray.nodes()]
    if not all(ip_address(address).is_loopback for address in addresses):
        ray.shutdown()
        raise ScenarioError(
            f"--engine ray: this version of Ray listens at {', '.join(addresses)}, not on the "
            "loopback interface alone; start a cluster yourself and give its --address"
        )


def _require_answer(address: str) -> None:
    """Refuse an address that does not answer; Ray itself would retry for minutes."""
    host, colon, port = address.rpartition(":")
    if not (colon and port.isdigit()):
        return  # such as "auto"
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S).close()
    # A name of a host that cannot be encoded, or a port that does not exist.
    except (OSError, ValueError, OverflowError) as error:
        reason = os_error_text(error) if isinstance(error, OSError) else flat(error)
        raise ScenarioError(f"--address {address}: no Ray cluster answers: {reason}") from None


def _import() -> Any:
    if importlib.util.find_spec("ray") is None:
        raise ScenarioError("--engine ray needs the package ray; install airtune[ray]")
    import ray

    return ray


def _work(task: Task) -> tuple[TaskState, str | None]:
    """Worker: execute a run; Ray requests a stop by an interrupt."""
    with stop_requests() as asked:
        deadline_s = time.monotonic() + _LOCK_TIMEOUT_S
        while True:
            state, line = execute(task, asked)
            # The process of a lost node may take a moment to die.
            if state != "held" or time.monotonic() > deadline_s:
                return state, line
            time.sleep(1.0)


def _result(ray: Any, reference: Any, task: Task) -> TaskResult:
    """Return the result of a Ray task that has ended."""
    try:
        state, line = ray.get(reference)
    except ray.exceptions.TaskCancelledError:
        return TaskResult(task, "interrupted")
    except ray.exceptions.RayError as error:
        # The cause of an error in a task is the exception that the task raised.
        cause = getattr(error, "cause", None) or error
        return TaskResult(task, "failed", f"{type(cause).__name__}: {flat(cause)}")
    return TaskResult(task, state, line)
