"""Heavy tails of the round delay: scenarios in which its mean or its variance does not exist.

The last device of a round with a small gain g needs a time of about ``c / g``, over any bandwidth
(the capacity floor ``bits N0 ln 2 / (P g)``). If the distribution function of the gain begins as
``g**a`` at zero, the delay exceeds d with a probability of about ``d**-a``. The exponent a is the
tail index: no mean if it is 1 or less, no variance if it is 2 or less. Path loss and shadowing have
inverse moments of every order, so the fading law alone gives a (Breiman 1965).
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy import ndarray

_BLIND: Final = {"all_in", "random", "round_robin", "proportional_fair"}
"""Policies that schedule devices of any gain; a proportional-fair device that has never sent comes
first, however weak it is.
"""
_DECLINING: Final = {"greedy", "aaba"}
"""Policies that schedule only devices that meet the budget."""
_FASTEST: Final = {"latency_first", "oracle_static"}
"""Policies that schedule the ``count`` fastest devices, of whatever gains."""
_QUEUE: Final = {"algorithm1", "exact", "knapsack_energy"}
"""Policies that weigh delay by the virtual queue: an empty queue takes every device, if the drift
has no squared delay.
"""

_TAIL_SHARE: Final = 0.05
_MINIMUM_TAIL: Final = 20


def mean_exists(scenario: Mapping[str, Any], *, always_all: bool = False) -> bool:
    """Return whether the mean delay exists in a resolved scenario (``Run.scenario``).

    ``always_all`` says that every round of the run scheduled every device; it decides for policies
    that this module does not know. A policy that weighs delay by its virtual queue has a mean over
    the rounds, since the queue bounds it.
    """
    return missing_mean(scenario, always_all=always_all) is None


def variance_exists(scenario: Mapping[str, Any], *, always_all: bool = False) -> bool:
    """Return whether the variance of the delay exists in a resolved scenario (``Run.scenario``).

    Without a variance, a mean has no Student interval.
    """
    return missing_variance(scenario, always_all=always_all) is None


def missing_mean(scenario: Mapping[str, Any], *, always_all: bool = False) -> str | None:
    """Return the reason why the mean delay does not exist; None if it exists."""
    index = tail_index(scenario, always_all=always_all)
    if index > 1 or _queue_bounds_the_mean(scenario):
        return None
    return f"the delay has no finite mean: {_cause(scenario, index)}"


def missing_variance(scenario: Mapping[str, Any], *, always_all: bool = False) -> str | None:
    """Return the reason why the variance of the delay does not exist; None if it exists."""
    index = tail_index(scenario, always_all=always_all)
    if index > 2:
        return None
    return f"the delay has no finite variance: {_cause(scenario, index)}"


def queue_takes_all(scenario: Mapping[str, Any]) -> bool:
    """Return whether an empty virtual queue makes the policy take every device, however weak.

    Then one round may silence the devices for much of a run: for as many rounds as its delay has
    budgets. That needs a fading that holds for the whole transfer, of whatever law: a variance of
    the delay does not help. Recorded gains have no law that is known here.
    """
    scheduler = _table(scenario, "scheduler")
    follows = scheduler.get("kind") in _QUEUE and scheduler.get("drift", "paper") == "paper"
    fades = _table(scenario, "channel", "fading").get("kind") not in (None, "none")
    return follows and fades and _gain_holds(scenario)


def tail_index(scenario: Mapping[str, Any], *, always_all: bool = False) -> float:
    """Return the tail index of the round delay: it exceeds d with a probability of ``d**-index``.

    Infinite if the tail falls faster than any power, or if the law of the gain or the policy is
    not known here (plug-ins, recorded gains).
    """
    if not _gain_holds(scenario) or _transfer_is_cut(scenario):
        return math.inf
    devices = _weak_devices(scenario, always_all=always_all)
    order = gain_order(scenario)
    return math.inf if math.inf in (order, devices) else order * devices


def hill(values: ndarray, share: float = _TAIL_SHARE) -> float | None:
    """Return Hill's estimate (1975) of the tail index of the positive values.

    The tail is their largest ``share``. A distribution with an index below 2 has no variance, below
    1 no mean. The estimate is None if the tail has fewer than 20 values, or only equal ones.
    """
    positive = np.sort(values[values > 0])
    tail = max(int(len(positive) * share), 0)
    if tail < _MINIMUM_TAIL or tail >= len(positive):
        return None
    excess = np.log(positive[-tail:] / positive[-tail - 1]).mean()
    return float(1 / excess) if excess > 0 else None


def gain_order(scenario: Mapping[str, Any]) -> float:
    """Return the order a of the gain at zero: its distribution function begins as ``g**a``.

    1 for Rayleigh and Rician fading, whose density at zero is positive, and m for Nakagami.
    Infinite if the gain has no such law: constant, recorded, or of a plug-in.
    """
    fading = _table(scenario, "channel", "fading")
    orders = {"rayleigh": 1.0, "rician": 1.0, "nakagami": float(fading.get("m", math.inf))}
    return orders.get(str(fading.get("kind")), math.inf)


def _weak_devices(scenario: Mapping[str, Any], *, always_all: bool) -> float:
    """Return the number of devices that must be weak together for a long round.

    Infinite if the policy declines weak devices.
    """
    scheduler = _table(scenario, "scheduler")
    policy = scheduler.get("kind")
    # The policy decides on other gains than those of the transfers.
    if _csi_is_outdated(scenario):
        return 1
    if policy in _BLIND or (policy in _QUEUE and scheduler.get("drift", "paper") == "paper"):
        return 1
    if policy in _FASTEST and scheduler.get("count") is not None:
        # Centralised training ends with the last device that has data left.
        if _table(scenario, "protocol").get("kind") == "centralised":
            return 1
        # With any device away, the fastest devices may be all that are left.
        if _some_are_away(scenario):
            return 1
        count = int(_table(scenario, "devices").get("count", 1))
        return max(1, count - int(scheduler["count"]) + 1)
    known = policy in _DECLINING | _QUEUE | _FASTEST
    return 1 if always_all and not known else math.inf


def _queue_bounds_the_mean(scenario: Mapping[str, Any]) -> bool:
    policy = _table(scenario, "scheduler").get("kind")
    return policy in _QUEUE and not _csi_is_outdated(scenario)


def _gain_holds(scenario: Mapping[str, Any]) -> bool:
    """Return whether the gain of a transfer stays as it is until the transfer ends."""
    rounds = _table(scenario, "channel").get("coherence", "round") == "round"
    return rounds or _gain_is_fixed(scenario)


def _gain_is_fixed(scenario: Mapping[str, Any]) -> bool:
    """Return whether the gain of a device never changes: a fixed position in a fixed field."""
    correlation = _table(scenario, "channel", "fading").get("correlation")
    static = _table(scenario, "devices", "mobility").get("kind", "static") == "static"
    return static and correlation is not None and not correlation.get("scatterer_speed_mps")


def _csi_is_outdated(scenario: Mapping[str, Any]) -> bool:
    delayed = _table(scenario, "scheduler", "csi").get("kind") == "delayed"
    return delayed and not _gain_is_fixed(scenario)


def _some_are_away(scenario: Mapping[str, Any]) -> bool:
    devices = _table(scenario, "devices")
    model = _table(scenario, "devices", "availability").get("kind", "always")
    return model != "always" or devices.get("battery") is not None


def _battery_ends_transfers(scenario: Mapping[str, Any]) -> bool:
    """Return whether an empty battery ends each transfer that takes too long.

    Sending always drains it, and receiving at a power above 0. A download without that power comes
    first in federated averaging; in the phased protocol it follows an upload over the same gain.
    """
    if _table(scenario, "devices").get("battery") is None:
        return False
    downloads_first = (
        _table(scenario, "protocol").get("kind") == "fedavg_lora"
        and _table(scenario, "cell").get("downlink_bandwidth_hz") is not None
    )
    return not downloads_first or _table(scenario, "devices", "energy").get("receive_w", 0.0) > 0


def _transfer_is_cut(scenario: Mapping[str, Any]) -> bool:
    """Return whether something ends a transfer that takes too long."""
    protocol = _table(scenario, "protocol")
    return (
        protocol.get("deadline_s") is not None
        or protocol.get("outage") is not None
        or _battery_ends_transfers(scenario)
        or _table(scenario, "devices", "availability").get("kind") == "markov"
    )


def _cause(scenario: Mapping[str, Any], index: float) -> str:
    """Return the cause of a heavy tail in words."""
    fading = _table(scenario, "channel", "fading").get("kind")
    scheduler = _table(scenario, "scheduler")
    policy = scheduler.get("kind")
    if _csi_is_outdated(scenario):
        choice = "and the policy sees outdated gains"
    elif policy in _QUEUE:
        choice = f"and {policy} takes every device while its queue is empty (drift = 'paper')"
    else:
        choice = f"and {policy} cannot decline"
    return f"a {fading} gain holds for the whole transfer {choice} (tail index {index:g})"


def _table(scenario: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return a nested table of a scenario, empty if there is none."""
    table: Any = scenario
    for name in path:
        table = table.get(name) if isinstance(table, Mapping) else None
    return table if isinstance(table, Mapping) else {}
