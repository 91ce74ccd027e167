"""Partition of the training samples over the devices, and minibatches from its shares."""

from abc import ABC, abstractmethod
from importlib import import_module
from typing import TypedDict, final

import numpy as np
from jaxtyping import Int, Int64
from numpy import ndarray
from typing_extensions import override

from learner.data import partitioners
from learner.data.labelled import LabelledDataset
from learner.data.plugin_partition import plugin_shares
from learner.errors import LearnerInputError
from learner.rng import RngFactory, SubsetFactory
from learner.settings import ByColumn, Data, Dirichlet, Iid, Lognormal, Shards
from learner.settings.data import PlugInPartition
from learner.settings.plugins import Load


class ClassCounts(TypedDict):
    """Number of samples per device and class, one row each."""

    device: Int[ndarray, " rows"]
    label: Int[ndarray, " rows"] | None
    """None where shares may overlap: they are IID draws from all samples."""
    samples: Int[ndarray, " rows"]


class MinibatchSampler(ABC):
    """Minibatch sampler of K devices."""

    sizes: Int[ndarray, " K"]
    """Number of samples per device."""

    @abstractmethod
    def minibatch(self, device: int, round_number: int) -> Int[ndarray, " B"]:
        """Return the rows of the device's samples in this round."""


@final
class Partition(MinibatchSampler):
    """Partition of the training samples: disjoint shares, unless ``overlap`` is set.

    A minibatch is drawn without replacement from its device's share, independently per round. It
    depends on seed, device and round only, and not on the devices scheduled before.

    Raises:
        LearnerInputError: the shares exceed the data, or a minibatch exceeds its share.
    """

    def __init__(
        self,
        data: Data,
        labelled: LabelledDataset,
        *,
        device_count: int,
        batch_size: int,
        local_batches: int = 1,
        rng: RngFactory,
        load: Load = import_module,
    ) -> None:
        self._labels = labelled.labels
        self.files = labelled.files
        """One line about the files that were read, where a split has several; or empty."""
        self._batch_size = batch_size * local_batches
        self._rng = rng
        # None where shares overlap: each is drawn when it is used, so that K shares need no memory.
        self._shares = _assign(data, labelled, device_count, rng=rng, load=load)
        self.sizes = (
            _sizes(data, len(labelled), device_count, rng=rng)
            if self._shares is None
            else np.array([len(share) for share in self._shares])
        )
        _require_batch(self.sizes, batch_size, local_batches)
        self._kind = data.partition.kind

    def share(self, device: int) -> Int[ndarray, " S"]:
        """Return the training samples of the device."""
        if self._shares is None:
            return self._rng("partition", device).choice(
                len(self._labels), int(self.sizes[device]), replace=False
            )
        return self._shares[device]

    @override
    def minibatch(self, device: int, round_number: int) -> Int[ndarray, " B"]:
        size = int(self.sizes[device])
        drawn = self._rng("minibatch", device, round_number).choice(
            size, self._batch_size, replace=False
        )
        return self.share(device)[drawn]

    def positions(self, round_number: int, subsets: SubsetFactory) -> Int64[ndarray, "K B"]:
        """Return the places of all devices' minibatches in their shares, in any order."""
        devices = np.arange(len(self.sizes))
        return subsets(self.sizes, self._batch_size, "minibatch", devices, round_number)

    def class_counts(self) -> Int[ndarray, "K C"]:
        """Return the number of samples per device and class."""
        return partitioners.counts(
            [self.share(device) for device in range(len(self.sizes))], self._labels
        )

    def table(self) -> ClassCounts:
        """Return the columns of the ``shares`` table, without empty rows."""
        if self._shares is None:
            return ClassCounts(device=np.arange(len(self.sizes)), label=None, samples=self.sizes)
        held = self.class_counts()
        device, label = np.nonzero(held)
        return ClassCounts(device=device, label=label, samples=held[device, label])

    def summary(self) -> str:
        """Return one line about the shares: kind, sizes and, if disjoint, number of classes."""
        low, high = int(self.sizes.min()), int(self.sizes.max())
        sizes = (
            f"{low:,}"
            if low == high
            else f"{low:,} to {high:,} (median {int(np.median(self.sizes)):,})"
        )
        devices = f"{len(self.sizes):,} device{'' if len(self.sizes) == 1 else 's'}"
        samples = f"{sizes} sample{'' if high == 1 else 's'}"
        text = f"{self._kind} partition: {devices} with {samples} each"
        if self._shares is None:
            return f"{text}, which may overlap"
        present = (self.class_counts() > 0).sum(1)
        few, many = int(present.min()), int(present.max())
        classes = f"{few}" if few == many else f"{few} to {many}"
        total = f"{int(self.sizes.sum()):,} of {len(self._labels):,} in all"
        noun = "class" if many == 1 else "classes"
        return f"{text}, {total}; {classes} {noun} per device"


def _assign(
    data: Data, labelled: LabelledDataset, device_count: int, *, rng: RngFactory, load: Load
) -> partitioners.Shares | None:
    if data.overlap:
        return None
    labels = labelled.labels
    match data.partition:
        case Iid():
            return partitioners.iid(
                _sizes(data, len(labels), device_count, rng=rng), len(labels), rng
            )
        case Dirichlet(alpha=alpha):
            sizes = _sizes(data, len(labels), device_count, rng=rng)
            return partitioners.dirichlet(sizes, labels, alpha, rng=rng)
        case Shards(per_device=per_device):
            total = _mean_size(data, len(labels), device_count) * device_count
            return partitioners.shards(total, labels, device_count, per_device=per_device, rng=rng)
        case ByColumn():
            assert labelled.groups is not None, "read with the samples"
            return partitioners.natural(labelled.groups, device_count, rng)
        case PlugInPartition() as table:
            sizes = _sizes(data, len(labels), device_count, rng=rng)
            return plugin_shares(table, labels, sizes, rng=rng, load=load)


def _sizes(data: Data, samples: int, device_count: int, rng: RngFactory) -> Int[ndarray, " K"]:
    """Return the number of samples of each device."""
    mean = _mean_size(data, samples, device_count)
    if not isinstance(data.sizes, Lognormal):
        return np.full(device_count, mean)
    weight = np.exp(data.sizes.sigma * rng("sizes").standard_normal(device_count))
    sizes = np.floor(weight / weight.sum() * mean * device_count).astype(np.int64)
    return np.minimum(sizes, samples)


def _mean_size(data: Data, samples: int, device_count: int) -> int:
    if data.share is None:
        if device_count > samples:
            problem = (
                f"the default, 1 / {device_count}, of {samples} training samples is less than one "
                "sample"
            )
            raise LearnerInputError("learner.data.share", problem)
        return samples // device_count
    # A share such as 0.05 is not exact in binary: twenty of them may exceed 1 by a rounding error.
    if data.share * device_count > 1 + 1e-9 and not data.overlap:
        problem = (
            f"{data.share:g} for each of {device_count} devices is more than all the data; at most "
            f"{1 / device_count:g}, or set overlap = true"
        )
        raise LearnerInputError("learner.data.share", problem)
    size = int(data.share * samples + 1e-9)
    if size == 0:
        problem = f"{data.share:g} of {samples} training samples is less than one sample"
        raise LearnerInputError("learner.data.share", problem)
    return size


def _require_batch(sizes: Int[ndarray, " K"], batch_size: int, local_batches: int) -> None:
    """Raise LearnerInputError if a device cannot fill the minibatches of a round."""
    device = int(sizes.argmin())
    taken = batch_size * local_batches
    fewest = int(sizes[device])
    if taken <= fewest:
        return
    asked = f"{taken}" if local_batches == 1 else f"{batch_size} x {local_batches} local batches"
    if fewest == sizes.max():
        problem = f"{asked} is more than the {fewest} training samples that a device holds"
    else:
        too_small = int((sizes < taken).sum())
        problem = (
            f"{asked} is more than the {fewest} training samples that device {device} holds; "
            f"{too_small} of {len(sizes)} devices hold too few"
        )
    raise LearnerInputError("learner.batch_size", problem)
