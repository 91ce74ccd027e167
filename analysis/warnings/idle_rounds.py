"""Idle rounds: rounds without devices, and the reason of each."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy import ndarray

from analysis.run import Run

_TOLERATED: Final = 0.5
"""Share of idle rounds above which there is a warning."""
WITHOUT_QUEUE: Final = (
    "aaba",
    "all_in",
    "greedy",
    "latency_first",
    "oracle_static",
    "proportional_fair",
    "random",
    "round_robin",
)
"""Built-in policies that do not look at the virtual queue."""


def idle_warning(run: Run) -> str | None:
    """Return the warning about idle rounds with their reasons; None up to half of the rounds."""
    rounds = run.arrays(
        "rounds", "round", "scheduled", "delay_s", "delay_budget_s", "virtual_queue_before_s"
    )
    idle = rounds["scheduled"] == 0
    # Centralised training schedules no device once all data is on the server.
    centralised = run.scenario.get("protocol", {}).get("kind") == "centralised"
    if centralised or not len(idle) or idle.mean() <= _TOLERATED:
        return None
    reasons, counts = np.unique(idle_reasons(run), return_counts=True)
    parts = []
    for place in np.argsort(-counts, kind="stable"):
        share = f"in {counts[place] / len(idle):.1%} " if len(reasons) > 1 else ""
        parts.append(share + _text(run, str(reasons[place]), rounds))
    return f"{idle.mean():.1%} of the rounds scheduled no device: {'; '.join(parts)}"


def _text(run: Run, reason: str, rounds: Mapping[str, ndarray]) -> str:
    match reason:
        case "unavailable":
            return _unavailable(run.scenario)
        case "unheard":
            return "the gains of all available devices were 0"
        case "unrecorded":
            return (
                "the devices that were available are not recorded (trace.devices = 'all' records "
                "them)"
            )
        case "queue":
            return _queue(run, rounds)
        case _:
            return "the policy found no set of the available devices within its budget"


def idle_reasons(run: Run) -> ndarray:
    """Return the reason of each idle round, by the state that its policy was shown.

    ``unavailable``: no device was available. ``unheard``: no available device had a gain above 0.
    ``queue``: the virtual queue was above 0, and the policy looks at it. ``budget``: it was 0, or
    the policy does not look at it. ``unrecorded``: the table ``devices`` has no rows of the round,
    and its devices may have been away.
    """
    rounds = run.arrays("rounds", "round", "scheduled", "virtual_queue_before_s")
    idle = rounds["scheduled"] == 0
    numbers = rounds["round"][idle]
    rows = run.arrays("devices", "round", "available", "gain", "gain_known")
    place = np.searchsorted(numbers, rows["round"])
    ours = (place < len(numbers)) & np.isin(rows["round"], numbers)
    place = place[ours]
    gain = np.where(np.isnan(rows["gain_known"]), rows["gain"], rows["gain_known"])[ours]
    available = rows["available"][ours].astype(bool)
    recorded = np.bincount(place, minlength=len(numbers)) > 0
    present = np.bincount(place, available, minlength=len(numbers)) > 0
    heard = np.bincount(place, available & (gain > 0), minlength=len(numbers)) > 0
    looks = run.scenario["scheduler"]["kind"] not in WITHOUT_QUEUE
    queue = (rounds["virtual_queue_before_s"][idle] > 0) & looks
    steady = not _may_leave(run.scenario) and "gains" not in run.scenario.get("channel", {})
    return np.select(
        [~recorded & (not steady), recorded & ~present, recorded & ~heard, queue],
        ["unrecorded", "unavailable", "unheard", "queue"],
        "budget",
    )


def _may_leave(scenario: Mapping[str, Any]) -> bool:
    """Return whether devices can be away: by availability, or with empty batteries."""
    return _by_availability(scenario) or "battery" in scenario["devices"]


def _by_availability(scenario: Mapping[str, Any]) -> bool:
    availability: Mapping[str, Any] = scenario["devices"].get("availability", {})
    return availability.get("kind", "always") != "always"


def _unavailable(scenario: Mapping[str, Any]) -> str:
    if "battery" not in scenario["devices"]:
        return "no device was available"
    if _by_availability(scenario):
        return "no device was available, or their batteries were empty"
    return "no device was available, since their batteries were empty"


def _queue(run: Run, rounds: Mapping[str, ndarray]) -> str:
    """Return the text about the virtual queue, and the round or the key that filled it."""
    scheduler = run.scenario["scheduler"]
    start = float(scheduler.get("queue_initial_budgets", 0.0))
    budget_s = rounds["delay_budget_s"]
    ratio = np.divide(rounds["delay_s"], budget_s, out=np.zeros(len(budget_s)), where=budget_s > 0)
    longest = int(ratio.argmax())
    # The queue grows in a round whose delay is above the budget, and in no other.
    if ratio[longest] > max(1.0, start):
        filled = (
            f"the delay of round {rounds['round'][longest]:.0f} was {ratio[longest]:.0f} budgets, "
            "and the virtual queue had to drain"
        )
    else:
        filled = "the virtual queue was above 0"
        if start:
            filled += f", and began at {start:.4g} budgets"
    remedies = ["scheduler.queue_initial_budgets"]
    if scheduler.get("drift", "paper") != "full":
        remedies.insert(0, "scheduler.drift = 'full'")
    return f"{filled}; see {' and '.join(remedies)}"
