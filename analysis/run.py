"""One simulation run: its tables as pandas, its scenario and its provenance."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self, final

import pandas as pd
import pyarrow as pa
import tomli_w
from numpy import ndarray

from analysis.display import html_table, number
from analysis.errors import TraceError
from analysis.partitioned_table import Rounds
from analysis.schema_versions import current_scenario
from analysis.tables import MemoryTables, Tables


@final
class Run:
    """One run, of a run directory or in memory; each table is read on first access.

    Columns, units and meanings are in the Parquet field metadata and in ``docs/trace.md``. A null
    of the files is NaN here. A table that the run does not have is empty.
    """

    def __init__(
        self,
        tables: Tables,
        scenario: Mapping[str, Any],
        provenance: Mapping[str, Any],
        *,
        path: Path | None = None,
        columns: Mapping[str, Sequence[str]] | None = None,
        rounds: Rounds | None = None,
    ) -> None:
        self.scenario: dict[str, Any] = current_scenario(scenario)
        """The resolved scenario, as nested tables."""
        self.provenance: dict[str, Any] = dict(provenance)
        """Versions, seed, commit, machine and times of the run."""
        self._tables = tables
        self._path = path
        self._columns = dict(columns or {})
        self._rounds = rounds

    @classmethod
    def from_tables(
        cls,
        tables: Mapping[str, pa.Table],
        scenario: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> Self:
        """Return a run whose tables are in memory, by the names that a run directory gives them."""
        return cls(MemoryTables(tables), scenario, provenance)

    @property
    def path(self) -> Path:
        """The run directory.

        Raises:
            TraceError: the run is in memory.
        """
        if self._path is None:
            raise TraceError(
                "the run is in memory and has no directory; give the simulation one with out"
            )
        return self._path

    @property
    def name(self) -> str:
        """The run directory as text, or "run in memory"."""
        return "run in memory" if self._path is None else str(self._path)

    @property
    def short_name(self) -> str:
        """The last part of the run directory's path, or "run in memory"."""
        return self.name if self._path is None else self._path.name

    @property
    def scenario_text(self) -> str:
        """The resolved scenario as TOML."""
        return tomli_w.dumps(self.scenario)

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """One row per round."""
        return self.table("rounds")

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """One row per decision of the policy."""
        return self.table("decisions")

    @cached_property
    def devices(self) -> pd.DataFrame:
        """One row per round and device."""
        return self.table("devices")

    @cached_property
    def transfers(self) -> pd.DataFrame:
        """One row per transfer."""
        return self.table("transfers")

    @cached_property
    def shares(self) -> pd.DataFrame:
        """One row per device and class: the training samples that the device holds."""
        return self.table("shares")

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row per evaluation; round 0 is before training."""
        return self.table("evaluations")

    @property
    def queue(self) -> pd.DataFrame:
        """The virtual queue: round, end_s, and the queue before and after each round in seconds."""
        return self.table("rounds", ["round", "end_s", "virtual_queue_before_s", "virtual_queue_s"])

    def table(
        self, name: str, columns: Sequence[str] | None = None, rounds: Rounds | None = None
    ) -> pd.DataFrame:
        """Return some columns and rounds of a table; by default the selection given to ``load``.

        Raises:
            TraceError: a damaged file, one of an unreadable schema version, or no such column.
        """
        chosen = columns if columns is not None else self._columns.get(name)
        rows = self._tables.read(name, chosen, rounds or self._rounds)
        # Notes of pandas on index and types, in a table that others have written, may be wrong.
        frame: pd.DataFrame = rows.replace_schema_metadata(None).to_pandas()
        return frame

    def arrays(self, name: str, *columns: str) -> dict[str, ndarray]:
        """Return columns of a table as arrays, null as NaN; faster than ``table``.

        Raises:
            TraceError: as ``table``.
        """
        read = self._tables.read(name, columns, self._rounds)
        return {column: read[column].to_numpy() for column in columns}

    @property
    def learned(self) -> bool:
        """Whether the run has evaluations; without a learner their table has no rows."""
        return bool(self.arrays("evaluations", "round")["round"].size)

    @property
    def device_count(self) -> int:
        """Number of devices K."""
        return int(self.scenario["devices"]["count"])

    def outcome(self) -> dict[str, float | None]:
        """Return rounds, simulated seconds, joules and last accuracy; None where there is none."""
        rounds = self.arrays("rounds", "end_s", "energy_j")
        accuracy = self.arrays("evaluations", "accuracy")["accuracy"]
        count = len(rounds["end_s"])
        return {
            "rounds": count,
            "simulated_s": float(rounds["end_s"][-1]) if count else None,
            "energy_j": float(rounds["energy_j"].sum()) if count else None,
            "accuracy": float(accuracy[-1]) if len(accuracy) else None,
        }

    def _repr_html_(self) -> str:
        numbers = self.outcome()
        facts = {
            "state": self.provenance.get("state", "in memory"),
            "policy": self.scenario["scheduler"]["kind"],
            "seed": self.scenario["seed"],
            "devices": f"{self.device_count:,}",
            "rounds": f"{numbers['rounds']:,} of {self.scenario['rounds']:,}",
            "simulated time": number(numbers["simulated_s"], "{:,.1f} s"),
            "energy": number(numbers["energy_j"], "{:.4g} J"),
            "test accuracy": number(numbers["accuracy"], "{:.1%}"),
        }
        return html_table([row for row in facts.items() if row[1]], caption=self.name)
