"""Panel: fixed training samples whose loss is comparable between policies."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from learner.data.partition import Partition
from learner.rng import RngFactory

MAXIMUM_SAMPLES: Final = 256


@final
@dataclass(frozen=True)
class Panel:
    """Panel of training samples: their rows, and for each the device whose head classifies it.

    It depends on the seed and the partition alone, not on a policy, a round or what was learned.
    """

    rows: Int[ndarray, " P"]
    owners: Int[ndarray, " P"]

    @staticmethod
    def drawn(partition: Partition, count: int, rng: RngFactory) -> "Panel":
        """Return a panel of up to ``count`` samples, spread evenly over the devices.

        Every device gives as many of its own samples, without replacement; the rest, one each, and
        all samples where there are more devices than samples, come from devices drawn at random. A
        device with fewer samples gives all of them.
        """
        devices = len(partition.sizes)
        quota = np.full(devices, count // devices)
        quota[rng("panel_devices").permutation(devices)[: count % devices]] += 1
        rows, owners = [], []
        for device in np.flatnonzero(quota).tolist():
            share = partition.share(device)
            taken = min(int(quota[device]), len(share))
            rows.append(share[rng("panel", device).choice(len(share), taken, replace=False)])
            owners.append(np.full(taken, device))
        return Panel(np.concatenate(rows), np.concatenate(owners))

    def of_one_head(self) -> "Panel":
        """Return the panel where one head, that of device 0, classifies every sample."""
        return Panel(self.rows, np.zeros_like(self.owners))
