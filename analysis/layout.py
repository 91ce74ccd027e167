"""File names of a run directory."""

import re
from pathlib import Path
from typing import Final

SCENARIO: Final = "scenario.toml"
PROVENANCE: Final = "provenance.json"
_PART: Final = re.compile(r"part-[0-9]{6}\.parquet")


def part_name(number: int) -> str:
    """Return the file name of a part of a table."""
    return f"part-{number:06d}.parquet"


def part_paths(run: Path, table: str) -> list[Path]:
    """Return the complete parts of a table in the order of their numbers; copies do not count."""
    return sorted(path for path in (run / table).glob("part-*") if _PART.fullmatch(path.name))
