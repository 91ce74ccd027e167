"""Virtual queue: the mean-delay constraint (8) as a state."""

from typing import Literal

QueueUpdate = Literal["eq18", "algorithm1"]


def next_virtual_queue(
    queue_s: float,
    delay_s: float,
    budget_s: float,
    *,
    update: QueueUpdate = "eq18",
    zeta: float = 1.0,
) -> float:
    """Return the virtual queue after a round, in seconds.

    ``eq18`` is (18a), ``max(0, Q + D - budget)``. ``algorithm1`` is line 19 of Algorithm 1, which
    multiplies the increment by zeta(t); with a descending zeta it does not satisfy (8).
    """
    increment_s = delay_s - budget_s
    return max(0.0, queue_s + (zeta * increment_s if update == "algorithm1" else increment_s))
