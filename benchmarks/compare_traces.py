"""Bit-exact comparison of the traces of two commits: ``compare_traces.py BEFORE AFTER``.

BEFORE and AFTER are commits of this repository, or directories that hold a checkout. Each side runs
in a process of its own: 20 network-only rounds of every scenario file of that side, and 3 learning
rounds of the quickstart, of the phased protocol and of federated averaging. Values are equal if
their bits are, NaN equals NaN and null equals null, in every column that both sides have.
Wall-clock columns are left out. The exit status is 1 if a value differs, a table has another number
of rows, or a run fails on one side only. Between commits that sum in another order, ``--relative``
gives a tolerance for the numbers of learning runs; ``--executor eager`` and ``--precision`` choose
what must be equal to the bit even then.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

RENAMED_VALUES: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    ("transfers", "leg"): {"symbols": "payload"},
}
"""Old and new text of values that have been renamed, by table and column."""

OLD_KEYS: Final[Mapping[str, str]] = {}
"""Old name of each scenario key below that has been renamed, by its new name."""

NETWORK: Final = {"rounds": 20}
SHORTER: Final[Mapping[str, Mapping[str, object]]] = {
    "geometry/million_sensors.toml": {"devices.count": 20_000},
}
LEARNING: Final = {
    "rounds": 3,
    "learner.batch_size": 4,
    "learner.evaluate_every": 3,
    "learner.data.test_size": 20,
}
LEARNING_SCENARIOS: Final = (
    "quickstart.toml",
    "protocols/split.toml",
    "protocols/fedavg_lora.toml",
)
LEARNS: Final = "+learning"
ROOT: Final = Path(__file__).resolve().parent.parent
WRITER: Final = Path(__file__).resolve().parent / "write_traces.py"


@final
@dataclass(frozen=True)
class TraceComparison:
    """Comparison of one run: the size of what both sides have, and the first difference."""

    tables: int = 0
    columns: int = 0
    rows: int = 0
    difference: str | None = None


def planned_runs(
    root: Path, only: str, learning: bool, changes: Mapping[str, object]
) -> list[dict[str, Any]]:
    """Return the runs of a checkout whose names contain ``only``, network-only runs first.

    ``changes`` are of the learning runs.
    """
    folder = root / "scenarios"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.toml"))
    kinds = [(name, False, NETWORK | SHORTER.get(name, {})) for name in names]
    if learning:
        kinds += [
            (name, True, {**LEARNING, **changes}) for name in LEARNING_SCENARIOS if name in names
        ]
    return [
        {
            "name": f"{name.removesuffix('.toml')}{LEARNS if learns else ''}",
            "path": str(folder / name),
            "overrides": overrides,
            "learning": learns,
        }
        for name, learns, overrides in kinds
        if only in name
    ]


def write_traces(root: Path, out: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    """Write the run directories of a checkout into ``out``, in a process of its own."""
    plan = {"root": str(root), "runs": runs, "old_keys": OLD_KEYS}
    environment = os.environ | {
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    out.mkdir(parents=True)
    subprocess.run(
        [sys.executable, str(WRITER), str(out)],
        input=json.dumps(plan),
        env=environment,
        cwd=out,
        text=True,
        check=True,
    )


def compare_runs(
    before: Path, after: Path, wall_clock: Collection[str], relative: float = 0.0
) -> TraceComparison:
    """Return the comparison of the tables of two run directories, by bits or by a tolerance."""
    errors = [_error(run) for run in (before, after)]
    if any(errors):
        equal = errors[0] == errors[1]
        text = f"before: {errors[0] or 'runs'}; after: {errors[1] or 'runs'}"
        return TraceComparison(difference=None if equal else text)
    tables = [{path.parent.name for path in run.glob("*/*.parquet")} for run in (before, after)]
    columns = 0
    rows = 0
    shared = sorted(tables[0] & tables[1])
    if not shared:
        return TraceComparison(difference="no table is in both run directories")
    for table in shared:
        old = _read(before / table)
        new = _read(after / table)
        names = [name for name in old.column_names if name in new.column_names]
        names = [name for name in names if name not in wall_clock]
        columns += len(names)
        rows += len(new)
        selected = (old.select(names), new.select(names))
        difference = _first_difference(table, *selected, relative=relative)
        if difference is not None:
            return TraceComparison(len(shared), columns, rows, difference=difference)
    return TraceComparison(len(shared), columns, rows)


def _error(run: Path) -> str:
    path = run.with_suffix(".error")
    return path.read_text() if path.exists() else ""


def _read(folder: Path) -> pa.Table:
    """Return a table of a run directory, its parts in their order."""
    parts = [pq.ParquetFile(path).read() for path in sorted(folder.glob("*.parquet"))]
    return pa.concat_tables(parts)


def _first_difference(
    table: str, before: pa.Table, after: pa.Table, *, relative: float
) -> str | None:
    """Return the first difference of two tables with the same columns, None if there is none."""
    for name in before.column_names:
        types = (before[name].type, after[name].type)
        if types[0] != types[1]:
            return f"{table}.{name} has type {types[0]} before, {types[1]} after"
        old = _renamed(table, name, before[name].combine_chunks())
        new = _renamed(table, name, after[name].combine_chunks())
        row = _first_unequal(old, new, relative)
        if row is not None:
            place = f"{table}.{name}, row {row}"
            if "round" in after.column_names:
                place += f" (round {after['round'][row]})"
            return f"{place}: {old[row].as_py()!r} before, {new[row].as_py()!r} after"
    if len(before) != len(after):
        return f"{table} has {len(before)} rows before, {len(after)} after"
    return None


def _renamed(table: str, column: str, values: pa.Array) -> pa.Array:
    """Return the values of a column under their new names."""
    names = RENAMED_VALUES.get((table, column))
    if names is None:
        return values
    return pa.array([names.get(value, value) for value in values.to_pylist()], values.type)


def _first_unequal(before: pa.Array, after: pa.Array, relative: float) -> int | None:
    """Return the first row, of those that both have, in which two columns differ.

    They differ in a bit, or where the tolerance is not 0 in a larger share of the number before.
    """
    rows = min(len(before), len(after))
    old = before.slice(0, rows)
    new = after.slice(0, rows)
    nulls = [np.asarray(column.is_null()) for column in (old, new)]
    if pa.types.is_floating(old.type):
        numbers = [np.asarray(column.fill_null(0.0), np.float64) for column in (old, new)]
        same = numbers[0].view(np.int64) == numbers[1].view(np.int64)
        same |= np.isnan(numbers[0]) & np.isnan(numbers[1])
        if relative:
            same |= np.isclose(numbers[1], numbers[0], rtol=relative, atol=0.0)
    else:
        lists = [column.to_pylist() for column in (old, new)]
        same = np.array([a == b for a, b in zip(*lists, strict=True)], bool)
    unequal = np.flatnonzero(~same | (nulls[0] != nulls[1]))
    return int(unequal[0]) if unequal.size else None


def checkout(side: str, folder: Path) -> Path:
    """Return the directory of a side: itself if it is one, else the commit unpacked in ``folder``.

    Raises:
        SystemExit: neither a directory nor a commit of this repository.
    """
    if Path(side).is_dir():
        return Path(side).resolve()
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--format=tar", side], capture_output=True, check=False
    )
    if archive.returncode:
        raise SystemExit(f"{side} is neither a directory nor a commit: {archive.stderr.decode()}")
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def compare(
    sides: Sequence[str],
    only: str,
    learning: bool,
    folder: Path,
    *,
    changes: Mapping[str, object],
    relative: float,
) -> int:
    """Write the traces of two sides below ``folder``, print a line per run, return the exit status.

    ``changes`` and the tolerance are of the learning runs. A run that only one side has is printed
    and is no difference.
    """
    runs = []
    for label, side in zip(("before", "after"), sides, strict=True):
        root = checkout(side, folder / f"{label}-tree")
        planned = planned_runs(root, only, learning, changes)
        write_traces(root, folder / label, planned)
        runs.append([run["name"] for run in planned])
    wall_clock = json.loads((folder / "after" / "wall_clock.json").read_text())
    differences = 0
    for name in sorted({*runs[0], *runs[1]}):
        if name not in runs[0] or name not in runs[1]:
            print(f"{name:32} only {'before' if name in runs[0] else 'after'}")
            continue
        pair = [folder / label / name for label in ("before", "after")]
        tolerance = relative if name.endswith(LEARNS) else 0.0
        result = compare_runs(*pair, wall_clock, relative=tolerance)
        size = f"{result.tables} tables, {result.columns} columns, {result.rows} rows"
        verdict = f"DIFFERENT {result.difference}" if result.difference else f"equal in {size}"
        print(f"{name:32} {verdict}")
        differences += result.difference is not None
    if not runs[0] or not runs[1]:
        print(f"no scenario's name contains {only!r}", file=sys.stderr)
        return 2
    print(f"traces: {differences} of {len({*runs[0]} & {*runs[1]})} runs differ; 0 may")
    return int(differences > 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two commits; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("before", help="commit or directory")
    parser.add_argument("after", help="commit or directory")
    parser.add_argument("--only", default="", metavar="NAME", help="scenarios whose name has NAME")
    parser.add_argument("--no-learning", action="store_true", help="network-only runs only")
    parser.add_argument("--relative", type=float, default=0.0, metavar="R")
    parser.add_argument("--executor", choices=("batched", "eager"))
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="with sdpa")
    given = parser.parse_args(arguments)
    changes = {"learner.executor": given.executor} if given.executor else {}
    if given.precision:
        changes |= {"learner.precision": given.precision, "learner.attention": "sdpa"}
    with tempfile.TemporaryDirectory() as folder:
        sides = (given.before, given.after)
        return compare(
            sides,
            given.only,
            not given.no_learning,
            Path(folder),
            changes=changes,
            relative=given.relative,
        )


if __name__ == "__main__":
    sys.exit(main())
