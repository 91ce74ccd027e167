"""Run directory: claimed before anything is built, held by one process, begun or resumed."""

import contextlib
import errno
import itertools
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from coupling.files import documents, tables
from coupling.files.paths import refuse_links
from coupling.run_directory import checkpoint
from coupling.run_directory.checkpoint import RunState, SavedRun
from coupling.run_directory.layout import LOCK, PROVENANCE, SCENARIO, START_FILES, part_paths
from coupling.run_directory.lock import LockedError, is_locked, locked
from coupling.run_directory.provenance import Provenance, read_facts, require_schema
from coupling.run_directory.schema import TABLES
from coupling.run_directory.session import RunSession
from coupling.scenario.errors import RunError, ScenarioError, os_error_text, shown
from coupling.scenario.scenario import Scenario
from learner.base import Learner

OnCheckpoint = Callable[[Path], None]
"""Called with the run directory whenever the state of the run was saved."""


@final
class RunDirectory:
    """Directory of one run: its files, its lock, and the one process that may write it.

    A new run claims the directory before it builds anything; what it has created is removed again
    if the run cannot begin.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._created: list[Path] = []
        self._begun = False

    @classmethod
    def next_free(cls, parent: Path, name: str) -> "RunDirectory":
        """Return the first of ``parent/name-1``, ``parent/name-2`` ... that could be created.

        Two processes that call this at the same moment get two directories.

        Raises:
            ScenarioError: the parent cannot be written.
        """
        for number in itertools.count(1):
            directory = cls(parent / f"{name}-{number}")
            try:
                directory._make_parents()
                directory.path.mkdir()
            except FileExistsError:
                continue
            except OSError as error:
                raise ScenarioError(
                    f"--out {directory.path}: cannot be written: {os_error_text(error)}"
                ) from None
            directory._created.append(directory.path)
            return directory
        raise AssertionError("count() has no end")

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Claim the directory, which is new or empty, for a run that is about to begin.

        Raises:
            ScenarioError: the directory is a file, not empty, out of reach, or another process
                has claimed it. Nothing was written.
        """
        self.require_free()
        try:
            self._make_parents()
            if not self.path.is_dir():
                with contextlib.suppress(FileExistsError):  # the lock decides who was faster
                    self.path.mkdir()
                    self._created.append(self.path)
            if not self.path.is_dir():
                raise FileExistsError(errno.EEXIST, "file exists")
        except OSError as error:
            self._remove_created()
            raise ScenarioError(
                f"--out {self.path}: cannot be written: {os_error_text(error)}"
            ) from None
        try:
            with locked(self.path):
                try:
                    self._require_free(held=True)
                    yield
                except BaseException:
                    if not self._begun:
                        self._remove_created()
                    raise
        except LockedError as error:
            if self._begun:
                raise
            raise ScenarioError(
                f"--out {self.path}: another process has begun a run in it; name a new directory"
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of the directory of a run that is to be resumed.

        Raises:
            LockedError: another process has the lock.
            RunError: a link, a pipe or a device is in it.
            ScenarioError: the directory cannot be written.
        """
        with locked(self.path):
            refuse_links(self.path)
            yield

    def require_free(self) -> None:
        """Make sure that a run may begin in the directory.

        A directory that a run left before it wrote a table is as good as an empty one.

        Raises:
            ScenarioError: it is a file, not empty, or out of reach.
        """
        self._require_free(held=False)

    def _require_free(self, *, held: bool) -> None:
        if "\0" in str(self.path):
            raise ScenarioError(f"--out {shown(self.path)}: is no name of a directory")
        try:
            str(self.path).encode()
        except UnicodeEncodeError:
            raise ScenarioError(
                f"--out {shown(self.path)}: is not UTF-8; use another name"
            ) from None
        try:
            if self.path.is_symlink() and not self.path.exists():
                raise ScenarioError(
                    f"--out {self.path}: is a link to {shown(self.path.readlink())}, which does "
                    "not exist; name a directory"
                )
            if self.path.is_dir() and not self._holds_no_round(held=held):
                raise ScenarioError(f"--out {self.path}: is not empty; name a new directory")
            if self.path.exists() and not self.path.is_dir():
                raise ScenarioError(f"--out {self.path}: is a file; name a new directory")
        except OSError as error:
            raise ScenarioError(
                f"--out {self.path}: cannot be used: {os_error_text(error)}"
            ) from None

    def begin(
        self,
        scenario: Scenario,
        state: RunState,
        learner: Learner,
        *,
        learning: bool,
        policy: str | None,
        on_checkpoint: OnCheckpoint,
    ) -> RunSession:
        """Return the session of a run that begins in the directory, which is claimed.

        ``policy`` names a policy object that takes the place of the scenario's.
        """
        self._begun = True
        # Files of a run that was killed before its first round; its scenario may be another one.
        for name in START_FILES - {LOCK}:
            (self.path / name).unlink(missing_ok=True)
        provenance = Provenance.begin(scenario, learner, learning=learning, policy=policy)
        return RunSession(
            self.path, state, provenance, scenario=scenario, on_checkpoint=on_checkpoint
        )

    def resume(
        self,
        scenario: Scenario,
        state: RunState,
        provenance: Provenance,
        *,
        learner: Learner,
        on_checkpoint: OnCheckpoint,
    ) -> RunSession:
        """Return the session of a run that is resumed from a state."""
        return RunSession(
            self.path,
            state,
            provenance.resumed(scenario, learner, again=state.round == 0),
            scenario=scenario,
            on_checkpoint=on_checkpoint,
        )

    def scenario(self, *, imports_plugins: bool = True) -> Scenario:
        """Return the scenario of the run.

        Plug-ins are looked for beside the scenario file with which the run began, in the working
        directory and in installed packages, and never in the run directory; without
        ``imports_plugins`` they are not imported.

        Raises:
            ScenarioError: the directory holds no run, or its scenario is not valid any more.
            RunError: the run was written with another schema version.
        """
        if (self.path / SCENARIO).is_file() and not (self.path / PROVENANCE).exists():
            place = shlex.quote(str(self.path))
            raise ScenarioError(
                f"{self.path}: has a {SCENARIO} and no {PROVENANCE}, so no round can be resumed; "
                f"begin with: airtune run {place}/{SCENARIO} --out {place}"
            )
        require_schema(self.path)
        folder = self._scenario_folder()
        try:
            documents.require_bounded(self.path / SCENARIO)
        except documents.DocumentError as error:
            raise ScenarioError(f"{self.path / SCENARIO}: {error}") from None
        folders = () if folder is None else (folder,)
        return Scenario.load(self.path / SCENARIO, folders=folders, imports_plugins=imports_plugins)

    def provenance(self, scenario: Scenario) -> Provenance:
        """Return the provenance of the run.

        Raises:
            RunError: it cannot be read, or the scenario is another one than the run began with.
        """
        provenance = Provenance.read(self.path)
        if provenance.facts["scenario_sha256"] != scenario.digest():
            raise RunError(f"{self.path / SCENARIO}: is not the scenario that this run began with")
        if provenance.facts["state"] == "finished":
            self._require_rounds(provenance.facts)
        return provenance

    def saved(self, scenario: Scenario, initial: RunState) -> SavedRun | None:
        """Return the checkpoint of the run; None if there is none.

        Raises:
            RunError: the checkpoint is damaged, or of another scenario or schema version.
        """
        return checkpoint.load(self.path, scenario.digest(), initial)

    def _holds_no_round(self, *, held: bool) -> bool:
        """Return whether the directory has nothing but what a run writes before its first round.

        Unless this process has the lock (``held``), another run may be about to write a round.
        """
        entries = {entry.name: entry for entry in self.path.iterdir()}
        if not set(entries) <= {*START_FILES, *TABLES} or any(
            map(Path.is_symlink, entries.values())
        ):
            return False
        tables = [entry for name, entry in entries.items() if name in TABLES]
        if not all(entry.is_file() for name, entry in entries.items() if name in START_FILES):
            return False
        return not any(any(table.iterdir()) for table in tables) and (
            held or SCENARIO not in entries or not is_locked(self.path)
        )

    def _require_rounds(self, facts: Mapping[str, Any]) -> None:
        """Make sure that the tables of a finished run have the rounds that it names."""
        try:
            rows = sum(tables.row_count(part) for part in part_paths(self.path, "rounds"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path}/rounds: is damaged: {shown(error)}") from None
        if rows != facts["round"]:
            raise RunError(
                f"{self.path}: is damaged: {PROVENANCE} says finished at round {facts['round']}, "
                f"and the table rounds has {rows} rows"
            )

    def _scenario_folder(self) -> Path | None:
        """Return the folder of the scenario file with which the run began; None if unknown."""
        with contextlib.suppress(RunError, KeyError, TypeError):
            return Path(read_facts(self.path)["scenario_folder"])
        return None

    def _make_parents(self) -> None:
        """Create the missing parents, and remember them."""
        missing = list(itertools.takewhile(lambda parent: not parent.exists(), self.path.parents))
        for parent in reversed(missing):
            with contextlib.suppress(FileExistsError):
                parent.mkdir()
                self._created.append(parent)

    def _remove_created(self) -> None:
        """Remove the directories that were created for a run that did not begin, if empty."""
        with contextlib.suppress(OSError):
            if [entry.name for entry in self.path.iterdir()] == [LOCK]:
                (self.path / LOCK).unlink()
        for folder in reversed(self._created):
            with contextlib.suppress(OSError):
                folder.rmdir()
        self._created.clear()
