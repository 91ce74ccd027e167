"""Minimum common delay of devices that share whole resource blocks.

Device k needs ``T_k(n) = bits_k / R_k(n)`` seconds with n blocks, and R_k never falls in n because
a device may leave blocks empty (``netsim.link.resource_blocks.block_rates``). Nothing else is known
of R_k: neither concavity nor a closed form.

*Blocks that go one at a time to the slowest device give the minimum.* Let D be the minimum common
delay of M blocks, and ``n_k`` the smallest number of blocks with ``T_k(n_k) <= D``, so that they
sum to M at most. Begin with a number of blocks that exceeds no ``n_k``: one each, since every
device needs one. As long as the slowest device has a delay above D, it has fewer than ``n_k``
blocks, because T_k never rises; with one more it has ``n_k`` at most. So no device ever exceeds
``n_k`` while the delay exceeds D, and the M blocks suffice to end that. The raw sawtooth lacks the
property that T_k never rises, and there the rule fails.
"""

import heapq

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray


def blocks_for_delay(delays_s: Float[ndarray, "n count"], delay_s: float) -> Float[ndarray, " n"]:
    """Return the minimum number of blocks with which each device meets a delay.

    ``delays_s`` has the delay of each device with 1, 2, ... blocks. Infinite if no number of blocks
    suffices.
    """
    missed = np.count_nonzero(delays_s > delay_s, axis=1)
    return np.where(missed < delays_s.shape[1], missed + 1.0, np.inf)


def min_block_delay(
    delays_s: Float[ndarray, "n count"], count: int
) -> tuple[float, Int[ndarray, " n"]]:
    """Return the minimum common delay in seconds of ``count`` blocks, and the blocks per device.

    ``delays_s`` has the delay of each device with 1, 2, ... blocks, at least ``count`` columns or
    as many as matter. The delay is infinite, and all blocks 0, if there are fewer blocks than
    devices or if a device is out of reach. Blocks that shorten nothing are not given.
    """
    device_count = len(delays_s)
    if not device_count:
        return 0.0, np.zeros(0, int)
    if device_count > count or not np.isfinite(delays_s[:, -1]).all():
        return np.inf, np.zeros(device_count, int)
    given = np.ones(device_count, int)
    left = count - device_count
    rows = delays_s.tolist()
    slowest = [(-row[0], device) for device, row in enumerate(rows)]
    heapq.heapify(slowest)
    while left:
        # The slowest device gets blocks up to the next number that makes it faster.
        present, device = slowest[0]
        row = rows[device]
        last = min(int(given[device]) + left, len(row))
        number = int(given[device])
        while number < last and row[number] >= -present:
            number += 1
        if number >= last:
            break
        left -= number + 1 - int(given[device])
        given[device] = number + 1
        heapq.heapreplace(slowest, (-row[number], device))
    return -slowest[0][0], given
