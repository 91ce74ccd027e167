"""Partitioners: functions that distribute the samples over the devices, in device order."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from learner.errors import LearnerInputError
from learner.rng import RngFactory

Shares = list[Int[ndarray, " _"]]


def iid(sizes: Int[ndarray, " K"], samples: int, rng: RngFactory) -> Shares:
    """IID partition: distribute a random order of all samples; the rest stays unused."""
    order = rng("partition").permutation(samples)
    return np.split(order[: sizes.sum()], np.cumsum(sizes)[:-1])


def dirichlet(
    sizes: Int[ndarray, " K"], labels: Int[ndarray, " S"], alpha: float, rng: RngFactory
) -> Shares:
    """Dirichlet partition: draw the class mix of each device around the mix of all samples.

    As in Hsu et al. (2019), section 3.1, with concentration ``alpha``: where a class has run out,
    its part goes to the remaining classes. Devices are served in a random order, since the last
    ones get the remaining samples.
    """
    # The stream "partition" without an index would be that of device 0.
    shuffled = rng("partition_pools").permutation(len(labels))
    pools = [shuffled[labels[shuffled] == label] for label in range(labels.max() + 1)]
    left = np.array([len(pool) for pool in pools])
    common = left / left.sum()
    shares: Shares = [np.empty(0, dtype=np.int64)] * len(sizes)
    for device in rng("partition_order").permutation(len(sizes)).tolist():
        random = rng("partition", device)
        mix = np.zeros(len(pools))
        mix[common > 0] = random.dirichlet(alpha * common[common > 0])
        taken = _draw(int(sizes[device]), mix, left, random=random)
        shares[device] = np.concatenate(
            [
                pool[kept - count : kept]
                for pool, kept, count in zip(pools, left, taken, strict=True)
            ]
        )
        left = left - taken
    return shares


def _draw(
    size: int, mix: Float[ndarray, " C"], left: Int[ndarray, " C"], random: np.random.Generator
) -> Int[ndarray, " C"]:
    """Return the number of samples of each class in a share."""
    taken = np.zeros_like(left)
    while (missing := size - int(taken.sum())) > 0:
        free = left - taken
        wanted = np.where(free > 0, mix, 0.0)
        # A class of almost no weight in the mix is better than a share that is too small.
        chance = wanted / wanted.sum() if wanted.sum() > 1e-12 else free / free.sum()
        taken += np.minimum(random.multinomial(missing, chance), free)
    return taken


def shards(
    total: int, labels: Int[ndarray, " S"], device_count: int, per_device: int, rng: RngFactory
) -> Shares:
    """Shard partition: sort by class, cut into equal shards, distribute (McMahan et al., 2017).

    ``total`` is the number of samples that are distributed.
    """
    kept = rng("partition").permutation(len(labels))[:total]
    ordered = kept[np.argsort(labels[kept], kind="stable")]
    shards = device_count * per_device
    size = total // shards
    dealt = rng("partition_order").permutation(shards)
    grid = ordered[: shards * size].reshape(shards, size)[dealt]
    return list(grid.reshape(device_count, per_device * size))


def natural(groups: Int[ndarray, " S"], device_count: int, rng: RngFactory) -> Shares:
    """Natural partition: distribute whole groups of samples in a random order.

    Raises:
        LearnerInputError: there are fewer groups than devices.
    """
    count = int(groups.max()) + 1
    if count < device_count:
        problem = (
            f"the column has {count} value{'' if count == 1 else 's'}, which is less than one for "
            f"each of {device_count} devices"
        )
        raise LearnerInputError("learner.data.partition.column", problem)
    owner = np.empty(count, dtype=np.int64)
    owner[rng("partition").permutation(count)] = np.arange(count) % device_count
    owners = owner[groups]
    order = np.argsort(owners, kind="stable")
    return np.split(order, np.cumsum(np.bincount(owners, minlength=device_count))[:-1])


def counts(shares: Sequence[Int[ndarray, " _"]], labels: Int[ndarray, " S"]) -> Int[ndarray, "K C"]:
    """Return the number of samples per device and class."""
    classes = int(labels.max()) + 1
    return np.stack([np.bincount(labels[share], minlength=classes) for share in shares])
