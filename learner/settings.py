"""The ``[learner]`` table of a scenario: which model learns what, from which data, by which steps."""

from typing import Annotated, Literal, TypeAlias, final

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive: TypeAlias = Annotated[float, Field(gt=0)]
# A step of 1e39 times a gradient is no float32, and torch says so with a traceback.
LearningRate: TypeAlias = Annotated[float, Field(gt=0, le=1e30)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Fraction: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Name: TypeAlias = Annotated[str, Field(min_length=1)]
# TOML arrays arrive as lists, which strict validation would not take for tuples.
Names: TypeAlias = Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]

DataName: TypeAlias = Literal[
    "movie_reviews", "sst2", "mrpc", "qnli", "rte", "cola", "mnli", "qqp", "cifar10"
]


class Table(BaseModel):
    """A table of a scenario file: unknown keys, wrong types and non-finite numbers are refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


@final
class Lora(Table):
    """Low-rank adapters on the server's part of the model: ``W + (alpha / rank) B A``."""

    rank: Count
    """Rank r of every pair of LoRA matrices; the paper takes 8."""
    alpha: Positive
    """LoRA scale: the product B A counts alpha / rank times; the paper takes 16."""
    targets: Names
    """Names of the linear modules of the encoder that get LoRA, in full or by their last parts, such as
    `query` or `pooler.dense`."""
    frozen: bool = False
    """Whether the LoRA matrices stay as they start, so that only the task heads learn (an ablation)."""


@final
class Sgd(Table):
    """Plain gradient descent, the update that the paper prints as (3) and (4)."""

    kind: Literal["sgd"]
    """Name of the optimizer."""
    lr: LearningRate
    """Learning rate; the paper takes 1e-4."""
    momentum: Fraction = 0.0
    """Share of the previous step that is kept; 0 is the paper's update."""


@final
class AdamW(Table):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    kind: Literal["adamw"]
    """Name of the optimizer."""
    lr: LearningRate
    """Learning rate."""
    beta1: Fraction = 0.9
    """Decay of the mean of the gradients, per step."""
    beta2: Fraction = 0.999
    """Decay of the mean of the squared gradients, per step."""
    eps: Positive = 1e-8
    """Added to the root of the mean square, so that the step stays finite."""
    weight_decay: NotNegative = 0.0
    """Share of every weight that is removed per step, times the learning rate."""


Optimizer: TypeAlias = Annotated[Sgd | AdamW, Field(discriminator="kind")]


@final
class Columns(Table):
    """Which columns of a table of samples are the text and the label."""

    text: Annotated[Names, Field(max_length=2)]
    """One column of texts, or two whose texts are read as a pair."""
    label: Name = "label"
    """Column of the class numbers, 0 to C - 1."""


@final
class Data(Table):
    """The labelled samples, and how much of them each device holds."""

    name: DataName | None = None
    """A set known by name: `movie_reviews` is installed with the quickstart, the others are loaded from the
    Hugging Face hub. Excludes `path`."""
    path: Name | None = None
    """A local directory with `train*.parquet` and `validation*.parquet` (or, without that, `test*.parquet`).
    Excludes `name`."""
    columns: Columns | None = None
    """Columns of the files in `path`; by default found by the names that GLUE uses."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the training samples that one device holds; by default 1 / K."""
    overlap: bool = False
    """Whether devices may hold the same samples: each draws its share from all of them."""
    test_size: Count | None = None
    """Number of test samples, drawn once by the seed, that evaluations use; by default all."""

    @model_validator(mode="after")
    def _one_source(self) -> "Data":
        if self.name is not None and self.path is not None:
            raise ValueError("name and path exclude each other; keep one")
        if self.name is None and self.path is None:
            raise ValueError("needs name (a known data set) or path (a local directory)")
        if self.columns is not None and self.path is None:
            raise ValueError("columns belongs to path; a known data set has its own")
        return self


@final
class Heads(Table):
    """The task modules: one linear classifier per device, never averaged."""

    init: Literal["equal", "per_device"] = "equal"
    """Whether all devices start with the same head or each with its own."""


@final
class LearnerSettings(Table):
    """Split fine-tuning: encoder and LoRA on the server, the embedding and a task head on every device."""

    model: Name
    """The pre-trained encoder: `minilm` (installed with the quickstart), a Hugging Face hub id, or a local
    directory."""
    pooling: Literal["pooler", "cls", "mean"]
    """What the heads see of a sequence: the model's own pooler, the first token, or the mean over tokens."""
    lora: Lora
    """Low-rank adapters, the only part of the server's model that learns."""
    optimizer: Optimizer
    """Update rule of the LoRA matrices, and of the heads unless `head_optimizer` is given."""
    head_optimizer: Optimizer | None = None
    """Update rule of the task heads; by default that of the LoRA matrices."""
    batch_size: Count
    """Samples in the minibatch of a scheduled device; the paper takes 32."""
    evaluate_every: Count
    """Rounds from one evaluation to the next."""
    max_tokens: Annotated[int, Field(ge=8)] = 64
    """Tokens after which a sample is cut off, special tokens included."""
    data: Data
    """The labelled samples and their partition."""
    heads: Heads = Heads()
    """The task modules."""
    executor: Literal["batched", "eager"] = "batched"
    """Whether the steps of a round are recorded and run together, or each at once, device by device (slow,
    with the same result)."""
    micro_batch_tokens: Count = 2048
    """Most tokens, padding included, that pass through the encoder at once; a longer sample goes alone."""
    precision: Literal["float32", "float64"] = "float32"
    """Format of all weights and activations; payloads are counted as 32-bit numbers in both."""
