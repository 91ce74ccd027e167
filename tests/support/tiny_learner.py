"""What the learner's tests share: a tiny BERT's words and shape, random streams, data files, a
round.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from learner.settings import LearnerSettings
from learner.split_learner import RoundLosses, SplitLearner

Make = Callable[..., LearnerSettings]
WORDS = [f"word{n}" for n in range(60)]
CLASSES = 3
# Multiplies the weights by -1e38 in every step: beyond float32 after the second.
OVERFLOWING = {"kind": "adamw", "lr": 1e30, "weight_decay": 1e8}
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
TINY = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}


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
    subject: SplitLearner, round_number: int, devices: Sequence[int], lost: Sequence[int] = ()
) -> RoundLosses:
    """Carry the devices through one round; the gradients of the lost ones do not arrive."""
    for device in devices:
        job = subject.embed(device, round_number)
        subject.encode(job)
        subject.head_step(job)
        if device not in lost:
            subject.backward(job)
    return subject.update()


def arrays(subject: SplitLearner) -> list[Tensor]:
    """Return every LoRA matrix, then every head."""
    pairs = subject.parts.split.adapters
    heads = subject.parts.bank.stack(range(subject.device_count))
    lora = [matrix.detach().clone() for pair in pairs for matrix in (pair.down, pair.up)]
    return [*lora, *heads.weight.detach(), *heads.bias.detach()]
