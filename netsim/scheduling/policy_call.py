"""Policy call: run a policy, and validate its allocation before anything is sent."""

import math
from dataclasses import replace
from pathlib import Path
from traceback import extract_tb
from typing import Final

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.record import RoundRecord
from netsim.scheduling.round_state import RoundState

_ROUNDING: Final = 1e-9
"""Relative excess of the sum of bandwidths over the band that counts as rounding."""


class AllocationError(ValueError):
    """Invalid allocation of a policy, or an exception in it.

    The text names the policy, the round and the rule.
    """


def call_policy(policy: Policy, state: RoundState, name: str) -> Allocation:
    """Return the answer of a policy before validation; empty if no device is offered.

    Raises:
        AllocationError: the policy raised an exception of its own; the text gives the line.
        ArithmeticError: as the policy raised it, because numbers are too extreme.
        MemoryError: as the policy raised it, because there are too many devices.
    """
    if not len(state.device):
        return Allocation.empty()
    try:
        return policy.schedule(state)
    except (ArithmeticError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # foreign code may raise anything
        raise _own_error(error, name, state.round, method="schedule") from error


def notify_policy(policy: Policy, record: RoundRecord, name: str) -> None:
    """Call ``observe`` of a policy with the record of a round.

    Raises:
        AllocationError: the policy raised an exception of its own; the text gives the line.
        ArithmeticError: as the policy raised it.
        MemoryError: as the policy raised it.
    """
    try:
        policy.observe(record)
    except (ArithmeticError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # foreign code may raise anything
        raise _own_error(error, name, record.round, method="observe") from error


def _own_error(
    error: BaseException, name: str, round_number: int, *, method: str
) -> AllocationError:
    """Return the error of a policy's own exception: policy, round and place in one line."""
    place = extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}, line {place.lineno}"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return AllocationError(
        f"policy {name!r}, round {round_number}: {method}() raised {what} ({where})"
    )


def validated(allocation: object, state: RoundState, policy: str) -> Allocation:
    """Return the allocation of a policy, in float64, if it keeps every rule of ``Allocation``.

    ``policy`` is its name, empty for an allocation that was given to ``Simulation.step`` directly.

    Raises:
        AllocationError: it breaks a rule.
    """
    if isinstance(allocation, Allocation):
        problem = _problem(allocation, state)
        if problem is None:
            return _in_float64(allocation)
    else:
        source = "schedule() must return" if policy else "the argument must be"
        problem = f"{source} an Allocation, not {type(allocation).__name__}"
    name = f"policy {policy!r}" if policy else "step()"
    raise AllocationError(f"{name}, round {state.round}: {problem}")


def _in_float64(allocation: Allocation) -> Allocation:
    if allocation.bandwidth_hz.dtype == np.float64 and isinstance(allocation.delay_s, float):
        return allocation
    return replace(
        allocation,
        bandwidth_hz=allocation.bandwidth_hz.astype(np.float64),
        delay_s=float(allocation.delay_s),
    )


def _problem(allocation: Allocation, state: RoundState) -> str | None:
    """Return the first rule that an allocation breaks; None if it keeps all rules."""
    return (
        _device_problem(allocation, state)
        or _band_problem(allocation, state)
        or _delay_problem(allocation)
    )


def _device_problem(allocation: Allocation, state: RoundState) -> str | None:
    devices = allocation.devices
    if not _is_array(devices, "iu", (np.size(devices),)):
        return "devices must be a one-dimensional array of integers"
    unknown = _unknown(devices, state.device)
    if unknown.size:
        return f"device {unknown[0]} is not among those offered"
    ranked = np.sort(devices)
    duplicates = ranked[1:][ranked[1:] == ranked[:-1]]
    return f"device {duplicates[0]} is scheduled twice" if duplicates.size else None


def _unknown(devices: Int[ndarray, " N"], offered: Int[ndarray, " n"]) -> Int[ndarray, " m"]:
    """Return the devices that are not offered."""
    if len(offered):
        place = np.searchsorted(offered, devices)
        place[place == len(offered)] = 0
        if (offered[place] == devices).all():
            return devices[:0]
    # The search needs offered devices in ascending order, which a state built by hand may lack.
    return devices[~np.isin(devices, offered)]


def _band_problem(allocation: Allocation, state: RoundState) -> str | None:
    devices = allocation.devices
    band_hz = allocation.bandwidth_hz
    if not _is_array(band_hz, "f", devices.shape):
        return f"bandwidth_hz must be an array of {len(devices)} floats, one per device"
    wrong = ~((band_hz > 0) & np.isfinite(band_hz))
    if wrong.any():
        return (
            f"bandwidth {band_hz[wrong][0]} Hz of device {devices[wrong][0]} "
            "is not positive and finite"
        )
    if state.blocks is not None and not state.blocks.is_whole(band_hz).all():
        broken = ~state.blocks.is_whole(band_hz)
        return (
            f"bandwidth {band_hz[broken][0]:.9g} Hz of device {devices[broken][0]} "
            f"is not a whole number of resource blocks of {state.blocks.block_hz:g} Hz"
        )
    total_hz = float(band_hz.sum(dtype=np.float64))
    # Shares of single precision are rounded by more.
    rounding = max(_ROUNDING, float(np.finfo(np.float32).eps) if band_hz.itemsize < 8 else 0.0)
    if total_hz > state.bandwidth_hz * (1.0 + rounding):
        return (
            f"bandwidths sum to {total_hz:.9g} Hz, more than the band of "
            f"{state.bandwidth_hz:.9g} Hz"
        )
    return None


def _delay_problem(allocation: Allocation) -> str | None:
    delay_s: object = allocation.delay_s
    if isinstance(delay_s, int | float | np.integer | np.floating) and 0 <= delay_s < math.inf:
        return None
    return f"delay_s = {delay_s!r} is not a finite number of seconds from 0 on"


def _is_array(value: object, kinds: str, shape: tuple[int, ...]) -> bool:
    """Return whether a value is an array of a shape, with a dtype of one of the kinds."""
    return isinstance(value, np.ndarray) and value.dtype.kind in kinds and value.shape == shape
