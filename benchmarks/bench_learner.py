"""Cost of a learning round relative to a per-device loop and to bare peft; memory by device count.

MiniLM on SST-2, 20 devices with batches of 8, 16 and 32, on two threads. Claims: at most half the
time of the loop over the same batches, each padded to its own longest; at most 1.05 of bare peft
steps in float32 over the same length-sorted micro-batches, without simulator or heads; with
``attention = "plain"`` at most 0.90 of them, and in bfloat16, where the processor has it, at most
0.38; and 10,000 devices within 100 MB of the memory of 20. On a CUDA device: a BERT-base-sized
encoder with 640 samples of 64 tokens, at least 0.4 of the bf16 peak, and again 1.05 of bare peft.
All parts by default, or those that the command line names.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
import pandas as pd
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, BertConfig, BertModel

from benchmarks import common
from benchmarks.common import SST2, Report, paired_ratios, peak_memory_kb, timed
from learner.aggregation import build_aggregator
from learner.architectures.pretrained import load_tokenizer, locate
from learner.executor import micro_batches
from learner.precision import probe
from learner.settings import LearnerSettings
from learner.split_learner import SplitLearner, build
from netsim.streams import Streams

DEVICES: Final = range(20)
PAIRS: Final = 15
MAXIMUM_OF_LOOP: Final = 0.5
MAXIMUM_OF_PEFT: Final = 1.05
MAXIMUM_OF_PEFT_PACKED: Final = {"float32": 0.90, "bfloat16": 0.38}
MAXIMUM_MEMORY_MB: Final = 100
MINIMUM_OF_PEAK: Final = 0.4
# Dense bf16, from NVIDIA's data sheets.
PEAK_FLOPS: Final = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
}
TARGETS: Final = ["query", "key", "value"]


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


class BarePeft:
    """Training with peft alone: one head, and the same samples in the same micro-batches."""

    def __init__(self, settings: LearnerSettings, like: SplitLearner) -> None:
        self.like = like
        self.settings = settings
        self.device = like.parts.split.precision.device
        base = AutoModel.from_pretrained(
            locate(settings.model), add_pooling_layer=False, trust_remote_code=False
        ).to(self.device)
        config = LoraConfig(r=8, lora_alpha=16, target_modules=TARGETS, lora_dropout=0.0)
        self.model = get_peft_model(base, config).eval()
        self.head = nn.Linear(base.config.hidden_size, like.parts.bank.classes).to(self.device)
        weights = [*self.model.parameters(), *self.head.parameters()]
        learned = [weight for weight in weights if weight.requires_grad]
        assert sum(weight.numel() for weight in learned[:-2]) == like.trainable_parameters, (
            "the same LoRA"
        )
        self.optimizer = torch.optim.AdamW(learned, lr=1e-3)

    def step_s(self, round_number: int) -> float:
        """Return the seconds of the optimizer's step of a round, its batches made beforehand."""
        batches = self.prepared(round_number)
        return synchronised_s(lambda: self.step(batches))

    def prepared(self, round_number: int) -> list[tuple[dict[str, Tensor], Tensor]]:
        """Return the micro-batches of a round, tokenised, padded and on the device."""
        samples = self.like.parts.samples
        rows = np.concatenate(
            [self.like.partition.minibatch(device, round_number) for device in DEVICES]
        )
        return [
            (
                {
                    name: values.to(self.device)
                    for name, values in samples.batch(rows[batch]).items()
                },
                samples.labels_of(rows[batch]).to(self.device),
            )
            for batch in micro_batches.by_length(
                samples.lengths[rows], self.settings.micro_batch_tokens
            )
        ]

    def step(self, batches: list[tuple[Mapping[str, Tensor], Tensor]]) -> None:
        """Make one step of the optimizer along the mean gradient."""
        total = sum(len(labels) for _, labels in batches)
        for batch, labels in batches:
            with self.like.parts.split.precision.autocast():
                states = self.model(**batch).last_hidden_state
                mask = batch["attention_mask"][:, :, None]
                logits = self.head((states * mask).sum(1) / mask.sum(1))
            loss = functional.cross_entropy(logits.float(), labels, reduction="sum") / total
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def memory(report: Report) -> None:
    """Report the peak memory of 10,000 devices beyond that of 20, each in a process."""
    peaks_mb = {}
    for count in (20, 10_000):
        command = [sys.executable, __file__, "--memory", str(count)]
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


PARTS: Final[Mapping[str, Callable[[Report], None]]] = {
    "8": lambda report: against_others(report, 8),
    "16": lambda report: against_others(report, 16),
    "32": lambda report: against_others(report, 32),
    "memory": memory,
    "cuda": on_cuda,
}


if __name__ == "__main__":
    sys.exit(main())
