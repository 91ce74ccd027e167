"""Arrivals of a run: updates that were lost, and devices without the charge to send one."""

from typing import Final

import numpy as np

from analysis.run import Run

_TOLERATED: Final = 0.5
"""Share of the scheduled devices that have to arrive, or else there is a warning."""
LOW_CHARGE: Final = 0.01
"""Share of a battery's capacity that is next to no charge."""
_STATUSES: Final = {
    "aborted": "the device left or its battery ran empty",
    "late": "the deadline passed",
    "lost": "the channel was in outage",
}


def loss_warning(run: Run) -> str | None:
    """Return the warning that less than half of the scheduled devices arrived; None if more did."""
    rounds = run.arrays("rounds", "scheduled", "arrived")
    scheduled, arrived = (int(rounds[name].sum()) for name in ("scheduled", "arrived"))
    if not scheduled or arrived >= _TOLERATED * scheduled:
        return None
    line = (
        f"{arrived / scheduled:.1%} of the scheduled devices arrived ({arrived:,} of "
        f"{scheduled:,}); the updates of the others are lost"
    )
    statuses = run.arrays("transfers", "status")["status"]
    counts = {status: int((statuses == status).sum()) for status in _STATUSES}
    failed = sum(counts.values())
    if not failed:
        return line
    cause = max(counts, key=counts.__getitem__)
    return f"{line}: of {failed:,} failed transfers {counts[cause]:,} {cause} ({_STATUSES[cause]})"


def charge_warning(run: Run) -> str | None:
    """Return the warning that devices with less than 1 % of charge were available; None if none."""
    battery = run.scenario["devices"].get("battery")
    if battery is None:
        return None
    rows = run.arrays("devices", "round", "device", "available", "battery_j")
    charge = rows["battery_j"].astype(float) / battery["capacity_j"]
    low = np.flatnonzero(rows["available"].astype(bool) & (charge < LOW_CHARGE))
    if not low.size:
        return None
    worst = low[charge[low].argmin()]
    return (
        f"device {rows['device'][worst]} was available in round {rows['round'][worst]} with "
        f"{charge[worst]:.2g} of its battery's capacity, one of {low.size:,} such cases below "
        f"{LOW_CHARGE:.0%}: a device that runs empty sends nothing in time; see "
        "devices.battery.resume_share and initial"
    )
