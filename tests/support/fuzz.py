"""Fuzz trial: a mutated scene, one command, and the problems in its end.

``python -m support.fuzz`` is the long run of ``make fuzz``; ``tests/system/test_fuzz.py`` the short
one. Both draw from the mutations of ``fuzz_kinds``.
"""

import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from random import Random

from support.fork_server import CommandEnd, ForkServer
from support.fuzz_kinds import LEARNING_KINDS, Command
from support.fuzz_scene import make_scene
from support.hostile import Scene, contents, faults

WATCHDOG_CPU_S = 30
"""Processor time of a command; a busy machine makes it no longer."""
WATCHDOG_S = 120.0
"""Time of a command, which may wait for something that never comes."""
STOP_S = 20.0
"""Time after which a run is asked to stop: a mutant may ask for a billion rounds."""
MEMORY_BYTES = 8 * 2**30
_RUNS = ("resume", "sweep")
_CACHE = ".cache"
_IGNORED = {_CACHE, "__pycache__"}
_MAY_IMPORT = ("resume", "sweep", "validate")
MODULES = ("learner.split_learner", "learner.adapter_files.merge", "coupling.sweeps.engines.worker")


@dataclass(frozen=True)
class Trial:
    """Outcome of one mutant."""

    kind: str
    command: Command
    end: CommandEnd
    problems: tuple[str, ...]


class Fuzzer:
    """Scene with a copy to begin every trial from, and a server of commands; a context manager."""

    def __init__(self, root: Path, *, learning: bool) -> None:
        self._template = root / "template"
        self.scene = Scene(root / "scene")
        shutil.rmtree(root, ignore_errors=True)
        make_scene(self.scene.root, learning=learning)
        self.scene.root.rename(self._template)
        self._server = ForkServer(
            MODULES if learning else MODULES[2:],
            MEMORY_BYTES,
            {"HF_HOME": str(self.scene.folder / _CACHE)},
        )

    def __enter__(self) -> "Fuzzer":
        self._server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(None, None, None)

    def trial(self, kind: str, random: Random) -> Trial:
        """Mutate a new copy of the scene, run a command in it, and return its problems."""
        command = self.mutate(kind, random)
        return self.run(kind, command)

    def mutate(self, kind: str, random: Random) -> Command:
        """Mutate a new copy of the scene; return the command to run in it."""
        shutil.rmtree(self.scene.root, ignore_errors=True)
        shutil.copytree(self._template, self.scene.root, symlinks=True)
        commands = LEARNING_KINDS[kind](random, self.scene)
        return random.choice(list(commands))

    def run(self, kind: str, command: Command) -> Trial:
        """Run a command in the scene as it is, and return its problems."""
        arguments = tuple(word.format(folder=self.scene.folder) for word in command)
        marker = self.scene.root / "marker"
        before = _entries(self.scene)
        end = self._server.airtune(
            *arguments,
            cwd=self.scene.folder,
            environment={
                "AIRTUNE_TEST_MARKER": str(marker),
                "HOME": str(self.scene.root),
                "COLUMNS": "400",
            },
            timeout_s=WATCHDOG_S,
            stop_s=STOP_S if command[0] in _RUNS else None,
            cpu_s=WATCHDOG_CPU_S,
            forks=True,
        )
        problems = faults(end, allowed=(0, 1, 2, *_stopped(end)))
        may_import = command[0] in _MAY_IMPORT and "--no-plugins" not in command
        outside = [line for line in end.outside if not (may_import and str(marker) in line)]
        problems += [f"outside: {line}" for line in outside[:3]]
        if marker.exists():
            marker.unlink()
            if not may_import:
                problems.append("foreign code ran")
        problems += _changes(before, _entries(self.scene), command)
        return Trial(kind, command, end, tuple(problems))


def _stopped(end: CommandEnd) -> tuple[int, ...]:
    """Return the further statuses of a command that was asked to stop.

    On a busy machine the request may come before the run has begun to listen.
    """
    if not end.stopped:
        return ()
    return (130, -signal.SIGTERM) if end.cpu_s < STOP_S / 2 else (130,)


def _entries(scene: Scene) -> dict[str, tuple[str, bytes]]:
    """Return modes and contents of all entries of a scene."""
    found = contents(scene.root)
    return {name: entry for name, entry in found.items() if not _IGNORED & set(name.split("/"))}


def _changes(
    before: dict[str, tuple[str, bytes]], after: dict[str, tuple[str, bytes]], command: Command
) -> list[str]:
    """Return a problem if anything changed outside of the place that a command may write to."""
    place = _output(command)
    changed = sorted(
        name
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
        and not (place and f"{name}/".startswith(f"place/{place}"))
        and not _is_parent(name, place)
    )
    return [f"changed {changed[0]!r} and {len(changed) - 1} others"] if changed else []


def _is_parent(name: str, place: str) -> bool:
    return bool(place) and f"place/{place}".startswith(f"{name}/")


def _output(command: Command) -> str:
    """Return the file or folder in the working directory that a command may write to."""
    name, *rest = command
    if "--out" in rest:
        return rest[rest.index("--out") + 1].removeprefix("file://{folder}/") + "/"
    places = {
        "resume": f"{rest[0]}/",
        "record": f"{rest[0]}/world/",
        "report": "report.html/",
        "timeline": "trace.json/",
        "figures": "figures/",
        "export": f"{rest[1] if len(rest) > 1 else ''}/",
    }
    return places.get(name, "")
