"""What ``int8`` on all legs adds to a learning round: at most 15 % of the same round without
codecs.

MiniLM on SST-2, 20 devices with batches of 16, as in ``benchmarks/bench_learner.py``, in CPU time
on one thread, which other work on the machine disturbs least; neighbouring rounds take turns, and
the ratio is the median of the pairs.
"""

import runpy
import statistics
import sys
from pathlib import Path
from time import process_time
from typing import Final

if (here := str(Path(__file__).resolve().parent)) in sys.path:
    sys.path.remove(here)  # its learner.py would hide the package

import torch

from learner.split_learner import SplitLearner, build

COMMON: Final = runpy.run_path(str(Path(__file__).with_name("bench_learner.py")))
PAIRS: Final = 9
MOST: Final = 1.15


def main() -> int:
    if not COMMON["DATA"].is_dir():
        print(f"codec: no SST-2 in {COMMON['DATA']}; set AIRTUNE_DATA")
        return 1
    torch.set_num_threads(1)
    plain, coded = (made(codec) for codec in ({}, {"default": {"kind": "int8"}}))
    ratios = [pair(coded, plain, number) for number in range(PAIRS + 1)][
        1:
    ]  # the first pair warms up
    taken = statistics.median(ratios)
    for subject in (plain, coded):
        assert subject.parts.bank.trained == list(COMMON["DEVICES"]), (
            "every device's head must have trained"
        )
    pairs = zip(plain.parts.split.adapters, coded.parts.split.adapters, strict=True)
    assert all((a.up - b.up).any() for a, b in pairs), (
        "what int8 loses must have changed what LoRA learned"
    )
    bits = [sum(subject.payload(0, 1)) for subject in (coded, plain)]
    print(
        f"codec: a learning round with int8 on all legs takes {taken:.3f} times that without (at most {MOST}); "
        f"pairs {min(ratios):.3f} to {max(ratios):.3f}, bits {bits[0] / bits[1]:.3f}"
    )
    return 0 if taken <= MOST else 1


def pair(coded: SplitLearner, plain: SplitLearner, number: int) -> float:
    """Return the ratio of two neighbouring rounds, either first in turn."""
    spent_s = {}
    for subject in (coded, plain) if number % 2 else (plain, coded):
        began_s = process_time()
        COMMON["go"](subject, number)
        spent_s[subject] = process_time() - began_s
    return spent_s[coded] / spent_s[plain]


def made(codec: dict[str, object]) -> SplitLearner:
    subject: SplitLearner = build(
        COMMON["settings_of"](codec=codec), len(COMMON["DEVICES"]), COMMON["streams"]()
    )
    return subject


if __name__ == "__main__":
    sys.exit(main())
