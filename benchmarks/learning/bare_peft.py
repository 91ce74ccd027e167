"""Training with peft alone, without simulator, heads per device or link."""

from collections.abc import Mapping
from typing import final

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel

from benchmarks.learning.subjects import DEVICES, TARGETS, synchronised_s
from learner.architectures.pretrained import locate
from learner.executor import micro_batches
from learner.settings import LearnerSettings
from learner.split_learner import DeviceLearner


@final
class BarePeft:
    """Training with peft alone: one head, and the same samples in the same micro-batches."""

    def __init__(
        self, settings: LearnerSettings, like: DeviceLearner, attention: str = "sdpa"
    ) -> None:
        self.like = like
        self.settings = settings
        self.device = like.parts.split.precision.device
        base = AutoModel.from_pretrained(
            locate(settings.model),
            add_pooling_layer=False,
            trust_remote_code=False,
            attn_implementation=attention,
        ).to(self.device)
        config = LoraConfig(r=8, lora_alpha=16, target_modules=TARGETS, lora_dropout=0.0)
        self.model = get_peft_model(base, config).eval()
        self.head = nn.Linear(base.config.hidden_size, like.parts.bank.classes).to(self.device)
        weights = [*self.model.parameters(), *self.head.parameters()]
        self._learned = [weight for weight in weights if weight.requires_grad]
        assert sum(weight.numel() for weight in self._learned[:-2]) == like.trainable_parameters, (
            "the same LoRA"
        )
        self.restart()

    def restart(self) -> None:
        """Start with an optimizer without moments."""
        self.optimizer = torch.optim.AdamW(self._learned, lr=1e-3)

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
