"""The other end of the scale: the data on the server, which trains by itself."""

import json
from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import Int64
from numpy import ndarray
from typing_extensions import override

from learner.build import build_components
from learner.data import MinibatchSampler, Partition
from learner.errors import StateError
from learner.evaluate import Evaluation
from learner.executor import BatchedExecutor, EagerExecutor
from learner.rng import RngFactory
from learner.settings import LearnerSettings
from learner.split_learner import RoundLosses, SplitLearner

_FILE: Final = "received.json"


@final
class UploadedData(MinibatchSampler):
    """The shares that have reached the server, out of which it draws as if it were the only device.

    A minibatch is drawn without replacement, independently per round: it depends on seed, round and
    whose data is there.
    """

    def __init__(self, partition: Partition, batch_size: int, rng: RngFactory) -> None:
        self.sizes = np.array([partition.sizes.sum()])
        self._partition, self._batch_size, self._rng = partition, batch_size, rng
        self._received: dict[int, Int64[ndarray, " S"]] = {}

    @property
    def received(self) -> list[int]:
        """The devices whose data is there, in order."""
        return sorted(self._received)

    def receive(self, device: int) -> None:
        """Take in a device's share."""
        self._received[device] = self._partition.share(device)

    @override
    def minibatch(self, device: int, round_number: int) -> Int64[ndarray, " B"]:
        samples = np.concatenate([self._received[device] for device in self.received])
        drawn = self._rng("server_minibatch", round_number).choice(
            len(samples), self._batch_size, replace=False
        )
        return samples[drawn]


@final
class CentralisedLearner:
    """Bare LoRA training of the unsplit model with one head, that of device 0 where each has its
    own.

    A round is a step on one minibatch of what has arrived; before anything has, there is none.
    """

    def __init__(self, server: SplitLearner, pool: UploadedData, partition: Partition) -> None:
        self._server, self._pool, self._partition = server, pool, partition
        self.parts = server.parts

    @property
    def device(self) -> str:
        """Where the model computes, such as ``cpu``."""
        return self._server.device

    def share_bits(self, device: int) -> int:
        """Return the bits of a device's share as raw data."""
        return self.parts.samples.bits(self._partition.share(device))

    def receive(self, device: int) -> None:
        """Take in a device's data, which has arrived."""
        self._pool.receive(device)

    def update(self, round_number: int) -> RoundLosses:
        """Make the round's step; raises as ``SplitLearner.update``."""
        if not self._pool.received:
            return RoundLosses({})
        job = self._server.embed(0, round_number)
        for go in (self._server.encode, self._server.head_step, self._server.backward):
            go(job)
        return RoundLosses({}, self._server.update(round_number).train_loss)

    def evaluate(self) -> Evaluation:
        """Return how well the one head classifies the test set; raises as
        ``SplitLearner.evaluate``.
        """
        return self._server.evaluate()

    def save(self, folder: Path) -> None:
        """Write everything that training has changed, and whose data is there, into a new
        folder.
        """
        self._server.save(folder)
        (folder / _FILE).write_text(json.dumps(self._pool.received), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Go on from what ``save`` wrote; StateError if it is damaged or that of another
        learner.
        """
        self._server.load(folder)
        path = folder / _FILE
        try:
            received = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StateError(f"{path}: is missing or damaged: {error}") from None
        everyone = range(len(self._partition.sizes))
        if not isinstance(received, list) or not all(
            type(entry) is int and entry in everyone for entry in received
        ):
            raise StateError(f"{path}: is not the state of this learner: it must list devices")
        for device in received:
            self._pool.receive(device)


def build(settings: LearnerSettings, device_count: int, rng: RngFactory) -> CentralisedLearner:
    """Load model and data, and return the learner before its first round; InputError where that
    fails.
    """
    parts, partition, test = build_components(settings, device_count, rng)
    pool = UploadedData(partition, settings.batch_size, rng)
    executor = BatchedExecutor(parts) if settings.executor == "batched" else EagerExecutor(parts)
    return CentralisedLearner(SplitLearner(executor, settings, parts, pool, test), pool, partition)
