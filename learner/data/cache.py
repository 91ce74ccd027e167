"""Tokens of large sets of texts, kept from run to run in a file named after their content."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import transformers
from huggingface_hub.constants import HF_HOME
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.numpy import load, save

# Fewer texts are tokenised sooner than they are worth a file.
WORTH: Final = 5_000


def folder() -> Path:
    """Return where Hugging Face's ``datasets`` keeps what it has prepared, and what is kept here
    too.
    """
    datasets = os.environ.get("HF_DATASETS_CACHE")
    return (Path(datasets) if datasets else Path(HF_HOME) / "datasets") / "airtune-tokens"


def key(tokenizer: Any, max_tokens: int, texts: Sequence[Sequence[str]]) -> str | None:
    """Return a name for what a tokenizer makes of these texts; None where it is not kept."""
    if len(texts[0]) < WORTH or not tokenizer.is_fast:
        return None
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    # What the last call asked for, and not what the tokenizer is.
    for last in ("truncation", "padding"):
        rules.pop(last, None)
    facts = [
        transformers.__version__,
        type(tokenizer).__name__,
        tokenizer.model_input_names,
        max_tokens,
        rules,
    ]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for column in texts:
        for text in column:
            encoded = text.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def read(name: str | None) -> dict[str, ndarray] | None:
    """Return what was kept under a name; None where there is nothing, or nothing that can be
    read.
    """
    if name is None:
        return None
    try:
        return dict(load((folder() / f"{name}.safetensors").read_bytes()))
    except (OSError, ValueError, SafetensorError):
        return None


def write(name: str | None, tokens: Mapping[str, ndarray]) -> None:
    """Keep tokens under a name, all of them or none; a folder that cannot be written is no reason
    to stop.
    """
    if name is None:
        return
    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder(), delete=False) as file:
            file.write(save(dict(tokens)))
        Path(file.name).replace(folder() / f"{name}.safetensors")
