"""Builder of a learner's components from its settings."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import nn

from learner import optimizers
from learner.architectures import ImageArchitecture, SplitArchitecture
from learner.architectures.attention_probe import faster_attention
from learner.architectures.packing import PLAIN
from learner.architectures.pretrained import load_image_processor, load_model, load_tokenizer
from learner.codec import SplitLink, build_link, require_codecs
from learner.data import Dataset, LabelledDataset, Panel, Partition, load, prepare, tokenize
from learner.data.panel import MAXIMUM_SAMPLES
from learner.errors import LearnerInputError, one_line
from learner.executor import LearnerComponents
from learner.executor.frozen_features import FrozenFeatures
from learner.heads import HeadBank
from learner.lora import attach, require_start
from learner.precision import Precision
from learner.rng import RngFactory
from learner.settings import IMAGES, LearnerSettings
from learner.settings.plugins import Load
from learner.split import Split


def build_components(
    settings: LearnerSettings,
    device_count: int,
    rng: RngFactory,
    *,
    load_module: Load = import_module,
) -> tuple[LearnerComponents, Partition, Dataset]:
    """Load model and data; return the components, the partition and the test set.

    ``load_module`` imports the modules of plug-ins.

    Raises:
        LearnerInputError: one cannot be loaded, or does not fit the others.
    """
    precision = Precision.from_settings(settings)
    # What needs no model is looked at first: a model of the hub may be out of reach.
    require_codecs(settings.codec, load=load_module)
    require_start(settings.lora)
    architecture, model = load_model(settings, precision, load=load_module)
    adapters = attach(model, architecture, settings.lora, rng=rng)
    compiled = torch.compile(architecture.encode, dynamic=True) if settings.compile else None
    split = Split(
        architecture,
        model,
        settings.pooling,
        adapters=adapters,
        precision=precision,
        compiled=compiled,
    )

    link = build_link(settings.codec, split.embedding_width, split.feature_width, load=load_module)

    # Known data sets are checked before they are loaded.
    _require_input(architecture, settings.data.name in IMAGES if settings.data.is_known else None)
    labelled, labelled_test, classes = load(settings.data, rng)
    _require_input(architecture, bool(labelled.images))
    partition = Partition(
        settings.data,
        labelled,
        device_count=device_count,
        batch_size=settings.batch_size,
        local_batches=settings.local_batches,
        rng=rng,
        load=load_module,
    )
    samples, test = _prepare_sets(settings, architecture, model, sets=[labelled, labelled_test])
    if settings.attention == "auto":
        _choose_attention(split, samples, settings.micro_batch_tokens)
    split.store_frozen_weights()
    _require_computable(settings.model, split, samples)
    matrices = (
        [] if settings.lora.frozen else [m for pair in adapters for m in (pair.down, pair.up)]
    )
    parts = LearnerComponents(
        split=split,
        link=link,
        bank=_bank(settings, split, classes, precision=precision, rng=rng),
        samples=samples,
        partition=partition,
        panel=Panel.drawn(partition, min(len(test), MAXIMUM_SAMPLES), rng),
        lora_optimizer=_optimizer(settings, matrices),
        lora_rule=settings.optimizer,
        frozen_features=_frozen_features(settings, split, link, samples=samples),
        micro_batch_tokens=settings.micro_batch_tokens,
        local_batches=settings.local_batches,
    )
    return parts, partition, test


def _require_input(architecture: SplitArchitecture, are_images: bool | None) -> None:
    if are_images is not None and are_images != isinstance(architecture, ImageArchitecture):
        given, expected = ("images", "text") if are_images else ("text", "images")
        raise LearnerInputError(
            "learner.data", f"the samples are {given}, and the model reads {expected}"
        )


def _prepare_sets(
    settings: LearnerSettings,
    architecture: SplitArchitecture,
    model: Any,
    sets: list[LabelledDataset],
) -> list[Dataset]:
    """Return the sets of samples as inputs of the model."""
    if isinstance(architecture, ImageArchitecture):
        processor = load_image_processor(settings.model)
        return [
            prepare(labelled, processor, architecture, config=model.config) for labelled in sets
        ]
    vocabulary = model.config.vocab_size
    tokenizer = load_tokenizer(settings.model, vocabulary)
    segments = getattr(model.config, "type_vocab_size", None)
    return [
        tokenize(labelled, tokenizer, settings.max_tokens, vocabulary=vocabulary, segments=segments)
        for labelled in sets
    ]


def _require_computable(model: str, split: Split, samples: Dataset) -> None:
    """Compute the longest sample once: sizes of a configuration may not fit each other.

    Raises:
        LearnerInputError: the model cannot compute it.
    """
    longest = np.array([int(np.argmax(samples.lengths))])
    try:
        with torch.no_grad():
            replace(split, compiled=None).encode(split.embed(samples.batch(longest)))
    except torch.OutOfMemoryError:
        raise
    # A model that does not fit its configuration raises anything.
    except Exception as error:
        problem = f"'{model}' cannot compute a sample: {one_line(error)}"
        raise LearnerInputError("learner.model", problem) from error


def _choose_attention(split: Split, samples: Dataset, token_budget: int) -> None:
    """Give the model the faster attention at the lengths of the training samples."""
    if PLAIN not in split.architecture.attentions:
        return
    chosen = faster_attention(
        samples.lengths,
        split.model.config,
        token_budget,
        dtype=split.precision.autocast_dtype or split.precision.dtype,
        device=split.precision.device,
    )
    if chosen == "plain":
        split.model.set_attn_implementation(PLAIN)


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


def _frozen_features(
    settings: LearnerSettings, split: Split, link: SplitLink, samples: Dataset
) -> FrozenFeatures | None:
    if not settings.lora.frozen or settings.executor == "eager":
        return None
    if not FrozenFeatures.fit(split, link, samples):
        return None
    return FrozenFeatures(split, link, samples, settings.micro_batch_tokens)


def _optimizer(
    settings: LearnerSettings, matrices: list[nn.Parameter]
) -> torch.optim.Optimizer | None:
    return optimizers.create(settings.optimizer, matrices) if matrices else None
