"""Remote run directory: a copy on any file system that fsspec knows, such as an object store."""

import hashlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, final

import fsspec

from coupling.run_directory.layout import (
    ADAPTER,
    CHECKPOINT,
    MANIFESTS,
    PARTS,
    PROVENANCE,
    SCENARIO,
)
from coupling.run_directory.schema import TABLES
from coupling.scenario.errors import RunError

_DOCUMENTS: Final = (SCENARIO, PROVENANCE)


def is_url(place: str) -> bool:
    """Return whether a place is a URL and not a path of this machine."""
    return "://" in place


@final
class RemoteRunDirectory:
    """Copy of a local run directory at a URL.

    Parts of tables keep their names; files that change from one upload to the next, such as the
    checkpoint, get new names. Each upload ends with a manifest that names
    every file with size and hash; an upload that is interrupted has none and changes nothing. Files
    that only former manifests name are removed after that.
    """

    def __init__(self, url: str) -> None:
        self._fs, self._root = fsspec.core.url_to_fs(url)
        self._url = url
        self._known: dict[tuple[str, int], str] = {}

    def upload(self, folder: Path) -> None:
        """Upload the complete files of a local run directory; nothing if it is none.

        Raises:
            RunError: the file system refuses.
        """
        if not all((folder / name).is_file() for name in _DOCUMENTS):
            return
        try:
            self._upload(folder)
        except OSError as error:
            raise RunError(f"{self._url}: cannot be written: {error}") from None

    def download(self, folder: Path, tables: Collection[str] | None = None) -> bool:
        """Download the latest upload into a new local directory; return whether there is one.

        ``tables`` names those that are wanted, without the checkpoint; by default everything comes.

        Raises:
            RunError: a file is missing, or differs from its manifest.
        """
        manifest = self.manifest()
        if manifest is None:
            return False
        for name, entry in manifest["files"].items():
            if tables is not None and name.split("/")[0] not in tables:
                continue
            self._download(folder / name, entry)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in manifest["documents"].items():
            (folder / name).write_text(text, encoding="utf-8")
        return True

    def manifest(self) -> dict[str, Any] | None:
        """Return the latest manifest: documents, and name, size and hash of each file."""
        for path in reversed(self._manifests()):
            try:
                document: dict[str, Any] = json.loads(self._fs.cat_file(path))
            except (OSError, ValueError):
                continue  # interrupted while it was written: the one before counts
            return document
        return None

    def provenance(self) -> dict[str, Any] | None:
        """Return the provenance in the latest upload; None if there is none."""
        manifest = self.manifest()
        return None if manifest is None else json.loads(manifest["documents"][PROVENANCE])

    def _upload(self, folder: Path) -> None:
        documents = {name: (folder / name).read_text(encoding="utf-8") for name in _DOCUMENTS}
        former = self._manifests()
        serial = int(Path(former[-1]).stem) + 1 if former else 0
        before = self.manifest() or {"files": {}}
        files: dict[str, dict[str, Any]] = {}
        for path in _files(folder):
            name = path.relative_to(folder).as_posix()
            digest = self._digest(path, name)
            entry = before["files"].get(name)
            if entry is None or entry["sha256"] != digest:
                # Files that the former manifest names stay until the new manifest is there.
                place = (
                    name if path.suffix == ".parquet" and entry is None else f"{serial:09d}-{name}"
                )
                self._fs.makedirs(f"{self._root}/{place}".rpartition("/")[0], exist_ok=True)
                self._fs.put_file(str(path), f"{self._root}/{place}")
                entry = {"object": place, "bytes": path.stat().st_size, "sha256": digest}
            files[name] = entry
        for name, text in documents.items():  # for readers; the manifest decides
            self._fs.pipe_file(f"{self._root}/{name}", text.encode())
        self._fs.makedirs(f"{self._root}/{MANIFESTS}", exist_ok=True)
        manifest = json.dumps({"documents": documents, "files": files}, indent=2)
        self._fs.pipe_file(f"{self._root}/{MANIFESTS}/{serial:09d}.json", manifest.encode())
        self._remove_unnamed(before, files, former)

    def _remove_unnamed(
        self, before: dict[str, Any], files: dict[str, Any], manifests: list[str]
    ) -> None:
        needed = {entry["object"] for entry in files.values()}
        unnamed = {entry["object"] for entry in before["files"].values()} - needed
        for path in (*manifests, *(f"{self._root}/{place}" for place in sorted(unnamed))):
            if self._fs.exists(path):
                self._fs.rm_file(path)

    def _manifests(self) -> list[str]:
        folder = f"{self._root}/{MANIFESTS}"
        self._fs.invalidate_cache(folder)
        return (
            sorted(map(str, self._fs.ls(folder, detail=False))) if self._fs.exists(folder) else []
        )

    def _download(self, path: Path, entry: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            content = self._fs.cat_file(f"{self._root}/{entry['object']}")
        except OSError as error:
            raise RunError(f"{self._url}/{entry['object']}: cannot be read: {error}") from None
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise RunError(f"{self._url}/{entry['object']}: differs from its manifest")
        path.write_bytes(content)

    def _digest(self, path: Path, name: str) -> str:
        key = (name, path.stat().st_size)
        if path.suffix != ".parquet" or key not in self._known:
            self._known[key] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._known[key]


def _files(folder: Path) -> Iterator[Path]:
    for table in TABLES:
        yield from sorted((folder / table).glob(PARTS))
    for name in (CHECKPOINT, ADAPTER):
        yield from sorted(path for path in (folder / name).rglob("*") if path.is_file())
