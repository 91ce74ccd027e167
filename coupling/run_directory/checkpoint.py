"""The state of a run between two rounds, kept so that it can go on as if it had never stopped."""

import json
import os
import shutil
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from coupling.run_directory import atomic
from coupling.run_directory.schema import SCHEMA_VERSION, TABLES
from coupling.scenario.errors import RunError
from coupling.simulation.learning import TimedLearner

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
    times_arrived: Int[ndarray, " K"]
    """Rounds in which the device's last uplink leg was delivered."""
    last_round: Int[ndarray, " K"]
    rate_sum_bps: Float[ndarray, " K"]
    energy_sum_j: Float[ndarray, " K"]
    past_gain: Float[ndarray, "rounds K"]
    """Gains of the last rounds, oldest first, as far back as the server's knowledge is old; empty
    otherwise.
    """
    battery_j: Float[ndarray, " K"]
    """Charge of each device's battery; empty where they have none."""
    accuracy: float | None = None
    """Latest test accuracy, for the progress display."""
    parts: dict[str, int] = field(default_factory=dict)
    """Complete parts of each table."""

    @staticmethod
    def initial(
        count: int, virtual_queue_s: float, battery_j: Float[ndarray, " K"] | None = None
    ) -> "RunState":
        """Return the state before the first round; without ``battery_j`` the devices have no
        batteries.
        """
        charge_j = np.empty(0) if battery_j is None else battery_j
        times, arrived, last = np.zeros((3, count), int)
        rate, energy = np.zeros((2, count))
        past_gain = np.empty((0, count))
        return RunState(
            0, 0.0, virtual_queue_s, times, arrived, last, rate, energy, past_gain, charge_j
        )


def save(folder: Path, state: RunState, learning: TimedLearner, digest: str) -> None:
    """Write the checkpoint of a run directory, complete or not at all.

    The new checkpoint is written beside the present one and takes its place by two renames.
    Whenever the machine stops, ``checkpoint`` is there and complete; or, between the renames, it is
    absent and both ``checkpoint.old`` and ``checkpoint.new`` are complete. ``load`` makes up for
    the rename that is missing, so nothing that could still be needed is ever removed here.
    """
    new, old, current = _places(folder)
    shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    new.mkdir()
    arrays = {name: value for name, value in vars(state).items() if isinstance(value, ndarray)}
    (new / _ARRAYS).write_bytes(safetensors.save(arrays))
    learning.save(new / _LEARNER)
    plain = {name: value for name, value in vars(state).items() if name not in arrays}
    document = {"schema": SCHEMA_VERSION, "scenario_sha256": digest, **plain}
    (new / _STATE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for path in (*new.rglob("*"), new):
        atomic.fsync(path)
    if current.exists():
        os.replace(current, old)
    os.replace(new, current)
    atomic.fsync(folder)
    shutil.rmtree(old, ignore_errors=True)


def load(folder: Path, digest: str, initial: RunState) -> tuple[RunState, Path] | None:
    """Return the checkpoint of a run directory and the path of the learner's part in it; None if it
    has none.

    ``initial`` is the state before the first round, which has the same shape.

    Raises:
        RunError: it is damaged, or belongs to another scenario or schema version.
    """
    new, old, current = _places(folder)
    if not current.exists() and old.exists():
        os.replace(new if new.exists() else old, current)
    if not current.exists():
        return None
    return _read(current, digest, initial), current / _LEARNER


def _read(place: Path, digest: str, initial: RunState) -> RunState:
    try:
        document = json.loads((place / _STATE).read_text(encoding="utf-8"))
        arrays = safetensors.load((place / _ARRAYS).read_bytes())
    except (OSError, ValueError, SafetensorError) as error:
        raise _damaged(place, str(error)) from None
    if not isinstance(document, dict):
        raise _damaged(place, f"{_STATE} is no table")
    if document.pop("schema", None) != SCHEMA_VERSION:
        raise RunError(
            f"{place}: was written with another schema version; this one is {SCHEMA_VERSION}"
        )
    if document.pop("scenario_sha256", None) != digest:
        raise RunError(f"{place}: belongs to another scenario than the scenario.toml beside it")
    values = document | arrays
    expected = {entry.name for entry in fields(RunState)}
    if set(values) != expected:
        raise _damaged(place, f"{', '.join(sorted(expected ^ set(values)))} missing or unknown")
    for entry in fields(RunState):
        if not _alike(values[entry.name], getattr(initial, entry.name)):
            raise _damaged(place, f"{entry.name} is not what it should be")
    return RunState(**values)


def _alike(value: Any, example: Any) -> bool:
    """Return whether a value that was read can stand where the example stands."""
    match example:
        case ndarray():
            return isinstance(value, ndarray) and _per_device(value) == _per_device(example)
        case dict():
            return (
                isinstance(value, dict)
                and set(value) == set(TABLES)
                and all(map(_is_count, value.values()))
            )
        case int():
            return _is_count(value)
        case None:
            return value is None or isinstance(value, float)
        case _:
            return isinstance(value, float)


def _per_device(values: ndarray) -> tuple[int, int, np.dtype[Any]]:
    """Return what an array must have in common with its example: axes, devices, type; rounds may be
    any number.
    """
    return values.ndim, values.shape[-1], values.dtype


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _damaged(place: Path, why: str) -> RunError:
    return RunError(f"{place}: is damaged: {why}; remove it, and the run begins again")


def _places(folder: Path) -> tuple[Path, Path, Path]:
    return folder / f"{_NAME}.new", folder / f"{_NAME}.old", folder / _NAME
