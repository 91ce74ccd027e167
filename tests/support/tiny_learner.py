"""Fixtures of the learner's tests: a tiny BERT, random streams, data files and a round."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from learner.aggregation import Aggregator, build_aggregator
from learner.fedavg_learner import FedAvgLearner
from learner.job import Job, RoundLosses
from learner.settings import LearnerSettings
from learner.split_learner import DeviceLearner
from support.tiny_bert import CLASSES, WORDS

Make = Callable[..., LearnerSettings]
# Multiplies the weights by -1e38 in every step: beyond float32 after the second.
OVERFLOWING = {"kind": "adamw", "lr": 1e30, "weight_decay": 1e8}


class PhiloxStreams:
    """Counter-based generators keyed by seed and name; the counter starts at the indices."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, name: str, /, *indices: int) -> np.random.Generator:
        key = hashlib.sha256(f"{self.seed} {name} {indices}".encode()).digest()[:16]
        return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def sentence(random: np.random.Generator, label: int) -> str:
    return " ".join(random.choice(WORDS[label::CLASSES], random.integers(1, 20)))


def write_parquet(folder: Path, name: str, **columns: Sequence[object]) -> Path:
    folder.mkdir(exist_ok=True)
    pd.DataFrame(columns).to_parquet(folder / name)
    return folder


def train(
    subject: DeviceLearner,
    round_number: int,
    devices: Sequence[int],
    lost: Sequence[int] = (),
    aggregator: Aggregator | None = None,
) -> RoundLosses:
    """Train the devices for one round; the updates of the lost ones do not arrive."""
    update_leg = "adapter" if isinstance(subject, FedAvgLearner) else "gradient"
    for device in devices:
        job = compute(subject, device, round_number)
        if device not in lost:
            subject.delivered(job, update_leg)
    return aggregate(subject, round_number, aggregator)


def compute(subject: DeviceLearner, device: int, round_number: int) -> Job:
    """Start a job and compute all steps of its device."""
    steps = ("local_steps",) if isinstance(subject, FedAvgLearner) else ("embed", "encode", "head")
    job = subject.start(device, round_number)
    for step in steps:
        subject.computed(job, step)
    return job


def aggregate(
    subject: DeviceLearner, round_number: int, aggregator: Aggregator | None = None
) -> RoundLosses:
    """End a round, by default with the aggregator of the learner's settings."""
    return subject.aggregate(aggregator or build_aggregator(subject.settings), round_number)


def arrays(subject: DeviceLearner) -> list[Tensor]:
    """Return every LoRA matrix, then every head."""
    pairs = subject.parts.split.adapters
    heads = subject.parts.bank.stack(range(subject.device_count))
    lora = [matrix.detach().clone() for pair in pairs for matrix in (pair.down, pair.up)]
    return [*lora, *heads.weight.detach(), *heads.bias.detach()]
