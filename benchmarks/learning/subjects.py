"""Learners of the benchmarks: MiniLM on SST-2, their rounds, and the clock around them."""

from collections.abc import Callable
from time import perf_counter
from typing import Final

import numpy as np
import torch

from benchmarks.common import SST2, timed
from learner.aggregation import build_aggregator
from learner.settings import LearnerSettings
from learner.split_learner import SplitLearner
from netsim.streams import Streams

DEVICES: Final = range(20)
PAIRS: Final = 15
TARGETS: Final = ["query", "key", "value"]


def settings_of(**changes: object) -> LearnerSettings:
    """Return the settings of MiniLM on SST-2 with some changes."""
    table: dict[str, object] = {
        "model": "minilm",
        "pooling": "mean",
        "lora": {"rank": 8, "alpha": 16, "targets": TARGETS},
        "optimizer": {"kind": "adamw", "lr": 1e-3},
        "batch_size": 16,
        "evaluate_every": 1,
        "data": {"path": str(SST2), "test_size": 50},
        "device": "cpu",
    }
    return LearnerSettings.model_validate(table | changes)


def streams() -> Callable[..., np.random.Generator]:
    """Return the random streams of seed 1."""
    return Streams(1).generator


def round_timer(subject: SplitLearner) -> Callable[[int], float]:
    """Return a function that carries out a round and returns its seconds."""
    return lambda round_number: synchronised_s(lambda: train_round(subject, round_number))


def train_round(subject: SplitLearner, round_number: int) -> None:
    """Carry every device through a round in which everything arrives."""
    for device in DEVICES:
        job = subject.start(device, round_number)
        for step in ("embed", "encode", "head"):
            subject.computed(job, step)
        subject.delivered(job, "gradient")
    losses = subject.aggregate(build_aggregator(subject.settings), round_number).losses
    assert len(losses) == len(DEVICES), "every device must have learned"


def synchronised_s(action: Callable[[], object]) -> float:
    """Return the wall-clock seconds of some work, the queue of the card included."""
    synchronise()

    def finished() -> None:
        action()
        synchronise()

    return timed(finished, perf_counter)


def synchronise() -> None:
    """Wait for the card, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
