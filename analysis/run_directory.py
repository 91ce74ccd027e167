"""Run directories: load one as a run, and find those below a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.errors import TraceError
from analysis.layout import PROVENANCE, SCENARIO
from analysis.partitioned_table import Rounds
from analysis.run import Run
from analysis.schema_versions import READABLE_VERSIONS, unreadable_version
from analysis.stored.bounds import read_provenance, read_scenario
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
    limits = {"round": scenario["rounds"], "device": scenario["devices"]["count"] - 1}
    tables = DirectoryTables(folder, provenance, limits)
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
        return read_scenario(folder / SCENARIO)
    except OSError:
        raise _unreadable(folder, SCENARIO) from None


def _provenance(folder: Path) -> dict[str, Any]:
    try:
        document = read_provenance(folder / PROVENANCE)
    except OSError:
        raise _unreadable(folder, PROVENANCE) from None
    if document.get("schema") not in READABLE_VERSIONS:
        raise TraceError(f"{folder}: {unreadable_version(document.get('schema'))}")
    return document


def _unreadable(folder: Path, name: str) -> TraceError:
    return TraceError(f"{folder}: is not a run directory: it has no readable {name}")
