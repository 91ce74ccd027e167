"""The state of a run between two rounds, kept so that it can go on as if it had never stopped."""

import json
import os
import shutil
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from coupling.learning import Learning
from coupling.problems import RunError
from coupling.tables import SCHEMA_VERSION

_NAME: Final = "checkpoint"
_STATE: Final = "state.json"
_ARRAYS: Final = "devices.safetensors"
_LEARNER: Final = "learner"


@final
@dataclass
class RunState:
    """Everything that the next round depends on, but for the scenario and the learner's weights.

    The world needs nothing here: it is a function of seed, time and round.
    """

    round: int
    """Last completed round; 0 before the first."""
    time_s: float
    """Simulated time, in seconds."""
    virtual_queue_s: float
    """Virtual queue after that round, in seconds."""
    times_scheduled: Int[ndarray, " K"]
    last_round: Int[ndarray, " K"]
    rate_sum_bps: Float[ndarray, " K"]
    energy_sum_j: Float[ndarray, " K"]
    past_gain: Float[ndarray, "rounds K"]
    """Gains of the last rounds, oldest first, as far back as the server's knowledge is old; empty otherwise."""
    accuracy: float | None = None
    """Latest test accuracy, for the progress display."""
    parts: dict[str, int] = field(default_factory=dict)
    """Complete parts of each table."""

    @staticmethod
    def initial(count: int, virtual_queue_s: float) -> "RunState":
        """Return the state before the first round."""
        zeros = np.zeros((4, count))
        times, last = zeros[:2].astype(int)
        return RunState(0, 0.0, virtual_queue_s, times, last, zeros[2], zeros[3], np.empty((0, count)))


def save(folder: Path, state: RunState, learning: Learning, digest: str) -> None:
    """Write the checkpoint of a run directory, complete or not at all.

    The new checkpoint is written beside the old one and takes its place; whenever the machine stops, one of the
    two is there and complete.
    """
    new, old, current = _places(folder)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    arrays = {name: value for name, value in vars(state).items() if isinstance(value, ndarray)}
    save_file(arrays, new / _ARRAYS)
    learning.save(new / _LEARNER)
    plain = {name: value for name, value in vars(state).items() if name not in arrays}
    document = {"schema": SCHEMA_VERSION, "scenario_sha256": digest, **plain}
    # Last: a checkpoint without this file is not one.
    (new / _STATE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    _to_disk(new)
    shutil.rmtree(old, ignore_errors=True)
    if current.exists():
        os.replace(current, old)
    os.replace(new, current)
    shutil.rmtree(old, ignore_errors=True)


def load(folder: Path, digest: str) -> tuple[RunState, Path]:
    """Return the newest complete checkpoint of a run directory, and the path of the learner's part in it.

    Raises:
        RunError: none is there, it is damaged, or it belongs to another scenario or schema version.
    """
    new, old, current = _places(folder)
    for place in (current, new, old):
        if (place / _STATE).is_file():
            return _read(place, digest), place / _LEARNER
    raise RunError(f"{folder}: has no checkpoint to resume from; run the scenario again into a new directory")


def _read(place: Path, digest: str) -> RunState:
    try:
        document = json.loads((place / _STATE).read_text(encoding="utf-8"))
        arrays = load_file(place / _ARRAYS)
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(f"{place}: is damaged: {error}") from None
    if document.pop("schema", None) != SCHEMA_VERSION:
        raise RunError(f"{place}: was written with another schema version; this one is {SCHEMA_VERSION}")
    if document.pop("scenario_sha256", None) != digest:
        raise RunError(f"{place}: belongs to another scenario than the scenario.toml beside it")
    values = document | arrays
    expected = {entry.name for entry in fields(RunState)}
    if set(values) != expected:
        raise RunError(
            f"{place}: is damaged: it lacks {', '.join(sorted(expected - set(values))) or 'nothing'}"
        )
    return RunState(**values)


def _places(folder: Path) -> tuple[Path, Path, Path]:
    return folder / f"{_NAME}.new", folder / f"{_NAME}.old", folder / _NAME


def _to_disk(folder: Path) -> None:
    """Make sure that the files have left the cache before the checkpoint takes its place."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
