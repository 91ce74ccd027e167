"""Merge of an adapter into its base model, written in the Hugging Face layout."""

from collections.abc import Mapping
from pathlib import Path

import torch

from learner.adapter_files.peft_format import LowRankUpdate
from learner.architectures import ImageArchitecture
from learner.architectures.pretrained import load_image_processor, load_model, load_tokenizer, quiet
from learner.errors import StateError
from learner.precision import Precision
from learner.settings import LearnerSettings


def write_merged(
    folder: Path, updates: Mapping[str, LowRankUpdate], settings: LearnerSettings
) -> None:
    """Write the base model with the updates added to its weights, and its tokenizer or processor.

    Raises:
        LearnerInputError: the base model cannot be loaded.
        StateError: an update does not fit the model.
    """
    settings = settings.decided({"precision": "float32"})
    settings = settings.model_copy(update={"device": "cpu", "attention": "sdpa", "compile": False})
    architecture, model = load_model(settings, Precision.from_settings(settings))
    with torch.no_grad():
        for name, update in updates.items():
            try:
                weight = model.get_submodule(name).weight
            except AttributeError:
                raise StateError(f"'{settings.model}' has no linear module {name}") from None
            product = update.up @ update.down
            if product.shape != weight.shape:
                raise StateError(f"the adapter of {name} does not fit '{settings.model}'")
            weight += update.scale * product.to(weight)
    with quiet():
        model.save_pretrained(folder)
    images = isinstance(architecture, ImageArchitecture)
    processor = (
        load_image_processor(settings.model)
        if images
        else load_tokenizer(settings.model, model.config.vocab_size)
    )
    processor.save_pretrained(folder)
