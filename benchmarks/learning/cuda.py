"""Rounds on a CUDA device: tokens per second, share of the card's peak, and bare peft."""

import statistics
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import torch
from transformers import BertConfig, BertModel

from benchmarks.common import Report, paired_ratios
from benchmarks.learning.bare_peft import BarePeft
from benchmarks.learning.subjects import DEVICES, PAIRS, round_timer, settings_of, streams
from learner.architectures.pretrained import load_tokenizer
from learner.settings import LearnerSettings
from learner.split_learner import SplitLearner, build

MAXIMUM_OF_PEFT: Final = 1.05
MINIMUM_OF_PEAK: Final = 0.4
# Dense bf16, from NVIDIA's data sheets.
PEAK_FLOPS: Final = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
}


def on_cuda(report: Report) -> None:
    """Report tokens per second, the share of the card's peak and the ratio to bare peft."""
    if not torch.cuda.is_available():
        report.note("cuda: no device here, nothing measured")
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = large(Path(folder))
        ours = build(settings, len(DEVICES), streams())
        bare = BarePeft(settings, ours)
        by_peft = paired_ratios(round_timer(ours), bare.step_s, PAIRS)
        round_s = statistics.median(map(round_timer(ours), range(PAIRS)))
    tokens = len(DEVICES) * settings.batch_size * settings.max_tokens
    share = tokens * flops_per_token(ours, settings.max_tokens) / round_s / peak()
    report.note(f"cuda: {tokens / round_s:,.0f} tokens/s")
    report.minimum("cuda, share of the card's bf16 peak", share, MINIMUM_OF_PEAK)
    report.maximum("cuda, time over bare peft's", statistics.median(by_peft), MAXIMUM_OF_PEFT)


def large(folder: Path) -> LearnerSettings:
    """Return settings that use a random encoder of BERT-base's shape and texts of 64 tokens.

    Both are written into ``folder``.
    """
    BertModel(BertConfig(), add_pooling_layer=False).save_pretrained(folder / "model")
    load_tokenizer("minilm", BertConfig().vocab_size).save_pretrained(folder / "model")
    texts = [f"{number} " + "good film " * 40 for number in range(1280)]
    for name in ("train.parquet", "test.parquet"):
        pd.DataFrame({"text": texts, "label": np.arange(1280) % 2}).to_parquet(folder / name)
    return settings_of(
        model=str(folder / "model"),
        data={"path": str(folder), "test_size": 50},
        batch_size=32,
        micro_batch_tokens=640 * 64,
        device="cuda",
        precision="bfloat16",
    )


def flops_per_token(subject: SplitLearner, length: int) -> float:
    """Return the operations of forward and backward per token.

    Two per weight and direction, since frozen weights get no gradient.
    """
    config = subject.parts.split.model.config
    weights = sum(
        weight.numel()
        for weight in subject.parts.split.model.encoder.parameters()
        if weight.dim() == 2
    )
    attention = 4 * length * config.hidden_size * config.num_hidden_layers
    # The backward pass of attention has both its operands to differentiate.
    return 4 * weights + 3 * attention


def peak() -> float:
    """Return the bf16 peak of this card in operations per second.

    Raises:
        SystemExit: the card is not in the table.
    """
    name = torch.cuda.get_device_name()
    for known, flops in PEAK_FLOPS.items():
        if known in name:
            return flops
    raise SystemExit(f"learner: the bf16 peak of {name} is not in PEAK_FLOPS")
