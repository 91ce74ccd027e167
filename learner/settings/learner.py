"""Learner table of a scenario: model, LoRA, optimizer, data and execution."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, final

from pydantic import Field, field_validator, model_validator

from learner.settings.base import Count, Name, Names, Positive, Settings, source
from learner.settings.codec import Codecs
from learner.settings.data import Data
from learner.settings.optimizer import Optimizer

AGGREGATORS: Final = {"factors": "learner.aggregation.mean:MeanAggregator"}
"""Built-in aggregators by name: the places of their classes."""
CHOICES: Final = {"precision": ("float32", "bfloat16"), "attention": ("sdpa", "plain")}
"""Values among which ``auto`` chooses."""


@final
class Lora(Settings):
    """Low-rank adapters on the server's part of the model: ``W + scale B A``."""

    rank: Annotated[Count, source("paper, section V-A")]
    """Rank r of every pair of LoRA matrices; the paper takes 8."""
    alpha: Annotated[Positive, source("paper, section V-A")]
    """LoRA scale: the product B A is multiplied by alpha / rank; the paper takes 16."""
    targets: Annotated[Name | Names | None, source("paper, section V-A")] = None
    """Linear modules of the encoder that get LoRA: a list of names, in full or by their last parts,
    such as `query` or `pooler.dense`, or one regular expression that a full name must match; by
    default the architecture's query and value.
    """
    layers: (
        Annotated[
            tuple[Annotated[int, Field(ge=0, le=2**53)], ...], Field(strict=False, min_length=1)
        ]
        | None
    ) = None
    """Numbers of the encoder's layers that get LoRA, the first being 0; by default all. Targets
    outside the numbered layers, such as `pooler.dense`, keep it.
    """
    rslora: Annotated[bool, source("cited, Kalajdzievski 2023")] = False
    """Whether the product B A is multiplied by alpha / sqrt(rank) instead (Kalajdzievski, 2023)."""
    dropout: float = 0.0
    """Always 0: its masks would differ between devices run together and one by one."""
    start: Name | None = None
    """Directory of an adapter in peft's format, with which training begins: that of an
    `airtune export` or of any peft model with the same modules, rank and alpha. Heads start anew.
    """
    aggregation: Name = "factors"
    """Rule that combines the updates of the devices: `factors` (the mean of both low-rank factors,
    weighted as `weights` says), or `package.module:Class`, an Aggregator of your own.
    """
    frozen: bool = False
    """Whether the LoRA matrices stay as they start, so that only the task heads learn (an
    ablation).
    """

    @property
    def scale(self) -> float:
        """Factor on the product B A."""
        return self.alpha / (self.rank**0.5 if self.rslora else self.rank)

    @field_validator("dropout")
    @classmethod
    def _no_dropout(cls, dropout: float) -> float:
        if dropout:
            raise ValueError(
                f"{dropout:g} is not 0: dropout masks would differ between devices run together "
                "and "
                "one by one"
            )
        return dropout

    @field_validator("aggregation")
    @classmethod
    def _known_aggregation(cls, kind: str) -> str:
        if kind not in AGGREGATORS and not re.fullmatch(r"[\w.]+:\w+", kind):
            names = ", ".join(f"'{name}'" for name in AGGREGATORS)
            raise ValueError(f"'{kind}' is not {names} or 'package.module:Class'")
        return kind

    @field_validator("targets")
    @classmethod
    def _readable(cls, targets: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if isinstance(targets, str):
            try:
                re.compile(targets)
            except re.error as error:
                raise ValueError(f"'{targets}' is no regular expression: {error}") from None
        return targets


@final
class Heads(Settings):
    """Task heads: one linear classifier per device, never averaged."""

    init: Literal["equal", "per_device"] = "equal"
    """Initial heads: `equal` on all devices, or drawn `per_device`."""
    train: Annotated[Literal["scheduled", "all", "none"], source("paper, (3)")] = "scheduled"
    """Heads that learn in a round: those of the scheduled devices (the paper), those of all K
    devices, or none. With `all`, the features of the other devices are computed without a transfer.
    `all` and `none` are ablations: a head's number of steps does not depend on the schedule.
    """


@final
class LearnerSettings(Settings):
    """Split fine-tuning: encoder and LoRA on the server, embedding and task heads on devices."""

    model: Annotated[Name, source("paper, section V-A")]
    """The pre-trained encoder: `minilm` (installed with the quickstart), a Hugging Face hub id, or
    a local directory.
    """
    architecture: Name | None = None
    """Architecture of your own, `package.module:Class`; by default that of the model's type: built
    in, or registered by an installed package.
    """
    pooling: Literal["pooler", "cls", "mean", "cls_mean"]
    """Pooled output, the input of the heads: the model's own pooler, the first token, the mean over
    tokens (over the patches of an image), or first token and mean side by side.
    """
    lora: Annotated[Lora, source("paper, section II-A")]
    """Low-rank adapters, the only part of the server's model that learns."""
    optimizer: Annotated[Optimizer, source("paper, (3) and (4)")]
    """Update rule of the LoRA matrices, and of the heads unless `head_optimizer` is given."""
    head_optimizer: Optimizer | None = None
    """Update rule of the task heads; by default that of the LoRA matrices."""
    batch_size: Annotated[Count, source("paper, section V-A")]
    """Samples in the minibatch of a scheduled device; the paper takes 32."""
    local_batches: Count = 1
    """Minibatches per device and round: their embeddings are sent together, the head makes a step
    on each in turn, and the gradient of each minibatch is taken before its step.
    """
    weights: Annotated[Literal["uniform", "samples"], source("paper, (4)")] = "uniform"
    """Weights of the updates that arrived: `uniform`, (4) of the paper, or the number of `samples`
    that a device holds (FedAvg).
    """
    evaluate_every: Count
    """Rounds from one evaluation to the next."""
    max_tokens: Annotated[int, Field(ge=8, le=2**53)] = 64
    """Tokens after which a sample is cut off, special tokens included."""
    data: Data
    """Labelled samples and their partition."""
    heads: Annotated[Heads, source("paper, section II-A")] = Heads()
    """Task heads."""
    codec: Codecs = Codecs()
    """Codec of each leg of the link; also in evaluations, and for heads that learn without a
    transfer.
    """
    executor: Literal["batched", "eager"] = "batched"
    """Execution of the steps: `batched` defers them and runs all devices together; `eager` runs
    each step at once, device by device (slow, with the same result). With `fedavg_lora`, `batched`
    trains several devices in one pass.
    """
    micro_batch_tokens: Count = 2048
    """Maximum number of tokens, padding included, in one pass of the encoder; a longer sample runs
    alone.
    """
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """PyTorch device of the model; `auto` takes a CUDA device if there is one."""
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "float32"
    """Number format; `bfloat16` keeps LoRA, heads and sums in float32 (autocast). `auto` takes
    bfloat16 where a short measurement finds its matrix products at least twice as fast as those of
    float32, and float32 elsewhere. Payloads without a codec count 32 bits per number in each of
    them.
    """
    attention: Literal["auto", "sdpa", "plain", "flash"] = "sdpa"
    """Attention of the encoder: `sdpa` is PyTorch's fused attention on padded batches; `plain` is
    two matrix products on packed batches, whose linear layers compute no padding; `flash` is the
    package flash-attn (on CUDA, in bfloat16). `auto` measures and takes the faster of `sdpa` and
    `plain` at the lengths of the training samples.
    """
    compile: bool = False
    """Whether the encoder is compiled, which takes minutes before the first round and needs a C++
    compiler (on CUDA, a C compiler).
    """
    deterministic: bool = False
    """Whether to use deterministic algorithms only. A CPU run is deterministic in any case, at a
    fixed number of threads.
    """

    def decided(self, numerics: Mapping[str, str]) -> "LearnerSettings":
        """Return the settings with these choices for the keys that say ``auto``.

        A value that ``auto`` never chooses is ignored.
        """
        chosen = {
            key: numerics[key]
            for key, choices in CHOICES.items()
            if getattr(self, key) == "auto" and numerics.get(key) in choices
        }
        return self.model_copy(update=chosen)

    @model_validator(mode="after")
    def _flash_fits(self) -> "LearnerSettings":
        if self.attention == "flash" and (self.precision != "bfloat16" or self.device == "cpu"):
            raise ValueError("attention = 'flash' needs precision = 'bfloat16' and a CUDA device")
        return self

    @model_validator(mode="after")
    def _auto_is_not_deterministic(self) -> "LearnerSettings":
        for key in ("precision", "attention"):
            if self.deterministic and getattr(self, key) == "auto":
                raise ValueError(
                    f"{key} = 'auto' is measured on each machine, which deterministic = true "
                    "excludes; name one"
                )
        return self
