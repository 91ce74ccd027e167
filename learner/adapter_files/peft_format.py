"""Adapter in peft's format: ``adapter_config.json`` and ``adapter_model.safetensors``."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import torch
from jaxtyping import Float
from peft import LoraConfig
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from learner.architectures.regular_files import read_regular, require_header
from learner.errors import StateError, one_line

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"
_MAXIMUM_CONFIG_BYTES: Final = 8 * 2**20
_PUBLIC_NAMES: Final = {"minilm": "sentence-transformers/all-MiniLM-L6-v2"}
"""Names on the hub of the models that a package of Python brings."""
_PREFIX: Final = "base_model.model."
_MATRIX: Final = re.compile(r"base_model\.model\.([\w.]+)\.lora_([AB])\.weight")
_PLAIN: Final = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "use_dora": (False,),
    "use_qalora": (False,),
    "lora_bias": (False,),
    "fan_in_fan_out": (False,),
    "modules_to_save": (None, []),
    "target_parameters": (None, []),
}
"""Keys of the configuration, and the values with which a module acts as ``W + scale B A``."""


@final
@dataclass(frozen=True, eq=False)
class LowRankUpdate:
    """Low-rank update of a module: its weight acts as ``W + scale up down``."""

    down: Float[Tensor, "r in"]
    """Matrix A."""
    up: Float[Tensor, "out r"]
    """Matrix B."""
    scale: float

    @property
    def rank(self) -> int:
        """Rank r of the update."""
        return int(self.down.shape[0])


def public_name(model: str) -> str:
    """Return the name or path with which ``from_pretrained`` finds a model without airtune."""
    return _PUBLIC_NAMES.get(model, model)


def write_adapter(folder: Path, updates: Mapping[str, LowRankUpdate], model: str) -> None:
    """Write the updates, by the full names of their modules, so that peft loads them.

    Where ranks or scales differ, ``rank_pattern`` and ``alpha_pattern`` give those of each module
    that has not the most frequent ones.
    """
    ranks = {name: update.rank for name, update in updates.items()}
    alphas = {name: update.scale * update.rank for name, update in updates.items()}
    rank, alpha = (Counter(values.values()).most_common(1)[0][0] for values in (ranks, alphas))
    config = LoraConfig(
        base_model_name_or_path=public_name(model),
        r=rank,
        lora_alpha=_whole(alpha),
        target_modules=sorted(updates),
        rank_pattern={name: value for name, value in ranks.items() if value != rank},
        alpha_pattern={name: _whole(value) for name, value in alphas.items() if value != alpha},
        inference_mode=True,
    )
    document = config.to_dict() | {"target_modules": sorted(updates)}
    text = json.dumps(document, indent=2, sort_keys=True, default=str)
    (folder / CONFIG).write_text(f"{text}\n", encoding="utf-8")
    tensors = {}
    for name, update in updates.items():
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = _copied(update.down)
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = _copied(update.up)
    (folder / WEIGHTS).write_bytes(save(tensors, {"format": "pt"}))


def read_adapter(folder: Path) -> dict[str, LowRankUpdate]:
    """Return the low-rank update of each module of an adapter, by the module's full name.

    The files are data only: no class or module that the configuration names is imported.

    Raises:
        StateError: a file is missing or damaged, or the adapter is not plain LoRA.
    """
    config = _read_config(folder / CONFIG)
    path = folder / WEIGHTS
    pairs: dict[str, dict[str, Tensor]] = {}
    for name, values in read_tensors(path).items():
        match = _MATRIX.fullmatch(name)
        if match is None:
            raise StateError(f"{path}: {name} is not a LoRA matrix of a linear module")
        pairs.setdefault(match[1], {})[match[2]] = values
    if not pairs:
        raise StateError(f"{path}: has no LoRA matrix")
    updates = {}
    for module, pair in pairs.items():
        if not _fit(pair):
            raise StateError(f"{path}: {module} has no two matrices of one rank")
        rank = pair["A"].shape[0]
        divisor = rank**0.5 if config.get("use_rslora") else rank
        updates[module] = LowRankUpdate(pair["A"], pair["B"], _alpha(config, module) / divisor)
    return updates


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, all of them finite floating-point numbers.

    Raises:
        StateError: the file is missing or damaged, or a number is not finite.
    """
    try:
        tensors: dict[str, Tensor] = load(_content(path))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise StateError(f"{path}: is missing or damaged: {one_line(error)}") from None
    for name, values in tensors.items():
        if not values.is_floating_point() or not bool(torch.isfinite(values).all()):
            raise StateError(f"{path}: {name} has a value that is not a finite number")
    return tensors


def _content(path: Path) -> bytes:
    """Return the content of a safetensors file whose header is not too long."""
    content = read_regular(path)
    require_header(content)
    return content


def _read_config(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(read_regular(path, _MAXIMUM_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise StateError(f"{path}: is missing or damaged: {one_line(error)}") from None
    if not isinstance(config, dict):
        raise StateError(f"{path}: is no table")
    for key, allowed in _PLAIN.items():
        if key in config and config[key] not in allowed:
            raise StateError(f"{path}: {key} = {config[key]!r} is not plain LoRA")
    return config


def _alpha(config: Mapping[str, Any], module: str) -> float:
    """Return the alpha of a module, as ``alpha_pattern`` or ``lora_alpha`` gives it."""
    pattern = config.get("alpha_pattern") or {}
    value = config.get("lora_alpha")
    if isinstance(pattern, dict):
        named = [key for key in pattern if module == key or module.endswith(f".{key}")]
        value = pattern[named[0]] if named else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise StateError(f"{CONFIG}: lora_alpha = {value!r} of {module} is not a positive number")
    return float(value)


def _fit(pair: Mapping[str, Tensor]) -> bool:
    """Return whether the matrices A and B are there and have one rank."""
    if set(pair) != {"A", "B"} or pair["A"].ndim != 2 or pair["B"].ndim != 2:
        return False
    return pair["A"].shape[0] == pair["B"].shape[1] > 0


def _whole(alpha: float) -> int | float:
    """Return a number that is whole as an integer, as peft's own files have it."""
    return int(alpha) if alpha == int(alpha) else alpha


def _copied(values: Tensor) -> Tensor:
    # A copy each: safetensors refuses tensors that share memory.
    return values.detach().cpu().clone().contiguous()
