"""The learner as the protocols see it, also where there is none."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast, final

from coupling.scenario.errors import RunError

if TYPE_CHECKING:
    from learner.centralised import CentralisedLearner
    from learner.data import Partition
    from learner.evaluate import Evaluation
    from learner.split_learner import DeviceLearner, SplitLearner

Job = Any
"""A device's step under way; None where the network runs alone."""


@final
@dataclass
class TimedLearner:
    """The split model's steps, with the wall-clock time that they take; without a learner they do
    nothing.
    """

    learner: "DeviceLearner | CentralisedLearner | None" = None
    counted: "DeviceLearner | CentralisedLearner | None" = None
    """Whose bits are counted where the network runs alone and they are not given."""
    wall_s: float = field(default=0.0, init=False)
    """Seconds spent in steps since it was last set to 0."""

    def embed(self, device: int, round_number: int) -> Job:
        """Begin a device's step: its embedding is about to be sent."""
        if self.learner is None:
            return None
        with self._timed():
            return self._devices.embed(device, round_number)

    def payload(self, device: int, round_number: int) -> tuple[float, float, float]:
        """Return the bits of the device's embedding, feature and gradient in a round, before any is
        computed.
        """
        return cast("SplitLearner", self._own).payload(device, round_number)

    def adapter_bits(self) -> float:
        """Return the bits of the LoRA matrices."""
        return self._devices.adapter_bits

    def share_bits(self, device: int) -> float:
        """Return the bits of a device's share of the data."""
        return self._server.share_bits(device)

    def receive(self, device: int) -> None:
        """Tell that a device's share of the data has arrived at the server."""
        if self.learner is not None:
            with self._timed():
                self._server.receive(device)

    def encode(self, job: Job) -> None:
        """Tell that the embedding has arrived at the server."""
        if self.learner is not None:
            with self._timed():
                self._devices.encode(job)

    def head_step(self, job: Job) -> None:
        """Tell that the feature has arrived at the device."""
        if self.learner is not None:
            with self._timed():
                self._devices.head_step(job)

    def backward(self, job: Job) -> None:
        """Tell that the gradient has arrived at the server."""
        if self.learner is not None:
            with self._timed():
                self._devices.backward(job)

    def update(self, round_number: int) -> tuple[Mapping[int, float], float | None]:
        """Take the server's step at the barrier; return the loss of each device that trained, and
        their mean.

        Raises:
            DivergedError: a loss is no longer finite.
            OutOfMemoryError: there is no room for a micro-batch.
        """
        if self.learner is None:
            return {}, None
        with self._timed():
            result = self.learner.update(round_number)
        return result.losses, result.train_loss

    def evaluate(self) -> "Evaluation | None":
        """Return the test loss and accuracy; None without a learner."""
        return None if self.learner is None else self.learner.evaluate()

    @property
    def partition(self) -> "Partition | None":
        """Which device holds which training samples; None without a learner."""
        return None if self.learner is None else self.learner.parts.partition

    @property
    def device(self) -> str | None:
        """Where the server's part of the model computes; None without a learner."""
        return None if self.learner is None else self.learner.device

    def use_threads(self, count: int | None) -> None:
        """Let PyTorch compute with so many threads; nothing without a learner."""
        if self.learner is not None and count is not None:
            import torch

            torch.set_num_threads(count)

    def save(self, folder: Path) -> None:
        """Write the learner's state into a new folder; nothing without a learner."""
        if self.learner is not None:
            self.learner.save(folder)

    def load(self, folder: Path) -> None:
        """Bring the learner back into the state that ``save`` wrote.

        Raises:
            RunError: the state is damaged or belongs to another learner.
        """
        if self.learner is None:
            return
        from learner.errors import StateError

        try:
            self.learner.load(folder)
        except StateError as error:
            raise RunError(str(error)) from None

    # Which of the two it is, the protocol has said: it made the learner
    # (``ProtocolTable.learner``).
    @property
    def _devices(self) -> "DeviceLearner":
        """The learner of protocols in which devices learn."""
        return cast("DeviceLearner", self._own)

    @property
    def _server(self) -> "CentralisedLearner":
        """The learner of protocols in which the server learns by itself."""
        return cast("CentralisedLearner", self._own)

    @property
    def _own(self) -> "DeviceLearner | CentralisedLearner":
        own = self.learner or self.counted
        assert own is not None, "validated: actual bits need a learner"
        return own

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start = perf_counter()
        yield
        self.wall_s += perf_counter() - start
