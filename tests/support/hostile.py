"""Hostile cases: an input of another person, the command that opens it, and what must not happen.

A case builds its input in ``scene.folder``, which is the working directory of the command. Beside
it lies ``scene.canary``, which the input may point at, and which must be unchanged afterwards.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from coupling import Scenario, run
from coupling.scenario.errors import Interrupted
from support.fork_server import YES, CommandEnd, ForkServer
from support.page_references import references
from support.small_runs import AIRTUNE, NETWORK, ROOT, learner_table, stop_after

MAXIMUM_LINE = 2000
MAXIMUM_BYTES = 3 * 2**30
"""Largest resident memory of a command that refuses its input; imports take a tenth of it."""
_MARKER = "AIRTUNE_TEST_MARKER"
_NOTE = re.compile(
    r"^(warning: |partition: |runs |round [0-9]+/)|has no checkpoint; the run begins again$|"
    r"from an uninterrupted run$|differ in their input$"
)
_COUNT = re.compile(r"[0-9]+ of [0-9]+ runs")


@dataclass(frozen=True)
class Scene:
    """Folders of one case."""

    root: Path

    @property
    def folder(self) -> Path:
        """Working directory of the command; the only place that it may change."""
        return self.root / "place"

    @property
    def canary(self) -> Path:
        """Folder with the files ``victim.txt`` and ``rounds/part-000000.parquet``."""
        return self.root / "canary"

    @property
    def run(self) -> Path:
        """An interrupted run with a checkpoint of round 8 of 12; ``finished`` is a finished one."""
        return self.folder / "run"

    @property
    def finished(self) -> Path:
        """A finished run of 12 rounds."""
        return self.folder / "finished"

    @property
    def learned(self) -> Path:
        """A finished run of 3 rounds with learning, where the template has it."""
        return self.folder / "learned"

    @property
    def scenario(self) -> Path:
        """Scenario file of both runs."""
        return self.folder / "small.toml"

    def code(self) -> str:
        """Return the Python code that leaves the marker of foreign code."""
        return (
            f"import os, pathlib\n"
            f"pathlib.Path(os.environ[{_MARKER!r}]).touch()\n"
            f"print('FOREIGN CODE RAN')\n"
        )

    def write_scenario(self, name: str = "hostile.toml", **tables: object) -> Path:
        """Write the scenario of the runs with other top-level entries."""
        path = self.folder / name
        path.write_text(tomli_w.dumps(NETWORK | tables))
        return path


Build = Callable[[Scene], object]


@dataclass(frozen=True)
class Case:
    """Row of the table of hostile cases."""

    kind: int
    """Number of the kind, 1 to 12, as ``SECURITY.md`` lists them."""
    name: str
    build: Build
    """Makes the hostile input in ``scene.folder``."""
    command: tuple[str, ...]
    """Arguments of airtune, run in ``scene.folder``; ``{folder}`` stands for its path."""
    status: int
    """Exit status: 0, 1 or 2, and 130 of a command that a signal ends."""
    says: str = ""
    """Part of the line on stderr; with status 0, of either stream."""
    environment: Mapping[str, str] = field(default_factory=dict)
    hides: str = ""
    """Text that no stream may show, such as a password."""
    signal_when: str = ""
    """Pattern of a file; when it exists, the command gets SIGTERM."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


def make_template(folder: Path) -> None:
    """Write what every scene begins with: canary, scenario, and two runs."""
    place = folder / "place"
    (place).mkdir(parents=True)
    tables: dict[str, Any] = NETWORK | {"trace": {"checkpoint_every": 4}}
    (place / "small.toml").write_text(tomli_w.dumps(tables))
    scenario = Scenario.load(place / "small.toml")
    run(scenario, place / "finished")
    note, stop = stop_after(8)
    with contextlib.suppress(Interrupted):
        run(scenario, place / "run", on_round=note, stop=stop)
    canary = folder / "canary"
    (canary / "rounds").mkdir(parents=True)
    (canary / "victim.txt").write_text("nothing may change this\n")
    (canary / "rounds" / "part-000000.parquet").write_bytes(b"PAR1 not yours PAR1")
    (canary / "rounds" / "part-000007.parquet").write_bytes(b"PAR1 not yours PAR1")


def add_learning(folder: Path) -> None:
    """Add a model, data and a finished run of 3 rounds with learning to the template."""
    place = folder / "place"
    table = learner_table(place)
    (place / "learner.toml").write_text(tomli_w.dumps({**NETWORK, "rounds": 3, "learner": table}))
    run(Scenario.load(place / "learner.toml"), place / "learned")


def contents(folder: Path, without: str = "") -> dict[str, tuple[str, bytes]]:
    """Return the entries below a folder that may not change: modes, links and contents."""
    found = {}
    for place, folders, files in os.walk(folder):
        if without in folders:
            folders.remove(without)
        for name in (*folders, *files):
            path = Path(place) / name
            status = path.lstat()
            if path.is_symlink():
                content = os.readlink(path).encode()
            else:
                content = path.read_bytes() if path.is_file() else b""
            found[str(path.relative_to(folder))] = (oct(status.st_mode), content)
    return found


def check(case: Case, template: Path, root: Path, server: ForkServer) -> None:
    """Carry out a case in a copy of the template, and check everything that must hold."""
    shutil.copytree(template, root, symlinks=True)
    scene = Scene(root)
    case.build(scene)
    before = contents(root, without="place")
    marker = root / "marker"

    arguments = [word.format(folder=scene.folder) for word in case.command]
    environment = {_MARKER: str(marker), "HOME": str(root), "COLUMNS": "400", **case.environment}
    if "PYTHONOPTIMIZE" in environment:
        outcome = _in_new_process(arguments, scene.folder, environment)
    else:
        outcome = server.airtune(
            *arguments,
            cwd=scene.folder,
            environment=environment,
            timeout_s=60.0,
            forks=True,
            signal_when=case.signal_when,
        )

    problems = faults(outcome, allowed=(case.status,))
    text = outcome.err if case.status in (1, 2) else outcome.out + outcome.err
    if case.hides and case.hides in outcome.out + outcome.err:
        problems.append("shows a secret")
    if case.says not in text:
        problems.append(f"does not say {case.says!r}")
    if marker.exists() or "FOREIGN CODE RAN" in outcome.out + outcome.err:
        problems.append("foreign code ran")
    for page in scene.folder.glob("**/*.html"):
        problems += [f"{page.name} has {found}" for found in references(page.read_text())]
    if contents(root, without="place") != before:
        problems.append("something outside of the working directory has changed")
    assert not problems, f"{case}: {problems}\nstdout: {outcome.out}\nstderr: {outcome.err}"


def _in_new_process(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> CommandEnd:
    """Run a command in a Python of its own, which reads the variables of Python."""
    done = subprocess.run(
        [sys.executable, "-B", *AIRTUNE, *arguments],
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        input=YES,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return CommandEnd(
        done.returncode,
        done.stdout,
        done.stderr,
        peak_bytes=0,
        sockets=[],
        outside=[],
        stopped=False,
        cpu_s=0.0,
    )


def faults(outcome: CommandEnd, allowed: tuple[int, ...]) -> list[str]:
    """Return the faults in the end of a command, whatever its input was."""
    problems = []
    lines = outcome.err.strip().splitlines()
    if outcome.status not in allowed:
        problems.append(f"exit status {outcome.status}")
    if "Traceback" in outcome.err + outcome.out:
        problems.append("a traceback")
    if outcome.status in (1, 2) and len(errors(lines)) != 1:
        problems.append(f"{len(errors(lines))} lines instead of one")
    if max(map(len, lines), default=0) > MAXIMUM_LINE:
        problems.append("a line that is too long")
    if not (outcome.err + outcome.out).replace("\n", "").replace("\t", "").isprintable():
        problems.append("control characters")
    if outcome.sockets:
        problems.append(f"sockets at {outcome.sockets}")
    if outcome.peak_bytes > MAXIMUM_BYTES:
        problems.append(f"{outcome.peak_bytes:,} bytes of memory")
    return problems


def errors(lines: list[str]) -> list[str]:
    """Return the lines on stderr that are no notes, which precede the error."""
    found = [line for line in lines if line.strip() and not _NOTE.search(line)]
    # A sweep has a line per run that failed, and a last line with their number.
    return found[:-1] if len(found) > 1 and _COUNT.match(found[-1]) else found


def edit_json(path: Path, **changes: object) -> None:
    """Replace entries of a JSON file; ``...`` removes one."""
    document = json.loads(path.read_text())
    for key, value in changes.items():
        if value is ...:
            document.pop(key, None)
        else:
            document[key] = value
    path.write_text(json.dumps(document))


def replace_by_link(path: Path, target: Path) -> None:
    """Put a link in the place of a file or folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(target)
