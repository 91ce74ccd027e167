"""Cost of ``int8`` on all legs in a learning round, relative to the same round without codecs.

MiniLM on SST-2, 20 devices with batches of 16, as in ``benchmarks/bench_learner.py``, in processor
time on one thread, which other work on the machine disturbs little. The bound holds for the median
of neighbouring rounds.
"""

import statistics
import sys
from collections.abc import Callable
from typing import Final

import torch

from benchmarks.common import SST2, Report, paired_ratios, timed
from benchmarks.learning.subjects import DEVICES, settings_of, streams, train_round
from learner.split_learner import SplitLearner, build

PAIRS: Final = 9
MAXIMUM_RATIO: Final = 1.15


def learner_with(codec: dict[str, object]) -> SplitLearner:
    """Return the split learner with codecs."""
    return build(settings_of(codec=codec), len(DEVICES), streams())


def round_timer(subject: SplitLearner) -> Callable[[int], float]:
    """Return a function that carries out a round and returns its processor time."""
    return lambda round_number: timed(lambda: train_round(subject, round_number))


def measure(report: Report) -> None:
    """Report the ratio, after a check that the codec changed the learning."""
    plain = learner_with({})
    coded = learner_with({"default": {"kind": "int8"}})
    ratios = paired_ratios(round_timer(coded), round_timer(plain), PAIRS)
    for subject in (plain, coded):
        trained = subject.parts.bank.trained
        assert trained == list(DEVICES), "every device's head must have trained"
    pairs = zip(plain.parts.split.adapters, coded.parts.split.adapters, strict=True)
    assert all((a.up - b.up).any() for a, b in pairs), "the loss of int8 must have changed LoRA"
    bits = [sum(subject.leg_bits(0, 1).values()) for subject in (coded, plain)]
    report.note(f"bits with int8 over bits without: {bits[0] / bits[1]:.3f}")
    text = f"time with int8 over time without, pairs {min(ratios):.3f} to {max(ratios):.3f}"
    report.maximum(text, statistics.median(ratios), MAXIMUM_RATIO)


def main() -> int:
    """Print the ratio; return the exit status."""
    report = Report("codec")
    if SST2.is_dir():
        torch.set_num_threads(1)
        measure(report)
    else:
        report.missing(f"no SST-2 in {SST2}; set AIRTUNE_DATA")
    return report.status


if __name__ == "__main__":
    sys.exit(main())
