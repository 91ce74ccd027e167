"""File names of a run directory."""

from pathlib import Path
from typing import Final

SCENARIO: Final = "scenario.toml"
PROVENANCE: Final = "provenance.json"


def part_name(number: int) -> str:
    """Return the file name of a part of a table."""
    return f"part-{number:06d}.parquet"


def part_paths(run: Path, table: str) -> list[Path]:
    """Return the complete parts of a table in the order of their numbers."""
    return sorted((run / table).glob("part-*.parquet"))
