"""Cache of tokenised texts, kept between runs in files named by a hash of their content."""

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
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

# Tokenising fewer texts takes less time than a file is worth.
MIN_TEXTS: Final = 5_000


def folder() -> Path:
    """Return the cache folder, inside that of Hugging Face's ``datasets``."""
    datasets = os.environ.get("HF_DATASETS_CACHE")
    return (Path(datasets) if datasets else Path(HF_HOME) / "datasets") / "airtune-tokens"


def key(tokenizer: Any, max_tokens: int, texts: Sequence[Sequence[str]]) -> str | None:
    """Return the cache key of these texts under a tokenizer; None if they are not cached."""
    if len(texts[0]) < MIN_TEXTS or not tokenizer.is_fast:
        return None
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    # Settings of the last call, not of the tokenizer.
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
    """Return the tokens cached under a name; None if there are none, or the file is damaged.

    The arrays are the file, mapped into memory: runs on one machine share its pages.
    """
    if name is None:
        return None
    try:
        with safe_open(folder() / f"{name}.safetensors", framework="pt") as file:
            names = file.keys()
            return {column: file.get_tensor(column).numpy() for column in names}
    except (OSError, ValueError, SafetensorError):
        return None


def write(name: str | None, tokens: Mapping[str, ndarray]) -> None:
    """Write tokens to the cache atomically; a folder that cannot be written is ignored."""
    if name is None:
        return
    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder(), delete=False) as file:
            file.write(save(dict(tokens)))
        Path(file.name).replace(folder() / f"{name}.safetensors")
