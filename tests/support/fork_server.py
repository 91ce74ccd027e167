"""Fork server: airtune commands in forked processes of one server that has imported everything.

A command costs the time of its work and not seconds of imports. Each one runs in a session of its
own, with ``y`` on standard input, and is killed with its children when its time is over.
"""

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.outside import Outside

ROOT = Path(__file__).resolve().parent.parent.parent
HELD_IN_MEMORY = 24 * 2**30
"""Address space that a command may have, in bytes; PyTorch alone reserves several GiB."""
YES = "y\n" * 100
_STREAMS = ("stdin", "stdout", "stderr", "sockets", "outside")
_LOOPBACK = ("127.", "::1", "localhost")


@dataclass(frozen=True)
class CommandEnd:
    """End of a command: a status below 0 is a signal, ``None`` means that it had to be killed."""

    status: int | None
    out: str
    err: str
    peak_bytes: int
    """Largest resident memory of the process."""
    sockets: list[str]
    """Addresses other than loopback that the process has bound."""
    outside: list[str]
    """Python calls that write or delete outside of the working directory, or begin a process."""
    stopped: bool
    """The command was asked to stop by SIGTERM."""
    cpu_s: float
    """Processor time of the process and of its children that have ended."""
    wall_s: float = 0.0


class ForkServer:
    """Server process that runs airtune commands; a context manager."""

    def __init__(
        self,
        modules: Sequence[str] = (),
        memory: int = HELD_IN_MEMORY,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a server with ``modules``; a command has ``memory`` bytes of address space."""
        self._memory = memory
        self._environment = environment or {}
        self._modules = [
            "coupling.cli.app",
            *(f"coupling.cli.{name}" for name in ("analysis", "compare", "export", "run", "sweep")),
            "analysis.figures",
            "analysis.report",
            "matplotlib.pyplot",
            "pandas",
            *modules,
        ]

    def __enter__(self) -> Self:
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.fork_server", *self._modules],
            env=os.environ
            | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
            | self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def airtune(
        self,
        *arguments: object,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        stop_s: float | None = None,
        cpu_s: int | None = None,
        forks: bool = False,
        stdin: str = YES,
        signal_when: str = "",
    ) -> CommandEnd:
        """Run a command and return its end.

        After ``stop_s``, or when a file ``signal_when`` exists, it is asked to stop; after
        ``timeout_s`` or ``cpu_s`` of processor time it is killed. With ``forks`` the
        workers of a sweep are forked, too, which saves their imports.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {
            "arguments": list(map(str, arguments)),
            "cwd": str(cwd),
            "environment": dict(environment or {}),
            "timeout_s": timeout_s,
            "stop_s": stop_s,
            "forks": forks,
            "cpu_s": cpu_s,
            "memory": self._memory,
            "stdin": stdin,
            "signal_when": signal_when,
        }
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return CommandEnd(**json.loads(self._process.stdout.readline()))


def _serve() -> None:
    """Answer the jobs on standard input, one line each."""
    for name in sys.argv[1:]:
        __import__(name)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()


def _answer(job: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="fork-server-") as scratch:
        streams = {name: Path(scratch) / name for name in _STREAMS}
        streams["stdin"].write_text(job["stdin"])
        for name in _STREAMS[1:]:
            streams[name].touch()
        process = os.fork()
        if not process:
            _become(job, streams)
        if job["signal_when"]:
            _signal(process, Path(job["cwd"]), job["signal_when"])
        status, usage, stopped = _ended(process, job["timeout_s"], job["stop_s"])
        texts = {name: path.read_text(errors="replace") for name, path in streams.items()}
    return {
        "status": status,
        "out": texts["stdout"],
        "err": texts["stderr"],
        "peak_bytes": usage.ru_maxrss * 1024,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "sockets": texts["sockets"].splitlines(),
        "outside": texts["outside"].splitlines(),
        "stopped": stopped,
    }


def _ended(
    process: int, timeout_s: float, stop_s: float | None
) -> tuple[int | None, resource.struct_rusage, bool]:
    """Return the exit status of a child, its resources, and whether it was asked to stop.

    Its session is killed at the end.
    """
    handle = os.pidfd_open(process)
    in_time, _, _ = select.select([handle], [], [], timeout_s if stop_s is None else stop_s)
    stopped = not in_time and stop_s is not None
    if stopped:
        os.kill(process, signal.SIGTERM)
        in_time, _, _ = select.select([handle], [], [], timeout_s - stop_s)
    os.close(handle)
    if not in_time:
        os.kill(process, signal.SIGKILL)
    _, status, usage = os.wait4(process, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(status) if in_time else None
    return code, usage, stopped


def _signal(process: int, folder: Path, pattern: str) -> None:
    """Send SIGTERM to a child when it has written a file, or after a minute."""
    deadline_s = time.monotonic() + 60.0
    while time.monotonic() < deadline_s and not any(folder.glob(pattern)):
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.02)
    os.kill(process, signal.SIGTERM)


def _become(job: dict[str, Any], streams: dict[str, Path]) -> None:
    """Become the process of a command, which never returns."""
    status = 70
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (job["memory"], job["memory"]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if job["cpu_s"] is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (job["cpu_s"], job["cpu_s"] + 1))
        for number, (name, flags) in enumerate(
            [
                ("stdin", os.O_RDONLY),
                ("stdout", os.O_WRONLY | os.O_CREAT),
                ("stderr", os.O_WRONLY | os.O_CREAT),
            ]
        ):
            opened = os.open(streams[name], flags, 0o600)
            os.dup2(opened, number)
            os.close(opened)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        os.environ.update(job["environment"])
        os.chdir(job["cwd"])
        sockets = os.open(streams["sockets"], os.O_WRONLY | os.O_APPEND)
        sys.addaudithook(lambda event, arguments: _note_socket(event, arguments, sockets))
        outside = os.open(streams["outside"], os.O_WRONLY | os.O_APPEND)
        tempfile.tempdir = str(streams["outside"].parent)
        sys.addaudithook(Outside((job["cwd"], tempfile.tempdir), outside))
        if job["forks"]:
            _fork_workers()
        sys.argv = ["airtune", *job["arguments"]]
        from coupling.cli.app import main

        status = main(job["arguments"])
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 71
    except BaseException:  # noqa: BLE001 (the traceback is the finding)
        import traceback

        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


def _fork_workers() -> None:
    """Let multiprocessing fork this process, where airtune asks for a server of forks."""
    import multiprocessing

    forked = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda method=None: forked  # type: ignore[assignment, misc]


def _note_socket(event: str, arguments: tuple[Any, ...], sockets: int) -> None:
    if event == "socket.bind":
        address = arguments[1]
        host = str(address[0]) if isinstance(address, tuple) else ""
        if isinstance(address, tuple) and not host.startswith(_LOOPBACK):
            os.write(sockets, f"{host}:{address[1]}\n".encode())


if __name__ == "__main__":
    _serve()
