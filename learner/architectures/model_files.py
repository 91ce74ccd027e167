"""Model files, checked before transformers opens them: a model may be another person's.

A model is data. No code of it is executed, weights are read from safetensors alone, and no name in
it leads to a file outside its directory. Links in the directory are followed: those of the hub's
cache are links.
"""

import json
import math
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pydantic_core import from_json
from transformers.utils import cached_file

from learner.architectures.base import pair
from learner.architectures.regular_files import require_header
from learner.errors import LearnerInputError, is_unreached, one_line

KEY: Final = "learner.model"
CONFIG: Final = "config.json"
PROCESSOR_FILES: Final = (
    "tokenizer_config.json",
    "tokenizer.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "preprocessor_config.json",
    "processor_config.json",
)
"""Files that transformers reads beside configuration and weights, where a model has them."""
WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
MAXIMUM_CONFIG_BYTES: Final = 16 * 2**20
"""Size of the largest configuration or index; those of the hub have less than 3 MiB."""
MAXIMUM_PROCESSOR_BYTES: Final = 128 * 2**20
"""Size of the largest file of a tokenizer; those of the hub have less than 40 MiB."""
_MAXIMUM_DEPTH: Final = 16
_MAXIMUM_WHOLE: Final = 10**9
_MAXIMA: Final = {"num_hidden_layers": 1000, "n_layers": 1000, "num_labels": 10**6}
"""Maxima of keys for which transformers creates an object each."""
_REFUSED: Final = {
    "quantization_config": "airtune loads no quantised weights; take the model before quantisation",
    "transformers_weights": f"airtune reads {WEIGHTS} or the files of {INDEX}",
}
"""Keys that lead transformers to other files or other packages, and the reason against them."""
_CHAT_TEMPLATES: Final = "additional_chat_templates"
_ADAPTER: Final = "adapter_config.json"


def read_config(model: str, source: str) -> dict[str, Any]:
    """Return the content of ``config.json``, within bounds of size, depth and numbers.

    Raises:
        OSError: there is no such model.
        LearnerInputError: it is not the configuration of a model; one line.
    """
    document = _read_object(model, Path(_required(source, CONFIG)))
    if _is_deep(document):
        raise _unreadable(model, CONFIG, "it is nested too deeply")
    for key, reason in _REFUSED.items():
        if document.get(key) is not None:
            raise _unreadable(model, CONFIG, f"it has {key}; {reason}")
    if not isinstance(document.get("model_type"), str):
        raise _unreadable(model, CONFIG, "it has no model_type, which is a text")
    for key, value in document.items():
        most = _MAXIMA.get(key, _MAXIMUM_WHOLE)
        if isinstance(value, int | float) and not -_MAXIMUM_WHOLE <= value <= most:
            shown = one_line(repr(value), 40)
            problem = f"{one_line(key, 80)} = {shown} is not from {-_MAXIMUM_WHOLE} to {most}"
            raise _unreadable(model, CONFIG, problem)
    if _optional(source, _ADAPTER) is not None:
        raise LearnerInputError(
            KEY, f"'{model}' holds an adapter ({_ADAPTER}); merge it into its model first"
        )
    return document


def require_weights(model: str, source: str, config: Any, itemsize: int) -> None:
    """Check names and size of the weight files against configuration, files and memory.

    ``itemsize`` is the number of bytes of a weight once it is loaded.

    Raises:
        LearnerInputError: the weights are pickles, an index leads out of the directory, or the
            configuration needs more weights than the files or this machine's memory can hold.
    """
    needed = _minimum_weights(model, config)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed * itemsize > memory:
        gib = [f"{number / 2**30:,.1f} GiB" for number in (needed * itemsize, memory)]
        problem = f"the weights of '{model}' need {gib[0]}, and this machine has {gib[1]}"
        raise LearnerInputError(KEY, problem)
    files = _weight_files(model, source)
    size = sum(_size(model, path) for path in files)
    # A weight has at least one byte.
    if needed > size:
        problem = (
            f"the {CONFIG} of '{model}' asks for {needed:,} weights or more, and its files have "
            f"{size:,} bytes"
        )
        raise LearnerInputError(KEY, problem)
    for path in files:
        _require_header(model, path)


def require_processor_files(model: str, source: str) -> None:
    """Check that the files of tokenizer and image processor are regular and not too large.

    No entry of the directory may be a pipe or a device, for which a reader would wait.

    Raises:
        LearnerInputError: one of them is not.
    """
    for folder in (Path(source), Path(source) / _CHAT_TEMPLATES):
        for entry in folder.iterdir() if folder.is_dir() else ():
            if entry.exists() and not entry.is_dir():
                _size(model, entry)
    for name in PROCESSOR_FILES:
        path = _optional(source, name)
        if path is not None:
            _require_size(model, Path(path), MAXIMUM_PROCESSOR_BYTES)


def _minimum_weights(model: str, config: Any) -> int:
    """Return a number of weights that a model of this configuration has at the least.

    The matrices of attention and of the feed-forward network in each layer, and the tables of the
    embedding. Left out: biases, normalisation, pooler.
    """
    try:
        hidden = int(config.hidden_size)
        feed_forward = int(_feed_forward_size(config, hidden))
        layers = int(config.num_hidden_layers) * (4 * hidden**2 + 2 * hidden * feed_forward)
        if hasattr(config, "vocab_size"):
            rows = int(config.vocab_size) + int(config.max_position_embeddings)
            rows += int(getattr(config, "type_vocab_size", 0))
            embedding = rows * int(getattr(config, "embedding_size", hidden))
        else:
            sizes = [pair(config.image_size), pair(config.patch_size)]
            patches = math.prod(image // patch for image, patch in zip(*sizes, strict=True))
            embedding = (patches + math.prod(sizes[1]) * int(config.num_channels)) * hidden
        if min(hidden, feed_forward, embedding, int(config.num_attention_heads)) < 1:
            raise ValueError("a size is not positive")
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise _unreadable(model, CONFIG, f"its sizes do not fit: {one_line(error)}") from error
    return layers + embedding


def _feed_forward_size(config: Any, hidden: int) -> float:
    """Return the width of the feed-forward network, for which architectures have three keys."""
    for key in ("intermediate_size", "hidden_dim"):
        if hasattr(config, key):
            return float(getattr(config, key))
    return float(config.mlp_ratio) * hidden


def _weight_files(model: str, source: str) -> Sequence[Path]:
    single = _optional(source, WEIGHTS)
    if single is not None:
        return [Path(single)]
    index = _optional(source, INDEX)
    if index is None:
        problem = (
            f"'{model}' has no {WEIGHTS}; weights in other files, as pickles (.bin), could execute "
            "code and are not opened; convert them with save_pretrained"
        )
        raise LearnerInputError(KEY, problem, unreached=_is_unreached(source, WEIGHTS))
    entries = _read_object(model, Path(index)).get("weight_map")
    if not isinstance(entries, Mapping) or not entries:
        raise _unreadable(model, INDEX, "it has no weight_map")
    names = dict.fromkeys(map(json.dumps, entries.values()))
    try:
        return [Path(_required(source, _shard(model, json.loads(name)))) for name in names]
    except OSError as error:
        problem = f"the weights of '{model}' cannot be loaded: {one_line(error)}"
        raise LearnerInputError(KEY, problem, unreached=is_unreached(error)) from error


def _shard(model: str, name: object) -> str:
    """Return the name of a weight file of an index, which must stay in the model's directory."""
    if isinstance(name, str) and name.endswith(".safetensors") and name.isprintable():
        path = PurePosixPath(name)
        if not path.is_absolute() and ".." not in path.parts and "\\" not in name:
            return name
    shown = one_line(repr(name), 80)
    raise _unreadable(model, INDEX, f"{shown} is not a safetensors file of its directory")


def _required(source: str, name: str) -> str:
    """Return the path of a file of a model, in its directory or in the cache of the hub."""
    if Path(source).is_dir():
        path = Path(source) / name
        path.stat()
        return str(path)
    path_or_none: str | None = cached_file(source, name)
    if path_or_none is None:
        raise FileNotFoundError(f"{source} has no {name}")
    return path_or_none


def _optional(source: str, name: str) -> str | None:
    try:
        return _required(source, name)
    except OSError:
        return None


def _is_unreached(source: str, name: str) -> bool:
    """Return whether the cache lacks a file of a model for which the hub cannot be asked."""
    try:
        _required(source, name)
    except OSError as error:
        return is_unreached(error)
    return False


def _read_object(model: str, path: Path) -> dict[str, Any]:
    _require_size(model, path, MAXIMUM_CONFIG_BYTES)
    try:
        document = from_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _unreadable(model, path.name, one_line(error)) from error
    if not isinstance(document, dict):
        raise _unreadable(model, path.name, "it is no JSON object")
    return document


def _require_size(model: str, path: Path, maximum: int) -> None:
    if (size := _size(model, path)) > maximum:
        raise _unreadable(model, path.name, f"it has {size:,} bytes, more than {maximum:,}")


def _require_header(model: str, path: Path) -> None:
    """Refuse a weight file whose header is too long, before transformers reads it."""
    try:
        with path.open("rb") as file:
            require_header(file.read(8))
    except (OSError, ValueError) as error:
        raise _unreadable(model, path.name, one_line(error)) from error


def _size(model: str, path: Path) -> int:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable(model, path.name, "it is no regular file")
    return status.st_size


def _is_deep(document: object) -> bool:
    layer = [document]
    for _ in range(_MAXIMUM_DEPTH):
        layer = [
            inner
            for entry in layer
            if isinstance(entry, Mapping | list)
            for inner in (entry.values() if isinstance(entry, Mapping) else entry)
        ]
    return bool(layer)


def _unreadable(model: str, file: str, reason: str) -> LearnerInputError:
    return LearnerInputError(KEY, f"the {file} of '{model}' cannot be read: {reason}")
