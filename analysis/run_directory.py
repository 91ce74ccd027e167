"""Run directories: load one as a run, and find those below a folder."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.errors import TraceError, one_line
from analysis.layout import PROVENANCE, SCENARIO
from analysis.partitioned_table import Rounds
from analysis.run import Run
from analysis.schema_versions import READABLE_VERSIONS, unreadable_version
from analysis.tables import DirectoryTables


def load(
    path: str | Path,
    *,
    columns: Mapping[str, Sequence[str]] | None = None,
    rounds: Rounds | None = None,
) -> Run:
    """Return the run of a run directory; this reads only its scenario and its provenance.

    ``columns`` selects columns per table, ``rounds`` the first and the last round. The other
    columns and rounds are not read.

    Raises:
        TraceError: no run directory, a damaged one, or one of an unreadable schema version.
    """
    folder = Path(path)
    scenario = _scenario(folder)
    provenance = _provenance(folder)
    tables = DirectoryTables(folder, provenance)
    return Run(tables, scenario, provenance, path=folder, columns=columns, rounds=rounds)


def run_directories(path: Path) -> list[Path]:
    """Return a run directory itself, or the run directories below a folder in order of name.

    Raises:
        TraceError: the folder holds no run directory.
    """
    if (path / PROVENANCE).is_file() or (path / SCENARIO).is_file():
        return [path]
    folders = sorted(file.parent for file in path.glob(f"**/{PROVENANCE}"))
    if not folders:
        raise TraceError(f"{path}: is not a run directory, and holds none: no {PROVENANCE} in it")
    return folders


def _scenario(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / SCENARIO).read_text(encoding="utf-8"))
    except OSError:
        raise _unreadable(folder, SCENARIO) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TraceError(f"{folder}: {SCENARIO} is damaged: {one_line(error)}") from None


def _provenance(folder: Path) -> dict[str, Any]:
    try:
        document: Any = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    except OSError:
        raise _unreadable(folder, PROVENANCE) from None
    except ValueError as error:
        raise TraceError(f"{folder}: {PROVENANCE} is damaged: {one_line(error)}") from None
    if not isinstance(document, dict):
        raise TraceError(f"{folder}: {PROVENANCE} is damaged: it is no JSON object")
    if document.get("schema") not in READABLE_VERSIONS:
        raise TraceError(f"{folder}: {unreadable_version(document.get('schema'))}")
    return document


def _unreadable(folder: Path, name: str) -> TraceError:
    return TraceError(f"{folder}: is not a run directory: it has no readable {name}")
