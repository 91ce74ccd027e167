"""Cost of a learning round relative to a per-device loop and to bare peft; memory by device count.

MiniLM on SST-2, 20 devices with batches of 8, 16 and 32, on two threads. Claims: at most half the
time of the loop over the same batches, each padded to its own longest; at most 1.05 of bare peft
steps in float32 over the same length-sorted micro-batches, without simulator or heads; with
``attention = "plain"`` at most 0.90 of them, and in bfloat16, where the processor has it, at most
0.38; and 10,000 devices within 100 MB of the memory of 20. On a CUDA device: a BERT-base-sized
encoder with 640 samples of 64 tokens, at least 0.4 of the bf16 peak, and again 1.05 of bare peft.
All parts by default, or those that the command line names.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import torch

from benchmarks import common
from benchmarks.common import SST2, Report
from benchmarks.learning.cuda import on_cuda
from benchmarks.learning.federated import federated
from benchmarks.learning.memory import memory, print_memory
from benchmarks.learning.split_rounds import against_others


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ratios; return the exit status."""
    parser = common.parser(__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--memory", type=int, metavar="K", help="only print memory of K devices")
    given = parser.parse_args(arguments)
    report = Report("learner")
    if given.memory:
        return print_memory(given.memory)
    if given.against:
        common.against(report, given.against, ["learner"], given.pairs)
    elif not SST2.is_dir():
        report.missing(f"no SST-2 in {SST2}; set AIRTUNE_DATA")
    else:
        torch.set_num_threads(2)
        for part in given.parts or PARTS:
            PARTS[part](report)
    return report.status


PARTS: Final[Mapping[str, Callable[[Report], None]]] = {
    "8": lambda report: against_others(report, 8),
    "16": lambda report: against_others(report, 16),
    "32": lambda report: against_others(report, 32),
    "federated": federated,
    "memory": memory,
    "cuda": on_cuda,
}


if __name__ == "__main__":
    sys.exit(main())
