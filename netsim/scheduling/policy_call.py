"""Nothing that a policy returns reaches the radio unless it could be sent."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import Final

import numpy as np

from netsim.scheduling.allocation import Allocation
from netsim.scheduling.base import Policy
from netsim.scheduling.record import RoundRecord
from netsim.scheduling.round_state import RoundState

_ROUNDING: Final = 1e-9


class AllocationError(ValueError):
    """A policy broke a rule of ``Allocation``, or broke down; the text names the policy, the round
    and the rule.
    """


def call_policy(policy: Policy, state: RoundState, name: str) -> Allocation:
    """Return what a policy answers, whatever it is.

    Raises: AllocationError: the policy raised an exception of its own; the text says where.
        ArithmeticError, MemoryError: as the policy raised them: numbers too extreme, devices too
        many.
    """
    if not len(state.device):
        return Allocation.empty()
    with _own_errors(name, state.round, "schedule"):
        return policy.schedule(state)


def notify_policy(policy: Policy, record: RoundRecord, name: str) -> None:
    """Call ``observe`` of a policy with the record of a round.

    Raises:
        AllocationError: the policy raised an exception of its own; the text names the place.
        ArithmeticError, MemoryError: as the policy raised them.
    """
    with _own_errors(name, record.round, "observe"):
        policy.observe(record)


@contextmanager
def _own_errors(name: str, round_number: int, method: str) -> Iterator[None]:
    """Turn an exception of a policy's own into a line that names policy, round and place."""
    try:
        yield
    except (ArithmeticError, MemoryError):
        raise
    except Exception as error:  # a policy is foreign code and may raise anything
        place = extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise AllocationError(
            f"policy {name!r}, round {round_number}: {method}() raised {what} ({where})"
        ) from error


def validated(allocation: object, state: RoundState, policy: str) -> Allocation:
    """Return what a policy returned, if it is an allocation that a radio could carry out.

    Raises:
        AllocationError: it is not.
    """
    if not isinstance(allocation, Allocation):
        problem = f"schedule() must return an Allocation, not {type(allocation).__name__}"
    elif (found := _problem(allocation, state)) is not None:
        problem = found
    else:
        return allocation
    raise AllocationError(f"policy {policy!r}, round {state.round}: {problem}")


def _problem(allocation: Allocation, state: RoundState) -> str | None:
    """Return the first rule that an allocation breaks, None if it breaks none."""
    return (
        _device_problem(allocation, state)
        or _band_problem(allocation, state)
        or _delay_problem(allocation)
    )


def _device_problem(allocation: Allocation, state: RoundState) -> str | None:
    devices = allocation.devices
    if not _is_array(devices, "iu", (np.size(devices),)):
        return "devices must be a one-dimensional array of integers"
    unknown = devices[~np.isin(devices, state.device)]
    if unknown.size:
        return f"device {unknown[0]} is not among those offered"
    ranked = np.sort(devices)
    duplicate_row = ranked[1:][ranked[1:] == ranked[:-1]]
    return f"device {duplicate_row[0]} is scheduled twice" if duplicate_row.size else None


def _band_problem(allocation: Allocation, state: RoundState) -> str | None:
    devices, band_hz = allocation.devices, allocation.bandwidth_hz
    if not _is_array(band_hz, "f", devices.shape):
        return f"bandwidth_hz must be an array of {len(devices)} floats, one a device"
    wrong = ~((band_hz > 0) & np.isfinite(band_hz))
    if wrong.any():
        return f"bandwidth {band_hz[wrong][0]} Hz of device {devices[wrong][0]} is not positive and finite"
    total_hz = float(band_hz.sum())
    if total_hz > state.bandwidth_hz * (1.0 + _ROUNDING):
        return f"bandwidths sum to {total_hz:.9g} Hz, more than the band of {state.bandwidth_hz:.9g} Hz"
    return None


def _delay_problem(allocation: Allocation) -> str | None:
    delay_s: object = allocation.delay_s
    if isinstance(delay_s, (int, float)) and 0 <= delay_s < math.inf:
        return None
    return f"delay_s = {delay_s!r} is not a finite number of seconds from 0 on"


def _is_array(value: object, kinds: str, shape: tuple[int, ...]) -> bool:
    """Return whether a value is an array with one of some kinds of dtype and a shape."""
    return isinstance(value, np.ndarray) and value.dtype.kind in kinds and value.shape == shape
