"""Which device holds which training samples, and which of them it takes in a round."""

from typing import final

from jaxtyping import Int
from numpy import ndarray

from learner.errors import InputError
from learner.settings import Data
from learner.streams import Streams


@final
class Partition:
    """Independent and identically distributed shares of one size, disjoint unless they may overlap.

    A minibatch is drawn without replacement from its device's share, independently per round: it depends on
    seed, device and round alone, and never on who was scheduled before. Samples that do not divide evenly stay
    unused. Raises InputError where the shares exceed the data, or a minibatch its share.
    """

    def __init__(self, data: Data, samples: int, *, device_count: int, batch_size: int, rng: Streams) -> None:
        self._samples = samples
        self._size = _share_size(data, samples, device_count)
        if batch_size > self._size:
            problem = f"{batch_size} is more than the {self._size} training samples that a device holds"
            raise InputError("learner.batch_size", problem)
        self._batch_size = batch_size
        self._rng = rng
        self._order = None if data.overlap else rng("partition").permutation(samples)

    def share(self, device: int) -> Int[ndarray, " S"]:
        """Return the training samples of the device."""
        if self._order is None:
            return self._rng("partition", device).choice(self._samples, self._size, replace=False)
        return self._order[device * self._size : (device + 1) * self._size]

    def minibatch(self, device: int, round_: int) -> Int[ndarray, " B"]:
        """Return the samples that the device takes in that round."""
        drawn = self._rng("minibatch", device, round_).choice(self._size, self._batch_size, replace=False)
        return self.share(device)[drawn]


def _share_size(data: Data, samples: int, device_count: int) -> int:
    if data.share is None:
        if device_count > samples:
            problem = (
                f"the default, 1 / {device_count}, of {samples} training samples is less than one sample"
            )
            raise InputError("learner.data.share", problem)
        return samples // device_count
    # A share such as 0.05 is not exact in binary: twenty of them may exceed 1 by a rounding error.
    if data.share * device_count > 1 + 1e-9 and not data.overlap:
        problem = (
            f"{data.share:g} for each of {device_count} devices is more than all the data; at most "
            f"{1 / device_count:g}, or set overlap = true"
        )
        raise InputError("learner.data.share", problem)
    size = int(data.share * samples + 1e-9)
    if size == 0:
        problem = f"{data.share:g} of {samples} training samples is less than one sample"
        raise InputError("learner.data.share", problem)
    return size
