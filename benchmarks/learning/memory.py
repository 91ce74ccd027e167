"""Peak memory of a learner by its number of devices."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import torch

from benchmarks.common import SST2, Report, peak_memory_kb
from benchmarks.learning.subjects import DEVICES, settings_of, streams, train_round
from learner.split_learner import build

MAXIMUM_MEMORY_MB: Final = 100
BENCHMARK: Final = Path(__file__).resolve().parents[1] / "bench_learner.py"


def memory(report: Report) -> None:
    """Report the peak memory of 10,000 devices beyond that of 20, each in a process."""
    peaks_mb = {}
    for count in (20, 10_000):
        command = [sys.executable, str(BENCHMARK), "--memory", str(count)]
        done = subprocess.run(command, capture_output=True, check=True)
        peaks_mb[count] = int(done.stdout) / 1e3
    more_mb = peaks_mb[10_000] - peaks_mb[20]
    text = f"MB of 10,000 devices beyond the {peaks_mb[20]:.0f} MB of 20"
    report.maximum(text, more_mb, MAXIMUM_MEMORY_MB)


def print_memory(device_count: int) -> int:
    """Print the peak memory in kB after three rounds of 20 devices and an evaluation.

    Batches are small, so that their activations do not hide the memory of the devices.
    """
    torch.set_num_threads(1)
    data = {"path": str(SST2), "test_size": 50, "share": 0.05, "overlap": True}
    settings = settings_of(data=data, batch_size=1, micro_batch_tokens=64)
    subject = build(settings, device_count, streams())
    for round_number in range(3):
        train_round(subject, round_number)
    assert subject.evaluate().heads_trained == len(DEVICES)
    print(peak_memory_kb())
    return 0
