"""Checkpoint: the state of a run between two rounds, saved so that the run can be resumed."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Final, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from pydantic import AllowInfNan, ConfigDict, Field
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from coupling.files import atomic, documents
from coupling.run_directory.layout import (
    CHECKPOINT,
    CHECKPOINT_NEW,
    CHECKPOINT_OLD,
    DEVICE_ARRAYS,
    LEARNER,
    POLICY_ARRAYS,
    STATE,
)
from coupling.run_directory.schema import SCHEMA_VERSION, TABLES
from coupling.scenario.errors import RunError, first_line, os_error_text, shown
from learner.base import Learner
from netsim import input_columns
from netsim.scheduling import policy_state

_POLICY: Final = "policy"
"""Key of the policy's memory in the state file: its plain values."""


@final
@dataclass
class RunState:
    """State that the next round depends on, except the scenario, the learner and the policy.

    The world needs nothing here: it is a function of seed, time and round.
    """

    round: int
    """Last completed round; 0 before the first."""
    time_s: float
    """Simulated time, in seconds."""
    air_time_s: float
    """Time on air: the sum of the delays D(t) of the rounds, in seconds."""
    virtual_queue_s: float
    """Virtual queue after that round, in seconds."""
    times_scheduled: Int[ndarray, " K"]
    """Rounds in which the device was scheduled."""
    times_arrived: Int[ndarray, " K"]
    """Rounds in which the device's last uplink leg was delivered."""
    last_round: Int[ndarray, " K"]
    """Last round in which the device was scheduled; 0 for never."""
    last_arrival: Float[ndarray, " K"]
    """Last round in which the device's last uplink leg was delivered; NaN for never."""
    last_loss: Float[ndarray, " K"]
    """Training loss of the device when it last trained, in nat; NaN for never."""
    last_gradient_norm: Float[ndarray, " K"]
    """Norm of the device's update when it last trained; NaN for never."""
    rate_sum_bps: Float[ndarray, " K"]
    """Sum over rounds of the device's mean uplink rate, in bit/s."""
    energy_sum_j: Float[ndarray, " K"]
    """Energy that the device has spent on sending, in J."""
    past_gain: Float[ndarray, "rounds K"]
    """Gains of the last rounds, oldest first, as far back as the CSI is old; empty otherwise."""
    battery_j: Float[ndarray, " K_or_none"]
    """Charge of each device's battery, in J; empty where devices have none."""
    depleted: Bool[ndarray, " K_or_none"]
    """Whether each battery has run empty and is not recharged yet; empty where there is none."""
    parts: dict[str, int] = field(default_factory=dict)
    """Complete parts of each table."""
    accurate: bool = False
    """Whether an evaluation has reached the accuracy that ends the run."""

    @staticmethod
    def initial(
        count: int, virtual_queue_s: float, battery_j: Float[ndarray, " K_or_none"] | None = None
    ) -> "RunState":
        """Return the state before the first round.

        Without ``battery_j`` the devices have no batteries.
        """
        charge_j = np.empty(0) if battery_j is None else battery_j
        return RunState(
            round=0,
            time_s=0.0,
            air_time_s=0.0,
            virtual_queue_s=virtual_queue_s,
            times_scheduled=np.zeros(count, int),
            times_arrived=np.zeros(count, int),
            last_round=np.zeros(count, int),
            last_arrival=np.full(count, np.nan),
            last_loss=np.full(count, np.nan),
            last_gradient_norm=np.full(count, np.nan),
            rate_sum_bps=np.zeros(count),
            energy_sum_j=np.zeros(count),
            past_gain=np.empty((0, count)),
            battery_j=charge_j,
            depleted=np.zeros(len(charge_j), bool),
        )


@final
@dataclass(frozen=True)
class SavedRun:
    """Checkpoint that was read."""

    state: RunState
    policy: Mapping[str, Any]
    """Memory of the policy, as its ``state_dict`` gave it; empty if it has none."""
    learner: Path
    """Folder of the learner's state."""


def save(
    folder: Path, state: RunState, learner: Learner, policy: Mapping[str, Any], digest: str
) -> None:
    """Write the checkpoint of a run directory, complete or not at all.

    The new checkpoint is written beside the present one and takes its place by two renames.
    Whenever the machine stops, ``checkpoint`` is there and complete; or, between the renames, it is
    absent and both ``checkpoint.old`` and ``checkpoint.new`` are complete. ``load`` makes up for
    the missing rename, so nothing that could still be needed is ever removed here.

    Raises:
        RunError: the policy's memory has a value that is no plain data.
    """
    new, old, current = _places(folder)
    try:
        policy_arrays, policy_values = policy_state.pack(policy)
    except ValueError as error:
        raise RunError(f"round {state.round}: {error}") from None
    shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    new.mkdir()
    arrays = {name: value for name, value in vars(state).items() if isinstance(value, ndarray)}
    (new / DEVICE_ARRAYS).write_bytes(safetensors.save(arrays))
    (new / POLICY_ARRAYS).write_bytes(safetensors.save(policy_arrays))
    learner.save(new / LEARNER)
    plain = {name: value for name, value in vars(state).items() if name not in arrays}
    document = {
        "schema": SCHEMA_VERSION,
        "scenario_sha256": digest,
        **plain,
        _POLICY: policy_values,
    }
    (new / STATE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for path in (*new.rglob("*"), new):
        atomic.fsync(path)
    if current.exists():
        os.replace(current, old)
    os.replace(new, current)
    atomic.fsync(folder)
    shutil.rmtree(old, ignore_errors=True)


def load(folder: Path, digest: str, initial: RunState) -> SavedRun | None:
    """Return the checkpoint of a run directory; None if there is none.

    ``initial`` is the state before the first round, which has the same shape.

    Raises:
        RunError: the checkpoint is damaged, or belongs to another scenario or schema version.
    """
    new, old, current = _places(folder)
    if not current.exists() and old.exists():
        os.replace(new if new.exists() else old, current)
    if not current.exists():
        return None
    return _read(current, digest, initial)


@final
class _StateDocument(documents.Document):
    """Schema of the state file of a checkpoint."""

    model_config = ConfigDict(extra="forbid")

    schema_version: str = Field(alias="schema")
    scenario_sha256: str
    round: Annotated[int, Field(ge=0, le=documents.MAXIMUM_ROUNDS)]
    time_s: Annotated[float, Field(ge=0)]
    air_time_s: Annotated[float, Field(ge=0)]
    virtual_queue_s: float
    parts: dict[str, Annotated[int, Field(ge=0, le=documents.MAXIMUM_PARTS)]]
    accurate: bool = False
    policy: dict[str, bool | int | Annotated[float, AllowInfNan()] | str | None]


def _read(place: Path, digest: str, initial: RunState) -> SavedRun:
    try:
        document = documents.read_document(place / STATE, _StateDocument)
        arrays = _arrays(place / DEVICE_ARRAYS)
        policy_arrays = _arrays(place / POLICY_ARRAYS)
    except documents.DocumentError as error:
        raise _damaged(place, str(error)) from None
    if document.schema_version != SCHEMA_VERSION:
        raise RunError(
            f"{place}: was written with another schema version; this one is {SCHEMA_VERSION}"
        )
    if document.scenario_sha256 != digest:
        raise RunError(f"{place}: belongs to another scenario than the scenario.toml beside it")
    expected = {entry.name for entry in fields(RunState)}
    values = document.model_dump(include=expected) | arrays
    if set(values) != expected:
        wrong = shown(", ".join(sorted(expected ^ set(values))))
        raise _damaged(place, f"{wrong} missing or unknown")
    for entry in fields(RunState):
        if not _alike(values[entry.name], getattr(initial, entry.name)):
            raise _damaged(place, f"{entry.name} is not what it should be")
    try:
        policy = policy_state.unpack(policy_arrays, document.policy)
    except ValueError as error:
        raise _damaged(place, f"{_POLICY}: {shown(error)}") from None
    return SavedRun(RunState(**values), policy, place / LEARNER)


def _arrays(path: Path) -> dict[str, ndarray]:
    """Return the arrays of a file, which must be smaller than the share of memory for a table."""
    try:
        return safetensors.load(documents.read_bytes(path, input_columns.readable_bytes()))
    except OSError as error:
        raise documents.DocumentError(f"{path.name}: {os_error_text(error)}") from None
    except (ValueError, LookupError, TypeError, SafetensorError) as error:
        raise documents.DocumentError(f"{path.name}: {shown(first_line(error))}") from None


def _alike(value: Any, example: Any) -> bool:
    """Return whether a value that was read can stand where the example stands."""
    match example:
        case ndarray():
            # NaN means "never" in some arrays; those may also hold the loss of a run that diverged.
            unknown = bool(np.isnan(example).any())
            return (
                isinstance(value, ndarray)
                and _per_device(value) == _per_device(example)
                and (unknown or bool((np.isfinite(value) & (value >= 0)).all()))
            )
        case dict():
            return isinstance(value, dict) and set(value) == set(TABLES)
        case _:
            return isinstance(value, int | float)


def _per_device(values: ndarray) -> tuple[int, int, np.dtype[Any]]:
    """Return the properties that an array shares with its example: axes, devices and type.

    The number of rounds may differ.
    """
    return values.ndim, values.shape[-1], values.dtype


def _damaged(place: Path, reason: str) -> RunError:
    return RunError(f"{place}: is damaged: {reason}; remove it, and the run begins again")


def _places(folder: Path) -> tuple[Path, Path, Path]:
    return folder / CHECKPOINT_NEW, folder / CHECKPOINT_OLD, folder / CHECKPOINT
