"""Layout of a run directory: every file name, spelled once."""

import os
import re
from pathlib import Path
from typing import Final

from coupling.files.paths import refuse_link

SCENARIO: Final = "scenario.toml"
"""Resolved scenario; a directory that has it is one that ``resume`` takes."""
PROVENANCE: Final = "provenance.json"
"""Versions, seed, commit, machine, times, and the progress of the run."""
LOCK: Final = ".lock"
"""File whose lock the process holds that works on the run."""
CHECKPOINT: Final = "checkpoint"
"""Folder of the latest saved state."""
CHECKPOINT_NEW: Final = "checkpoint.new"
CHECKPOINT_OLD: Final = "checkpoint.old"
STATE: Final = "state.json"
"""Numbers of a checkpoint, within its folder."""
DEVICE_ARRAYS: Final = "devices.safetensors"
"""Arrays of a checkpoint, within its folder."""
POLICY_ARRAYS: Final = "policy.safetensors"
"""Arrays of the policy's memory, within the folder of a checkpoint."""
LEARNER: Final = "learner"
"""Folder of the learner's state, within that of a checkpoint."""
ADAPTER: Final = "adapter"
"""Folder of the trained adapter and heads of a finished run."""
ADAPTER_NEW: Final = "adapter.new"
START_FILES: Final = frozenset(
    {LOCK, SCENARIO, PROVENANCE, f"{SCENARIO}.partial", f"{PROVENANCE}.partial"}
)
"""Files that a run writes before its tables; without tables and checkpoint, nothing is lost."""
WORLD: Final = "world"
"""Folder into which ``airtune record`` exports the world of the run."""
TENSORBOARD: Final = "tensorboard"
"""Folder of the TensorBoard scalars."""
SCALARS: Final = "scalars.csv"
"""File of the scalars of each round, as ``--track csv`` writes it."""
MANIFESTS: Final = "manifests"
"""Folder of the manifests of a remote run directory."""
SWEEP_TABLE: Final = "sweep.parquet"
"""Table of a sweep, in the directory of the sweep."""
PART: Final = re.compile(r"part-[0-9]{6}\.parquet")
"""Names of the parts of a table, within the folder that is named after the table."""


def part_name(number: int) -> str:
    """Return the file name of a part of a table; parts count from 0."""
    return f"part-{number:06d}.parquet"


def part_paths(run: Path, table: str) -> list[Path]:
    """Return the complete parts of a table in the order of their numbers; copies do not count."""
    return sorted(path for path in (run / table).glob("part-*") if PART.fullmatch(path.name))


def refuse_links_in_run(path: Path) -> None:
    """Refuse to write a file through a link that lies in a run directory.

    Links elsewhere are those of the user, who names the file.

    Raises:
        RunError: the text names the link.
    """
    whole = Path.cwd() / path
    runs = [folder for folder in whole.parents if os.path.lexists(folder / PROVENANCE)]
    for place in (whole, *whole.parents) if runs else ():
        if place == runs[-1]:
            return
        refuse_link(place)
