"""Remote run directory: a copy on any file system that fsspec knows, such as an object store.

Nothing in a store is trusted: manifests meet a schema, and names are checked before use.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal, Self, final

from pydantic import Field, model_validator

from coupling.files import documents
from coupling.files.paths import checked_name
from coupling.files.urls import (
    clear_place,
    file_system,
    is_url,
    masked,
    refuse_links_on,
    store_errors,
)
from coupling.run_directory.layout import (
    ADAPTER,
    CHECKPOINT,
    LOCK,
    MANIFESTS,
    PROVENANCE,
    SCENARIO,
    part_paths,
)
from coupling.run_directory.provenance import parse_facts
from coupling.run_directory.schema import TABLES
from coupling.scenario.errors import RunError, shown
from netsim import input_columns

__all__ = ["RemoteRunDirectory", "is_url"]

_DOCUMENTS: Final = (SCENARIO, PROVENANCE)
_MANIFEST: Final = re.compile(r"[0-9]{9}\.json")
_MAXIMUM_FILES: Final = 10**5


@final
class StoredFile(documents.Document):
    """Entry of a manifest: an object of the store, its size and its hash."""

    object: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@final
class Manifest(documents.Document):
    """Schema of a manifest: the documents, and the object of every file."""

    documents: dict[
        Literal["scenario.toml", "provenance.json"],
        Annotated[str, Field(max_length=documents.MAXIMUM_BYTES)],
    ]
    files: Annotated[dict[str, StoredFile], Field(max_length=_MAXIMUM_FILES)]

    @model_validator(mode="after")
    def _names_stay_below(self) -> Self:
        if set(self.documents) != set(_DOCUMENTS):
            raise ValueError(f"documents are not {' and '.join(_DOCUMENTS)}")
        for name, entry in self.files.items():
            first = checked_name(name).split("/")[0]
            if first in (LOCK, MANIFESTS, *_DOCUMENTS):
                raise ValueError(f"{shown(name)!r} is no name of a table or a checkpoint")
            # An upload gives an object the name of its file, or that name after a number.
            if not re.fullmatch(rf"(?:[0-9]{{9}}-)?{re.escape(name)}", entry.object):
                raise ValueError(f"{shown(entry.object)!r} is no object of {shown(name)!r}")
        return self


@final
class DamagedError(RunError):
    """A manifest in a store does not meet its schema."""


@final
class RemoteRunDirectory:
    """Copy of a local run directory at a URL.

    Parts of tables keep their names; files that change from one upload to the next, such as the
    checkpoint, get new names. Each upload ends with a manifest that names
    every file with size and hash; an upload that is interrupted has none and changes nothing. Files
    that only former manifests name are removed after that.
    """

    def __init__(self, url: str) -> None:
        """Take the URL of a run directory.

        Raises:
            ScenarioError: its file system cannot be used.
        """
        self._fs, self._root = file_system(url)
        self._store, _, self._name = self._root.rpartition("/")
        self._url = url
        self._known: dict[tuple[str, int], str] = {}

    def upload(self, folder: Path) -> None:
        """Upload the complete files of a local run directory; nothing if it is none.

        Raises:
            RunError: the file system refuses, or an object is a link.
        """
        if not all((folder / name).is_file() for name in _DOCUMENTS):
            return
        with store_errors(self._url, "written"):
            self._upload(folder)

    def download(self, folder: Path, tables: Collection[str] | None = None) -> bool:
        """Download the latest upload into a new local directory; return whether there is one.

        ``tables`` names those that are wanted, without the checkpoint; by default everything comes.

        Raises:
            RunError: a file is missing, or differs from its manifest.
        """
        manifest = self.manifest()
        if manifest is None:
            return False
        wanted = {
            name: entry
            for name, entry in manifest.files.items()
            if tables is None or name.split("/")[0] in tables
        }
        folder.mkdir(parents=True, exist_ok=True)
        total = sum(entry.bytes for entry in wanted.values())
        if total > (free := shutil.disk_usage(folder).free):
            raise RunError(f"{masked(self._url)}: has {total:,} bytes, and {free:,} are free here")
        for name, entry in wanted.items():
            self._download(folder / name, entry)
        for name, text in manifest.documents.items():
            (folder / name).write_text(text, encoding="utf-8")
        return True

    def manifest(self) -> Manifest | None:
        """Return the latest manifest: documents, and name, size and hash of each file.

        Raises:
                DamagedError: the manifest does not meet its schema.
            RunError: the store cannot be read.
        """
        with store_errors(self._url, "read"):
            for path in reversed(self._manifests()):
                try:
                    content = self._content(path, documents.MAXIMUM_BYTES)
                    return documents.parse_document(content, Manifest)
                except documents.NoJsonError:
                    continue  # interrupted while it was written: the one before counts
                except documents.DocumentError as error:
                    raise DamagedError(f"{masked(path)}: is damaged: {error}") from None
        return None

    def provenance(self) -> dict[str, Any] | None:
        """Return the provenance in the latest upload; None if there is none.

        Raises:
            RunError: as ``manifest``, or it is damaged.
        """
        manifest = self.manifest()
        if manifest is None:
            return None
        try:
            return parse_facts(manifest.documents["provenance.json"])
        except documents.DocumentError as error:
            raise DamagedError(f"{masked(self._url)}: {PROVENANCE} is damaged: {error}") from None

    def _upload(self, folder: Path) -> None:
        texts = {name: (folder / name).read_text(encoding="utf-8") for name in _DOCUMENTS}
        former = self._manifests()
        serial = int(PurePosixPath(former[-1]).stem) + 1 if former else 0
        manifest = self.manifest()
        before = manifest.files if manifest else {}
        files: dict[str, StoredFile] = {}
        for path in _files(folder):
            name = path.relative_to(folder).as_posix()
            digest = self._digest(path, name)
            entry = before.get(name)
            if entry is None or entry.sha256 != digest:
                # Files that the former manifest names stay until the new manifest is there.
                place = (
                    name if path.suffix == ".parquet" and entry is None else f"{serial:09d}-{name}"
                )
                clear_place(self._fs, self._store, f"{self._name}/{place}")
                self._fs.makedirs(f"{self._root}/{place}".rpartition("/")[0], exist_ok=True)
                self._fs.put_file(str(path), f"{self._root}/{place}")
                entry = StoredFile(object=place, bytes=path.stat().st_size, sha256=digest)
            files[name] = entry
        for name, text in texts.items():  # for readers; the manifest decides
            self._write(name, text)
        entries = {name: entry.model_dump() for name, entry in files.items()}
        self._write(
            f"{MANIFESTS}/{serial:09d}.json",
            json.dumps({"documents": texts, "files": entries}, indent=2),
        )
        self._remove_unnamed(before, files, former)

    def _write(self, name: str, text: str) -> None:
        clear_place(self._fs, self._store, f"{self._name}/{name}")
        self._fs.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
        self._fs.pipe_file(f"{self._root}/{name}", text.encode())

    def _remove_unnamed(
        self, before: dict[str, StoredFile], files: dict[str, StoredFile], manifests: list[str]
    ) -> None:
        needed = {entry.object for entry in files.values()}
        unnamed = {entry.object for entry in before.values()} - needed
        names = (f"{MANIFESTS}/{PurePosixPath(path).name}" for path in manifests)
        for name in (*names, *sorted(unnamed)):
            refuse_links_on(self._fs, self._store, f"{self._name}/{name}")
            if self._fs.exists(f"{self._root}/{name}"):
                self._fs.rm_file(f"{self._root}/{name}")

    def _manifests(self) -> list[str]:
        """Return the paths of the manifests in their order; files of other names do not count."""
        folder = f"{self._root}/{MANIFESTS}"
        self._fs.invalidate_cache(folder)
        if not self._fs.exists(folder):
            return []
        names = (PurePosixPath(str(path)).name for path in self._fs.ls(folder, detail=False))
        return [f"{folder}/{name}" for name in sorted(names) if _MANIFEST.fullmatch(name)]

    def _content(self, path: str, maximum: int) -> bytes:
        """Return the content of an object that is no larger than ``maximum`` bytes."""
        entry = self._fs.info(path)
        if entry.get("type") not in ("file", None) or (entry.get("size") or 0) > maximum:
            raise RunError(f"{masked(path)}: is no file of at most {maximum:,} bytes")
        content: bytes = self._fs.cat_file(path)
        return content

    def _download(self, path: Path, entry: StoredFile) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        place = f"{self._url}/{entry.object}"
        with store_errors(place, "read"):
            maximum = min(entry.bytes, input_columns.readable_bytes())
            content = self._content(f"{self._root}/{entry.object}", maximum)
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise RunError(f"{masked(place)}: differs from its manifest")
        path.write_bytes(content)

    def _digest(self, path: Path, name: str) -> str:
        key = (name, path.stat().st_size)
        if path.suffix != ".parquet" or key not in self._known:
            self._known[key] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._known[key]


def _files(folder: Path) -> Iterator[Path]:
    for table in TABLES:
        yield from part_paths(folder, table)
    for name in (CHECKPOINT, ADAPTER):
        yield from sorted(path for path in (folder / name).rglob("*") if path.is_file())
