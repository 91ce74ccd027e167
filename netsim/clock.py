"""Simulated clock: the one function that lets simulated time pass."""

import math

import simpy


def wait(env: simpy.Environment, delay_s: float) -> simpy.Timeout:
    """Return the event ``delay_s`` seconds from now.

    Raises:
        ValueError: a negative, infinite or NaN delay. SimPy would accept the last two and then run
            events out of order or never.
    """
    if not 0.0 <= delay_s < math.inf:
        raise ValueError(f"a wait of {delay_s} s is neither zero nor a positive finite time")
    return env.timeout(delay_s)
