"""Rounds of split fine-tuning beside a loop over the devices and beside bare peft."""

import statistics
from typing import Final

import torch

from benchmarks.common import Report, paired_ratios
from benchmarks.learning.bare_peft import BarePeft
from benchmarks.learning.subjects import DEVICES, PAIRS, round_timer, settings_of, streams
from learner.precision import probe
from learner.split_learner import build

MAXIMUM_OF_LOOP: Final = 0.5
MAXIMUM_OF_PEFT: Final = 1.05
MAXIMUM_OF_PEFT_PACKED: Final = {"float32": 0.90, "bfloat16": 0.38}


def against_others(report: Report, batch_size: int) -> None:
    """Report both ratios for a batch size."""
    ours = build(settings_of(batch_size=batch_size), len(DEVICES), streams())
    loop = build(settings_of(batch_size=batch_size, executor="eager"), len(DEVICES), streams())
    bare = BarePeft(settings_of(batch_size=batch_size), ours)
    by_peft = paired_ratios(round_timer(ours), bare.step_s, PAIRS)
    by_loop = paired_ratios(round_timer(ours), round_timer(loop), 5)
    assert ours.parts.bank.trained == list(DEVICES), "every device's head must have trained"
    text = f"batch {batch_size}, time over"
    report.maximum(f"{text} a per-device loop's", statistics.median(by_loop), MAXIMUM_OF_LOOP)
    report.maximum(f"{text} bare peft's", statistics.median(by_peft), MAXIMUM_OF_PEFT)
    for precision, bound in MAXIMUM_OF_PEFT_PACKED.items():
        if precision != "float32" and probe.faster_precision(torch.device("cpu")) != precision:
            report.note(f"{precision} is not twice as fast here, not judged")
            continue
        changes = {"batch_size": batch_size, "precision": precision, "attention": "plain"}
        packed = build(settings_of(**changes), len(DEVICES), streams())
        ratios = paired_ratios(round_timer(packed), bare.step_s, PAIRS)
        report.maximum(f"{text} bare peft's, {precision} packed", statistics.median(ratios), bound)
