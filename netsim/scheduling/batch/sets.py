"""Minimum common delays of chosen devices in many worlds."""

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from netsim.allocation.common_delays import common_delays
from netsim.link import shannon
from netsim.scheduling.batch.states import AllocationBatch, StateBatch


def min_delay(states: StateBatch, chosen: Bool[ndarray, "W K"]) -> AllocationBatch:
    """Return the allocation of minimum common delay to the chosen devices of each world.

    Problem P3 of the paper, as ``netsim.allocation.common_delay.min_delay`` solves it for one
    world. Devices that are not there or have no gain are left out, and one without bits gets no
    bandwidth.
    """
    chosen = chosen & states.present & (states.gain > 0)
    active = chosen & (states.bits > 0)
    world = np.flatnonzero(active.any(axis=1))
    member = active[world]
    load = np.where(member, states.bits[world], 0.0)
    snr = np.where(member, states.tx_power_w[world] * states.gain[world], 1.0)
    snr /= states.noise_psd * states.bandwidth_hz
    unit = shannon.LN2 / states.bandwidth_hz
    # Lower bounds in closed form: the slowest device alone, and all received power in one band.
    together = np.log1p(np.where(member, snr, 0.0).sum(axis=1))
    lower_s = np.maximum((load / np.log1p(snr)).max(axis=1), load.sum(axis=1) / together)
    delay_s, share_hz = common_delays(load, load / snr * unit, states.bandwidth_hz, lower_s * unit)
    shares = np.zeros(chosen.shape)
    shares[world] = share_hz
    delays = np.zeros(len(chosen))
    delays[world] = delay_s
    return AllocationBatch(chosen, shares, delays)
