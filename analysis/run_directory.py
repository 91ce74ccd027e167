"""Run directories as pandas tables."""

import json
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA_VERSION: Final = "1"
"""The schema of run directories that this version reads."""


class TraceError(ValueError):
    """A directory is no run directory, or one that cannot be read; the text is one line."""


@final
class Run:
    """One run directory; each table is read when it is first asked for.

    Columns, units and meanings are in the Parquet field metadata and in ``docs/trace.md``. What is null in the
    files is NaN here.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.scenario: dict[str, Any] = self._scenario()
        """The resolved scenario, as nested tables."""
        self.provenance: dict[str, Any] = self._provenance()
        """Versions, seed, commit, machine and times of the run."""

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """One row a round."""
        return self._table("rounds")

    @cached_property
    def devices(self) -> pd.DataFrame:
        """One row a round and device."""
        return self._table("devices")

    @cached_property
    def transfers(self) -> pd.DataFrame:
        """One row a transfer."""
        return self._table("transfers")

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row an evaluation; round 0 is before training."""
        return self._table("evaluations")

    @property
    def queue(self) -> pd.DataFrame:
        """The virtual queue: round, end_s, and the queue before and after each round in seconds."""
        return self.rounds[["round", "end_s", "virtual_queue_before_s", "virtual_queue_s"]]

    def _scenario(self) -> dict[str, Any]:
        try:
            return tomllib.loads((self.path / "scenario.toml").read_text(encoding="utf-8"))
        except OSError:
            raise TraceError(
                f"{self.path}: is not a run directory: it has no readable scenario.toml"
            ) from None
        except tomllib.TOMLDecodeError as error:
            raise TraceError(f"{self.path}: scenario.toml is damaged: {error}") from None

    def _provenance(self) -> dict[str, Any]:
        try:
            document: dict[str, Any] = json.loads((self.path / "provenance.json").read_text(encoding="utf-8"))
        except OSError:
            raise TraceError(
                f"{self.path}: is not a run directory: it has no readable provenance.json"
            ) from None
        except ValueError as error:
            raise TraceError(f"{self.path}: provenance.json is damaged: {error}") from None
        if document.get("schema") != SCHEMA_VERSION:
            raise TraceError(
                f"{self.path}: has schema {document.get('schema')}, this version reads {SCHEMA_VERSION}; "
                "read it with the version in its provenance.json"
            )
        return document

    def _table(self, name: str) -> pd.DataFrame:
        parts = sorted((self.path / name).glob("part-*.parquet"))
        if not parts:
            return pd.DataFrame()
        return pa.concat_tables([pq.read_table(part) for part in parts]).to_pandas()


def load(path: str | Path) -> Run:
    """Return a run directory.

    Raises:
        TraceError: no run directory, a damaged one, or one of another schema version.
    """
    return Run(path)
