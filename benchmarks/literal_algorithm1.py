"""Algorithm 1 of the paper as printed, with the misprint in (25) corrected: the slow reference.

One device more is scheduled, in order of gain, as long as J does not fall. The common delay of each
set is found by bisection until the bandwidths of (25) fill the band.
"""

from typing import Final

import numpy as np
from numpy import ndarray
from scipy.special import lambertw

from netsim.link import shannon
from netsim.scheduling import RoundState

BISECTIONS: Final = 60


def scheduled_count(state: RoundState) -> int:
    """Return the number of devices that Algorithm 1 schedules."""
    strongest = np.sort(state.gain)[::-1]
    zeta = 1.0 / np.sqrt(state.round)
    weight = state.virtual_queue_s / state.delay_budget_s
    before = 0.0
    for count in range(1, len(strongest) + 1):
        delay_s = common_delay_s(state, strongest[:count])
        objective = count - zeta * weight * (delay_s / state.delay_budget_s)
        if objective < before:
            return count - 1
        before = objective
    return len(strongest)


def common_delay_s(state: RoundState, gain: ndarray) -> float:
    """Return the minimum common delay of devices with equal payloads, in seconds."""
    bits = float(state.bits[0])
    floor_s = bits * state.noise_psd * np.log(2) / gain
    equal_share_hz = state.bandwidth_hz / len(gain)
    low_s = float(floor_s.max())
    high_s = float((bits / shannon.rate(equal_share_hz, gain, state.noise_psd)).max())
    for _ in range(BISECTIONS):
        delay_s = (low_s + high_s) / 2
        x = floor_s / delay_s
        u = -lambertw(-x * np.exp(-x), k=-1).real
        needed_hz = (bits * np.log(2) / (delay_s * (u - x))).sum()
        if needed_hz <= state.bandwidth_hz:
            high_s = delay_s
        else:
            low_s = delay_s
    return high_s
