"""Run directories as pandas tables."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import pandas as pd
from numpy import ndarray

from analysis.errors import TraceError
from analysis.partitioned_table import SCHEMA_VERSION, PartitionedTable, Rounds, other_version

__all__ = ["SCHEMA_VERSION", "Run", "TraceError", "load"]


@final
class Run:
    """One run directory; each table is read when it is first asked for.

    Columns, units and meanings are in the Parquet field metadata and in ``docs/trace.md``. What is
    null in the files is NaN here. A table that the run has not is empty.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        columns: Mapping[str, Sequence[str]] | None = None,
        rounds: Rounds | None = None,
    ) -> None:
        self.path = Path(path)
        self._columns = dict(columns or {})
        self._rounds = rounds
        self.scenario: dict[str, Any] = self._scenario()
        """The resolved scenario, as nested tables."""
        self.provenance: dict[str, Any] = self._provenance()
        """Versions, seed, commit, machine and times of the run."""

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """One row a round."""
        return self.table("rounds")

    @cached_property
    def devices(self) -> pd.DataFrame:
        """One row a round and device."""
        return self.table("devices")

    @cached_property
    def transfers(self) -> pd.DataFrame:
        """One row a transfer."""
        return self.table("transfers")

    @cached_property
    def shares(self) -> pd.DataFrame:
        """One row a device and class: the training samples that it holds."""
        return self.table("shares")

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row an evaluation; round 0 is before training."""
        return self.table("evaluations")

    @property
    def queue(self) -> pd.DataFrame:
        """The virtual queue: round, end_s, and the queue before and after each round in seconds."""
        return self.table("rounds", ["round", "end_s", "virtual_queue_before_s", "virtual_queue_s"])

    def table(
        self, name: str, columns: Sequence[str] | None = None, rounds: Rounds | None = None
    ) -> pd.DataFrame:
        """Return a table, or some columns of it, or some rounds; by default the selection given to
        ``load``.

        Raises:
            TraceError: a damaged file, one of another schema version, or no such column.
        """
        chosen = columns if columns is not None else self._columns.get(name)
        frame: pd.DataFrame = self._parts(name).read(chosen, rounds or self._rounds).to_pandas()
        return frame

    def arrays(self, name: str, *columns: str) -> dict[str, ndarray]:
        """Return columns of a table as arrays, null as NaN: the fast way to a number.

        Raises:
            TraceError: as ``table``.
        """
        read = self._parts(name).read(columns, self._rounds)
        return {column: read[column].to_numpy() for column in columns}

    @property
    def learned(self) -> bool:
        """Whether the run has evaluations; without a learner their table has no rows."""
        return bool(self.arrays("evaluations", "round")["round"].size)

    @property
    def device_count(self) -> int:
        """Number of devices K."""
        return int(self.scenario["devices"]["count"])

    def _parts(self, name: str) -> PartitionedTable:
        # While a run goes on, and after it was killed, it has more parts than it had when it last
        # wrote them down.
        written = (
            None if self.provenance.get("state") == "running" else self.provenance.get("parts")
        )
        return PartitionedTable(self.path, name, None if written is None else written.get(name, 0))

    def _scenario(self) -> dict[str, Any]:
        try:
            return tomllib.loads((self.path / "scenario.toml").read_text(encoding="utf-8"))
        except OSError:
            raise TraceError(
                f"{self.path}: is not a run directory: it has no readable scenario.toml"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise TraceError(f"{self.path}: scenario.toml is damaged: {error}") from None

    def _provenance(self) -> dict[str, Any]:
        try:
            document: Any = json.loads((self.path / "provenance.json").read_text(encoding="utf-8"))
        except OSError:
            raise TraceError(
                f"{self.path}: is not a run directory: it has no readable provenance.json"
            ) from None
        except ValueError as error:
            raise TraceError(f"{self.path}: provenance.json is damaged: {error}") from None
        if not isinstance(document, dict):
            raise TraceError(f"{self.path}: provenance.json is damaged: it is no JSON object")
        if document.get("schema") != SCHEMA_VERSION:
            raise TraceError(f"{self.path}: {other_version(document.get('schema'))}")
        return document


def load(
    path: str | Path,
    *,
    columns: Mapping[str, Sequence[str]] | None = None,
    rounds: Rounds | None = None,
) -> Run:
    """Return a run directory; nothing but its scenario and provenance is read yet.

    ``columns`` names the columns of some tables, ``rounds`` the first and the last round; the
    others are not read.

    Raises:
        TraceError: no run directory, a damaged one, or one of another schema version.
    """
    return Run(path, columns=columns, rounds=rounds)
