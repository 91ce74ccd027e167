"""The parts of a learner, from its settings."""

from typing import Any

import torch
from torch import nn

from learner import optimizers
from learner.architectures import ImageArchitecture, SplitArchitecture
from learner.architectures.pretrained import load_image_processor, load_model, load_tokenizer
from learner.codec import build_link
from learner.data import Dataset, LabelledDataset, Partition, load, prepare, tokenize
from learner.errors import LearnerInputError
from learner.executor import LearnerComponents
from learner.heads import HeadBank
from learner.lora import attach
from learner.precision import Precision, resolve
from learner.rng import RngFactory
from learner.settings import IMAGES, LearnerSettings
from learner.split import Split


def build_components(
    settings: LearnerSettings, device_count: int, rng: RngFactory
) -> tuple[LearnerComponents, Partition, Dataset]:
    """Load model and data; return what learns, who holds which samples, and the test set.

    Raises LearnerInputError where one cannot be had, or does not fit the others.
    """
    precision = resolve(settings)
    family, model = load_model(settings, precision)
    adapters = attach(model, family, settings.lora, rng)
    compiled = torch.compile(family.encode, dynamic=True) if settings.compile else None
    split = Split(family, model, settings.pooling, adapters, precision, compiled)

    link = build_link(settings.codec, split.embedding_width, split.feature_width)

    # Before a set of the wrong kind is loaded, where its name tells.
    _require_input(family, settings.data.name in IMAGES if settings.data.is_known else None)
    labelled, labelled_test, classes = load(settings.data, rng)
    _require_input(family, bool(labelled.images))
    partition = Partition(
        settings.data,
        labelled,
        device_count=device_count,
        batch_size=settings.batch_size,
        local_batches=settings.local_batches,
        rng=rng,
    )
    samples, test = _read(settings, family, model, labelled, labelled_test)
    matrices = (
        [] if settings.lora.frozen else [m for pair in adapters for m in (pair.down, pair.up)]
    )
    parts = LearnerComponents(
        split=split,
        link=link,
        bank=_bank(settings, split, classes, precision, rng),
        samples=samples,
        partition=partition,
        lora_optimizer=_optimizer(settings, matrices),
        lora_rule=settings.optimizer,
        micro_batch_tokens=settings.micro_batch_tokens,
        local_batches=settings.local_batches,
    )
    return parts, partition, test


def _require_input(family: SplitArchitecture, are_images: bool | None) -> None:
    if are_images is not None and are_images != isinstance(family, ImageArchitecture):
        given, read = ("images", "text") if are_images else ("text", "images")
        raise LearnerInputError(
            "learner.data", f"the samples are {given}, and the model reads {read}"
        )


def _read(
    settings: LearnerSettings, family: SplitArchitecture, model: Any, *sets: LabelledDataset
) -> list[Dataset]:
    """Return the sets of samples in the form that the model reads."""
    if isinstance(family, ImageArchitecture):
        processor = load_image_processor(settings.model)
        return [prepare(each, processor, family, model.config) for each in sets]
    tokenizer = load_tokenizer(settings.model, model.config.vocab_size)
    return [tokenize(each, tokenizer, settings.max_tokens) for each in sets]


def _bank(
    settings: LearnerSettings, split: Split, classes: int, precision: Precision, rng: RngFactory
) -> HeadBank:
    return HeadBank(
        hidden=split.feature_width,
        classes=classes,
        heads=settings.heads,
        optimizer=settings.head_optimizer or settings.optimizer,
        precision=precision,
        rng=rng,
    )


def _optimizer(
    settings: LearnerSettings, matrices: list[nn.Parameter]
) -> torch.optim.Optimizer | None:
    return optimizers.create(settings.optimizer, matrices) if matrices else None
