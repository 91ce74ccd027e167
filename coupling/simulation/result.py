"""Result of a run: its tables as pandas, from the run directory or from memory."""

import json
import tomllib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import override

from coupling.files.documents import require_regular
from coupling.run_directory.layout import PROVENANCE, SCENARIO, part_paths
from coupling.run_directory.schema import SCHEMA_VERSION, TABLES, schema
from coupling.scenario.errors import RunError, first_line
from coupling.scenario.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd


@final
class RunResult:
    """Tables of a run, each read when it is first asked for.

    The tables have the columns of ``docs/trace.md``, as those of ``analysis.load``. A result with a
    directory is a path, too: ``analysis.load(result)`` and ``result / "rounds"``.
    """

    def __init__(self, path: Path | None, tables: Mapping[str, pa.Table] | None = None) -> None:
        self.path = path
        """Run directory; None if the tables are in memory."""
        self._tables = tables
        self._scenario: dict[str, Any] | None = None
        self._provenance: dict[str, Any] | None = None

    @classmethod
    def in_memory(
        cls,
        scenario: Scenario,
        tables: Mapping[str, pa.Table],
        *,
        learning: bool,
        finished: bool,
    ) -> Self:
        """Return the result of a run without a directory."""
        result = cls(None, tables)
        result._scenario = scenario.tables()
        result._provenance = {
            "schema": SCHEMA_VERSION,
            "scenario": scenario.name,
            "seed": scenario.seed,
            "rounds": scenario.rounds,
            "learning": learning,
            "state": "finished" if finished else "interrupted",
        }
        return result

    def __fspath__(self) -> str:
        if self.path is None:
            raise TypeError("this run has no directory; give run() an out")
        return str(self.path)

    @override
    def __str__(self) -> str:
        return "run in memory" if self.path is None else str(self.path)

    def __truediv__(self, name: str) -> Path:
        return Path(self) / name

    @cached_property
    def rounds(self) -> "pd.DataFrame":
        """Table ``rounds``: one row per round."""
        return self.table("rounds")

    @cached_property
    def decisions(self) -> "pd.DataFrame":
        """Table ``decisions``: one row per round."""
        return self.table("decisions")

    @cached_property
    def devices(self) -> "pd.DataFrame":
        """Table ``devices``: one row per round and device."""
        return self.table("devices")

    @cached_property
    def transfers(self) -> "pd.DataFrame":
        """Table ``transfers``: one row per transfer."""
        return self.table("transfers")

    @cached_property
    def shares(self) -> "pd.DataFrame":
        """Table ``shares``: one row per device and class."""
        return self.table("shares")

    @cached_property
    def evaluations(self) -> "pd.DataFrame":
        """Table ``evaluations``: one row per evaluation; round 0 is before training."""
        return self.table("evaluations")

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """Resolved scenario, as nested tables."""
        if self._scenario is not None:
            return self._scenario
        assert self.path is not None, "a result has a path or tables"
        return tomllib.loads((self.path / SCENARIO).read_text(encoding="utf-8"))

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Versions, seed, commit, machine and times of the run."""
        if self._provenance is not None:
            return self._provenance
        assert self.path is not None, "a result has a path or tables"
        document: dict[str, Any] = json.loads((self.path / PROVENANCE).read_text(encoding="utf-8"))
        return document

    def table(self, name: str) -> "pd.DataFrame":
        """Return a table as pandas.

        Raises:
            KeyError: there is no such table.
        """
        # Notes of pandas on index and types, in a table that others have written, may be wrong.
        frame: pd.DataFrame = self.arrow(name).replace_schema_metadata(None).to_pandas()
        return frame

    def arrow(self, name: str) -> pa.Table:
        """Return a table as an Arrow table; units and meanings are in the metadata of its fields.

        Raises:
            KeyError: there is no such table.
            RunError: a part of it is damaged.
        """
        if name not in TABLES:
            raise KeyError(name)
        if self._tables is not None:
            return self._tables[name]
        assert self.path is not None, "a result has a path or tables"
        parts = []
        for part in part_paths(self.path, name):
            try:
                require_regular(part)
                with pa.OSFile(str(part)) as file:
                    rows = pq.ParquetFile(file).read()
                rows.validate(full=True)
                parts.append(rows)
            except (OSError, ValueError, pa.ArrowException) as error:
                raise RunError(
                    f"{part}: cannot be read or is damaged: {first_line(error)}"
                ) from None
        return pa.concat_tables(parts) if parts else schema(name).empty_table()
