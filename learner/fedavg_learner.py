"""FedAvg of the LoRA matrices: the whole model is on the devices, only adapters are sent."""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from importlib import import_module
from typing import final

from jaxtyping import Int64
from numpy import ndarray
from typing_extensions import override

from learner.build import build_components
from learner.codec.link import BITS_PER_NUMBER
from learner.executor import FedAvgExecutor
from learner.job import Job
from learner.rng import RngFactory
from learner.settings import LearnerSettings
from learner.settings.plugins import Load
from learner.split_learner import DeviceLearner


class _FedAvgStage(IntEnum):
    TRAINED = 1
    ARRIVED = 2


@final
class FedAvgLearner(DeviceLearner):
    """Federated averaging: devices train copies of the LoRA matrices and their own heads.

    A job advances from the step ``local_steps`` to the delivery of its ``adapter``. An ``adapter``
    that is delivered before the local steps is the download of the shared matrices.
    """

    @override
    def leg_bits(self, device: int, round_number: int) -> Mapping[str, int]:
        """Return the bits of the LoRA matrices; heads stay on their devices."""
        return {"adapter": self.trainable_parameters * BITS_PER_NUMBER}

    @override
    def _passes(
        self, rows: Int64[ndarray, "N local_batches B"]
    ) -> Iterator[Int64[ndarray, "... B"]]:
        """Yield the samples of each pass: of all devices, or of one where they train in turn."""
        if _together(self.settings):
            yield from super()._passes(rows)
        else:
            yield from rows.reshape(-1, rows.shape[-1])

    @override
    def computed(self, job: Job | None, step: str) -> None:
        assert job is not None, "start returns a job"
        if step == "local_steps":
            self._advance(job, _FedAvgStage.TRAINED)
            self._executor.head_step(job)
            self._stepped.add(job.device)

    @override
    def delivered(self, job: Job | None, leg: str) -> None:
        """Count the update of the job as arrived when its trained ``adapter`` is delivered."""
        assert job is not None, "start returns a job"
        is_download = self._stages.get(job) == 0
        if leg == "adapter" and not is_download:
            self._advance(job, _FedAvgStage.ARRIVED)
            self._executor.backward(job)


def build(
    settings: LearnerSettings,
    device_count: int,
    rng: RngFactory,
    *,
    local_steps: int,
    load: Load = import_module,
) -> FedAvgLearner:
    """Load model and data, and return the learner before its first round.

    ``local_steps`` is the number of steps per device and round, one minibatch each.

    Raises:
        LearnerInputError: the model or the data cannot be loaded.
    """
    settings = settings.model_copy(update={"local_batches": local_steps})
    parts, partition, test = build_components(settings, device_count, rng, load_module=load)
    executor = FedAvgExecutor(parts, together=_together(settings))
    return FedAvgLearner(executor, settings, parts, sampler=partition, test=test)


def _together(settings: LearnerSettings) -> bool:
    """Return whether devices pass the encoder together; a compiled one knows no copies."""
    return settings.executor == "batched" and not settings.compile
