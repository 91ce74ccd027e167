"""Input files of a run: the files that its scenario names by path, and hashes of their content."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, final

from pydantic import Field

from coupling.files import documents
from coupling.scenario.scenario import Scenario

_CHUNK_BYTES: Final = 2**20
_DIRECTORY_OR_NAME: Final = ("learner.model", "learner.lora.start")
"""Keys whose value may be a directory or a name of the hub."""


@final
class InputFile(documents.Document):
    """File or directory that a scenario names, as it was when the run began."""

    path: str
    sha256: str
    later_sha256: list[str] = Field(default_factory=list)
    """Other contents that later rounds were computed with, after ``resume``."""


def input_files(scenario: Scenario) -> dict[str, InputFile]:
    """Return the files and directories that a scenario names, by scenario key.

    A file or directory that cannot be read is left out; the part that needs it reports that.
    """
    found = {}
    for key, text in _named_paths(scenario.tables()):
        path = Path(text)
        try:
            found[key] = InputFile(path=text, sha256=_digest(path))
        except (OSError, ValueError):
            continue
    return found


def changed_files(scenario: Scenario, recorded: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the paths that the scenario names whose content differs from a recorded one."""
    present = input_files(scenario)
    return [
        present[key].path
        for key, entry in recorded.items()
        if key in present
        and {entry.get("sha256"), *entry.get("later_sha256", ())} != {present[key].sha256}
    ]


def with_present_contents(
    scenario: Scenario, recorded: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the recorded files of a run, with the contents that its next rounds meet."""
    files = {key: dict(entry) for key, entry in recorded.items()}
    for key, present in input_files(scenario).items():
        if key in files:
            later = files[key].get("later_sha256", [])
            if present.sha256 not in (files[key]["sha256"], *later):
                files[key]["later_sha256"] = [*later, present.sha256]
    return files


def _named_paths(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield key and value of every path in a scenario; a model or adapter counts if it is one."""
    for name, value in table.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _named_paths(value, f"{key}.")
        elif isinstance(value, str) and (
            name == "path" or (key in _DIRECTORY_OR_NAME and Path(value).is_dir())
        ):
            yield key, value


def _digest(path: Path) -> str:
    """Return the hash of a file, or that of the names and contents of a directory's files."""
    if not path.is_dir():
        return _file_digest(path, *_identity(path))
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        name = file.relative_to(path).as_posix().encode("utf-8", "surrogateescape")
        digest.update(
            b"%d %b %b" % (len(name), name, _file_digest(file, *_identity(file)).encode())
        )
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _file_digest(path: Path, size: int, modified_ns: int, number: int) -> str:
    """Return the hash of a file; a file whose identity is the same is not read again."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _identity(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    if not path.is_file():
        raise OSError("not a regular file")
    return status.st_size, status.st_mtime_ns, status.st_ino
