"""Rounds of federated averaging: devices together, one after another, and bare peft in a loop."""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import torch

from benchmarks.common import Report, paired_ratios
from benchmarks.learning.bare_peft import BarePeft
from benchmarks.learning.subjects import settings_of, streams, synchronised_s
from learner.aggregation import build_aggregator
from learner.fedavg_learner import FedAvgLearner, build
from learner.precision import probe

DEVICES: Final = range(10)
LOCAL_STEPS: Final = 4
TOKENS: Final = 16
PAIRS: Final = 9
MAXIMUM_OF_TURNS: Final = {"bfloat16": 0.85}
"""Time of devices together relative to one after another, by format; no bound in float32."""
MAXIMUM_OF_PEFT: Final = 1.02
_WORDS: Final = ("a", "good", "bad", "film", "plot", "scene", "actor", "dull", "bright", "slow")


def federated(report: Report) -> None:
    """Report both ratios in each format that is fast here, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        write_texts(Path(folder))
        for precision in ("float32", "bfloat16"):
            if precision != "float32" and probe.faster_precision(torch.device("cpu")) != precision:
                report.note(f"federated: {precision} is not twice as fast here, not judged")
                continue
            _in_format(report, Path(folder), precision)
    torch.set_num_threads(threads)


def _in_format(report: Report, folder: Path, precision: str) -> None:
    together, in_turn = (
        learner_of(folder, precision=precision, executor=executor)
        for executor in ("batched", "eager")
    )
    bare = BareLoop(together)
    by_turns = paired_ratios(round_timer(together), round_timer(in_turn), PAIRS)
    by_peft = paired_ratios(round_timer(together), bare.round_s, PAIRS)
    turns_by_peft = paired_ratios(round_timer(in_turn), bare.round_s, PAIRS)
    text = f"federated, {precision}, time over"
    of_turns = statistics.median(by_turns)
    if precision in MAXIMUM_OF_TURNS:
        report.maximum(f"{text} one after another", of_turns, MAXIMUM_OF_TURNS[precision])
    else:
        report.note(f"{text} one after another: {of_turns:.3g}")
    report.maximum(f"{text} bare peft's loop", statistics.median(by_peft), MAXIMUM_OF_PEFT)
    report.note(
        f"federated, {precision}, one after another over bare peft's loop: "
        f"{statistics.median(turns_by_peft):.3g}"
    )


def write_texts(folder: Path) -> None:
    """Write texts that are all cut off after the same number of tokens."""
    random = np.random.default_rng(1)
    for name in ("train.parquet", "test.parquet"):
        texts = [" ".join(random.choice(_WORDS, TOKENS)) for _ in range(1280)]
        pd.DataFrame({"text": texts, "label": np.arange(1280) % 2}).to_parquet(folder / name)


def learner_of(folder: Path, **changes: object) -> FedAvgLearner:
    """Return a learner of these texts before its first round."""
    settings = settings_of(
        batch_size=8,
        max_tokens=TOKENS,
        attention="plain",
        data={"path": str(folder), "test_size": 50},
        **changes,
    )
    return build(settings, len(DEVICES), streams(), local_steps=LOCAL_STEPS)


def round_timer(subject: FedAvgLearner) -> Callable[[int], float]:
    """Return a function that carries out a round and returns its seconds."""
    return lambda round_number: synchronised_s(lambda: train_round(subject, round_number + 1))


def train_round(subject: FedAvgLearner, round_number: int) -> None:
    """Carry every device through a round in which everything arrives."""
    for device in DEVICES:
        job = subject.start(device, round_number)
        subject.computed(job, "local_steps")
        subject.delivered(job, "adapter")
    losses = subject.aggregate(build_aggregator(subject.settings), round_number).losses
    assert len(losses) == len(DEVICES), "every device must have learned"


class BareLoop:
    """Loop of bare peft over the same batches: a fresh optimizer per device, one step per batch.

    Attention and number format are those of the learner.
    """

    def __init__(self, like: FedAvgLearner) -> None:
        self._bare = BarePeft(like.settings, like, attention="eager")
        self._like = like

    def round_s(self, round_number: int) -> float:
        """Return the seconds of a round, its batches made beforehand."""
        samples = self._like.parts.samples
        batches = [
            [
                (
                    samples.batch(rows),
                    samples.labels_of(rows),
                )
                for rows in np.split(
                    self._like.partition.minibatch(device, round_number + 1), LOCAL_STEPS
                )
            ]
            for device in DEVICES
        ]
        assert batches[0][0][0]["input_ids"].shape == (8, TOKENS), "no text has padding"

        def train() -> None:
            for of_device in batches:
                self._bare.restart()
                for batch in of_device:
                    self._bare.step([batch])

        return synchronised_s(train)
