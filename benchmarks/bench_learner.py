"""A round of the learner against a per-device loop and against bare peft, and memory against the
number of devices.

MiniLM on SST-2, 20 devices with batches of 16 and 32, on two threads. Claims: at most 0.5 of the
time of the loop over the same batches, each padded to its own longest; at most 1.05 of bare peft
steps over the same length-sorted micro-batches, without simulator or heads; and 10,000 devices
within 100 MB of the memory of 20. On a CUDA device: a BERT-base-sized encoder with 640 samples of
64 tokens, at least 0.4 of the bf16 peak, and again 1.05 of bare peft. All of it, or the parts that
are named: 16, 32, memory, cuda.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

if (here := str(Path(__file__).resolve().parent)) in sys.path:
    sys.path.remove(here)  # this file's name would hide the package that it measures

import numpy as np
import pandas as pd
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, BertConfig, BertModel

from learner.aggregation import MeanAggregator
from learner.architectures.pretrained import load_tokenizer, locate
from learner.executor import micro_batches
from learner.settings import LearnerSettings
from learner.split_learner import SplitLearner, build
from netsim.streams import Streams

DATA: Final = (
    Path(os.environ.get("AIRTUNE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    / "glue"
    / "sst2"
)
DEVICES: Final = range(20)
PAIRS: Final = 15
LOOP_MOST: Final = 0.5
PEFT_MOST: Final = 1.05
MEMORY_MOST_MB: Final = 100
PEAK_LEAST: Final = 0.4
# Dense bf16, as NVIDIA's data sheets give it.
PEAK_FLOPS: Final = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
}
TARGETS: Final = ["query", "key", "value"]


def main() -> int:
    if sys.argv[1:2] == ["--memory"]:
        return measure_memory(int(sys.argv[2]))
    if not DATA.is_dir():
        print(f"learner: no SST-2 in {DATA}; set AIRTUNE_DATA")
        return 1
    torch.set_num_threads(2)
    parts: dict[str, Callable[[], bool]] = {
        "16": lambda: against_others(16),
        "32": lambda: against_others(32),
        "memory": memory,
        "cuda": on_cuda,
    }
    chosen = sys.argv[1:] or list(parts)
    results = [parts[name]() for name in chosen]
    return 0 if all(results) else 1


def settings_of(**changes: object) -> LearnerSettings:
    table: dict[str, object] = {
        "model": "minilm",
        "pooling": "mean",
        "lora": {"rank": 8, "alpha": 16, "targets": TARGETS},
        "optimizer": {"kind": "adamw", "lr": 1e-3},
        "batch_size": 16,
        "evaluate_every": 1,
        "data": {"path": str(DATA), "test_size": 50},
        "device": "cpu",
    }
    return LearnerSettings.model_validate(table | changes)


def streams() -> Callable[..., np.random.Generator]:
    return Streams(1).generator


def against_others(batch_size: int) -> bool:
    """Print both ratios for a batch size; return whether they hold."""
    ours = build(settings_of(batch_size=batch_size), len(DEVICES), streams())
    loop = build(settings_of(batch_size=batch_size, executor="eager"), len(DEVICES), streams())
    bare = BarePeft(settings_of(batch_size=batch_size), ours)
    by_peft = ratio(lambda number: go(ours, number), bare.go, bare.prepared, PAIRS)
    by_loop = ratio(
        lambda number: go(ours, number), lambda number: go(loop, number), lambda number: number, 5
    )
    assert ours.parts.bank.trained == list(DEVICES), "every device's head must have trained"
    print(
        f"batch {batch_size}: {by_loop:.2f} of a per-device loop (at most {LOOP_MOST}), "
        f"{by_peft:.3f} of bare peft (at most {PEFT_MOST})"
    )
    return by_loop <= LOOP_MOST and by_peft <= PEFT_MOST


def go(subject: SplitLearner, number: int) -> None:
    """Carry every device through a round in which everything arrives."""
    for device in DEVICES:
        job = subject.start(device, number)
        for step in ("embed", "encode", "head"):
            subject.computed(job, step)
        subject.delivered(job, "gradient")
    losses = subject.aggregate(MeanAggregator(), number).losses
    assert len(losses) == len(DEVICES), "every device must have learned"


def ratio(
    ours: Callable[[int], object],
    theirs: Callable[[Any], object],
    prepare: Callable[[int], Any],
    pairs: int,
) -> float:
    """Return the median ratio of the times of neighbouring rounds, either first in turn."""
    found = []
    for number in range(pairs + 1):
        prepared = prepare(number)
        steps = [lambda n=number: ours(n), lambda p=prepared: theirs(p)]
        order = (0, 1) if number % 2 else (1, 0)
        taken = dict(zip(order, [timed(steps[which]) for which in order], strict=True))
        if number:  # the first pair warms up
            found.append(taken[0] / taken[1])
    return statistics.median(found)


def timed(action: Callable[[], object]) -> float:
    synchronise()
    start = time.perf_counter()
    action()
    synchronise()
    return time.perf_counter() - start


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


class BarePeft:
    """peft alone: one head, and the same samples in the same length-sorted micro-batches, made
    beforehand.
    """

    def __init__(self, settings: LearnerSettings, like: SplitLearner) -> None:
        self.like, self.settings = like, settings
        self.device = like.parts.split.precision.device
        base = AutoModel.from_pretrained(locate(settings.model), add_pooling_layer=False).to(
            self.device
        )
        config = LoraConfig(r=8, lora_alpha=16, target_modules=TARGETS, lora_dropout=0.0)
        self.model = get_peft_model(base, config).eval()
        self.head = nn.Linear(base.config.hidden_size, like.parts.bank.classes).to(self.device)
        learned = [
            p for p in (*self.model.parameters(), *self.head.parameters()) if p.requires_grad
        ]
        assert sum(p.numel() for p in learned[:-2]) == like.trainable_parameters, "the same LoRA"
        self.optimizer = torch.optim.AdamW(learned, lr=1e-3)

    def prepared(self, number: int) -> list[tuple[dict[str, Tensor], Tensor]]:
        """Return the micro-batches of a round, tokenised, padded and on the device."""
        samples = self.like.parts.samples
        rows = np.concatenate([self.like.partition.minibatch(device, number) for device in DEVICES])
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

    def go(self, batches: list[tuple[Mapping[str, Tensor], Tensor]]) -> None:
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


def memory() -> bool:
    """Print the peak memory of two processes that differ in the number of devices; return whether
    it holds.
    """
    few, many = (
        int(
            subprocess.run(
                [sys.executable, __file__, "--memory", str(count)], capture_output=True, check=True
            ).stdout
        )
        for count in (20, 10_000)
    )
    more_mb = (many - few) / 1e3
    print(
        f"memory: {many / 1e3:.0f} MB with 10,000 devices, {more_mb:+.0f} MB to 20 (at most {MEMORY_MOST_MB})"
    )
    return more_mb <= MEMORY_MOST_MB


def measure_memory(device_count: int) -> int:
    """Print the peak memory of this process, in kB, after three rounds of 20 devices and an
    evaluation.

    Batches are small: what passes through the encoder at once must not hide what the devices take.
    The kernel's ``ru_maxrss`` would hide it too: it counts the process that started this one.
    """
    torch.set_num_threads(1)
    data = {"path": str(DATA), "test_size": 50, "share": 0.05, "overlap": True}
    settings = settings_of(data=data, batch_size=1, micro_batch_tokens=64)
    subject = build(settings, device_count, streams())
    for number in range(3):
        go(subject, number)
    assert subject.evaluate().heads_trained == len(DEVICES)
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    print(status.partition("VmHWM:")[2].split()[0])
    return 0


def on_cuda() -> bool:
    """Print tokens per second, the share of the card's peak and the ratio to bare peft, where there
    is a card.
    """
    if not torch.cuda.is_available():
        print("cuda: no device here, nothing measured")
        return True
    with tempfile.TemporaryDirectory() as folder:
        settings = large(Path(folder))
        ours = build(settings, len(DEVICES), streams())
        bare = BarePeft(settings, ours)
        by_peft = ratio(lambda number: go(ours, number), bare.go, bare.prepared, PAIRS)
        taken = statistics.median(timed(lambda n=number: go(ours, n)) for number in range(PAIRS))
    tokens = len(DEVICES) * settings.batch_size * settings.max_tokens
    share = tokens * flops_per_token(ours, settings.max_tokens) / taken / peak()
    print(
        f"cuda: {tokens / taken:,.0f} tokens/s, {share:.2f} of the card's bf16 peak (at least {PEAK_LEAST}), "
        f"{by_peft:.3f} of bare peft (at most {PEFT_MOST})"
    )
    return share >= PEAK_LEAST and by_peft <= PEFT_MOST


def large(folder: Path) -> LearnerSettings:
    """Write a random encoder of BERT-base's shape and texts of 64 tokens; return the settings that
    use them.
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
    """Return the operations of forward and backward: two each per weight, since frozen weights get
    no gradient.
    """
    config = subject.parts.split.model.config
    weights = sum(
        w.numel()
        for name, w in subject.parts.split.model.encoder.named_parameters()
        if w.dim() == 2
    )
    attention = 4 * length * config.hidden_size * config.num_hidden_layers
    # The backward pass of attention has both its operands to differentiate.
    return 4 * weights + 3 * attention


def peak() -> float:
    name = torch.cuda.get_device_name()
    for known, flops in PEAK_FLOPS.items():
        if known in name:
            return flops
    raise SystemExit(f"learner: the bf16 peak of {name} is not in PEAK_FLOPS")


if __name__ == "__main__":
    sys.exit(main())
