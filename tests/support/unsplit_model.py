"""Unsplit reference model with heads: the target of the split model, built by other means."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel

from learner.settings import LearnerSettings
from learner.split_learner import SplitLearner

# Tokens at the start of an image: [CLS], and DeiT's distillation token.
SPECIAL = {"vit": 1, "deit": 2, "dinov2": 1}


class Unsplit:
    """Hugging Face's own forward pass with ``W + scale B A`` put in by hand, and heads on top."""

    def __init__(
        self, subject: SplitLearner, settings: LearnerSettings, devices: Sequence[int]
    ) -> None:
        kind = AutoConfig.from_pretrained(settings.model, trust_remote_code=False).model_type
        # The plain attention of transformers takes ViT's softmax in float32.
        attention = "sdpa" if kind in ("vit", "deit") else "eager"
        self.model = AutoModel.from_pretrained(
            settings.model,
            dtype=torch.float64,
            attn_implementation=attention,
            trust_remote_code=False,
        )
        self.model.eval().requires_grad_(requires_grad=False)
        self.pooling = settings.pooling
        rank = settings.lora.rank
        self.scale = settings.lora.alpha / (rank**0.5 if settings.lora.rslora else rank)
        self.pairs = {
            pair.module: (leaf(pair.down), leaf(pair.up)) for pair in subject.parts.split.adapters
        }
        self.heads = {}
        for device in devices:
            stack = subject.parts.bank.stack([device])
            self.heads[device] = (leaf(stack.weight[0]), leaf(stack.bias[0]))
        for name, (down, up) in self.pairs.items():
            self.model.get_submodule(name).register_forward_hook(self.adapted(down, up))

    def adapted(self, down: Tensor, up: Tensor) -> object:
        def hook(module: nn.Linear, args: tuple[Tensor], output: Tensor) -> Tensor:
            return functional.linear(args[0], module.weight + self.scale * up @ down, module.bias)

        return hook

    def pooled(self, batch: Mapping[str, Tensor]) -> Tensor:
        output = self.model(**batch)
        states = output.last_hidden_state
        if self.pooling == "pooler":
            return output.pooler_output
        if self.pooling == "cls":
            return states[:, 0]
        if "attention_mask" in batch:
            mask = batch["attention_mask"][:, :, None]
            mean = (states * mask).sum(1) / mask.sum(1)
        else:
            mean = states[:, SPECIAL[self.model.config.model_type] :].mean(1)
        return mean if self.pooling == "mean" else torch.cat([states[:, 0], mean], 1)

    def loss(self, device: int, batch: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        weight, bias = self.heads[device]
        return functional.cross_entropy(self.pooled(batch) @ weight.T + bias, labels)


def leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().double().clone().requires_grad_()


def lora_values(subject: SplitLearner) -> dict[str, tuple[Tensor, Tensor]]:
    return {
        pair.module: (pair.down.detach().clone(), pair.up.detach().clone())
        for pair in subject.parts.split.adapters
    }
