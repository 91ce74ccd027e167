"""Centralised training: the server trains on the data that devices have uploaded."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray
from typing_extensions import override

from learner.aggregation import Aggregator
from learner.base import Learner
from learner.build import build_components
from learner.data import MinibatchSampler, Partition
from learner.errors import StateError
from learner.evaluate import Evaluation
from learner.executor import BatchedExecutor, EagerExecutor
from learner.job import Job, LearningCost, RoundLosses
from learner.rng import RngFactory
from learner.settings import LearnerSettings
from learner.settings.plugins import Load
from learner.split_learner import SplitLearner

_FILE: Final = "received.json"


@final
class UploadedData(MinibatchSampler):
    """Uploaded shares of the training data, from which the server samples as one device.

    A minibatch is drawn without replacement, independently per round. It depends on the seed, the
    round and the devices whose data has arrived.
    """

    def __init__(self, partition: Partition, batch_size: int, rng: RngFactory) -> None:
        self.sizes = np.array([partition.sizes.sum()])
        self._partition = partition
        self._batch_size = batch_size
        self._rng = rng
        self._received: dict[int, Int64[ndarray, " S"]] = {}

    @property
    def received(self) -> list[int]:
        """Devices whose data has arrived, in order."""
        return sorted(self._received)

    def receive(self, device: int) -> None:
        """Add the share of a device."""
        self._received[device] = self._partition.share(device)

    def restore_point(self) -> Callable[[], None]:
        """Return the function that forgets the data that arrives from here on."""
        received = dict(self._received)

        def restore() -> None:
            self._received = received

        return restore

    @override
    def minibatch(self, device: int, round_number: int) -> Int64[ndarray, " B"]:
        samples = np.concatenate([self._received[device] for device in self.received])
        drawn = self._rng("server_minibatch", round_number).choice(
            len(samples), self._batch_size, replace=False
        )
        return samples[drawn]


@final
class CentralisedLearner(Learner):
    """LoRA training of the unsplit model with one head, that of device 0, on the server.

    A job is the upload of one device's share: its leg is ``data``. A round is a step on one
    minibatch of the data that has arrived; without data there is no step.
    """

    def __init__(self, server: SplitLearner, uploaded: UploadedData, partition: Partition) -> None:
        self._server = server
        self._uploaded = uploaded
        self._partition = partition
        self.parts = server.parts

    @property
    @override
    def partition(self) -> Partition:
        return self._partition

    @property
    @override
    def device(self) -> str:
        return self._server.device

    @property
    @override
    def numerics(self) -> Mapping[str, str]:
        return self._server.numerics

    @property
    @override
    def samples(self) -> Float[ndarray, " K"]:
        return self._partition.sizes.astype(float)

    @override
    def leg_bits(self, device: int, round_number: int) -> Mapping[str, int]:
        """Return the bits of the device's share as raw data."""
        return {"data": self.parts.samples.bits(self._partition.share(device))}

    @override
    def start(self, device: int, round_number: int) -> Job:
        samples = int(self._partition.sizes[device])
        return Job(device, round_number, samples, rows=np.empty(0, np.int64))

    @override
    def computed(self, job: Job | None, step: str) -> None:
        """Ignore the step: devices compute nothing."""

    @override
    def delivered(self, job: Job | None, leg: str) -> None:
        """Add the device's share when its ``data`` is delivered."""
        assert job is not None, "start returns a job"
        if leg == "data":
            self._uploaded.receive(job.device)

    @override
    def aggregate(self, aggregator: Aggregator, round_number: int) -> RoundLosses:
        if not self._uploaded.received:
            return RoundLosses({}, {})
        job = self._server.start(0, round_number)
        for step in ("embed", "encode", "head"):
            self._server.computed(job, step)
        self._server.delivered(job, "gradient")
        result = self._server.aggregate(aggregator, round_number)
        return RoundLosses({}, {}, result.train_loss)

    @override
    def evaluate(self) -> Evaluation:
        """Return loss and accuracy of the one head on the test set, and its loss on the panel."""
        return self._server.evaluate()

    @override
    def measure(self, devices: int) -> LearningCost:
        """Return the cost of the server's own step; that of the data of all devices."""
        forget = self._uploaded.restore_point()
        for device in range(len(self._partition.sizes)):
            self._uploaded.receive(device)
        cost = self._server.measure(1)
        forget()
        return cost

    @override
    def restore_point(self) -> Callable[[], None]:
        restore_server = self._server.restore_point()
        restore_uploaded = self._uploaded.restore_point()

        def restore() -> None:
            restore_server()
            restore_uploaded()

        return restore

    @override
    def save(self, folder: Path) -> None:
        self._server.save(folder)
        (folder / _FILE).write_text(json.dumps(self._uploaded.received), encoding="utf-8")

    @override
    def export(self, folder: Path) -> bool:
        """Write the adapter and the one head, that of device 0."""
        return self._server.export(folder)

    @override
    def load(self, folder: Path) -> None:
        self._server.load(folder)
        path = folder / _FILE
        try:
            received = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StateError(f"{path}: is missing or damaged: {error}") from None
        devices = range(len(self._partition.sizes))
        if not isinstance(received, list) or not all(
            type(entry) is int and entry in devices for entry in received
        ):
            raise StateError(f"{path}: is not the state of this learner: it must list devices")
        for device in received:
            self._uploaded.receive(device)


def build(
    settings: LearnerSettings, device_count: int, rng: RngFactory, *, load: Load = import_module
) -> CentralisedLearner:
    """Load model and data, and return the learner before its first round.

    Raises:
        LearnerInputError: the model or the data cannot be loaded.
    """
    parts, partition, test = build_components(settings, device_count, rng, load_module=load)
    parts = replace(parts, panel=parts.panel.of_one_head())
    uploaded = UploadedData(partition, settings.batch_size, rng)
    executor = BatchedExecutor(parts) if settings.executor == "batched" else EagerExecutor(parts)
    server = SplitLearner(executor, settings, parts, sampler=uploaded, test=test)
    return CentralisedLearner(server, uploaded, partition)
