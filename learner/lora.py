"""LoRA adapters in the server's part of the model (Hu et al., 2022), with peft."""

import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from learner.adapter_files import LowRankUpdate, read_adapter
from learner.architectures import SplitArchitecture
from learner.errors import LearnerInputError, StateError
from learner.rng import RngFactory
from learner.settings import Lora

KEY = "learner.lora.targets"
START = "learner.lora.start"


@final
@dataclass(frozen=True)
class Adapter:
    """Adapted module: its weight acts as ``W + scale up down``, where up is B and down is A."""

    module: str
    down: nn.Parameter
    up: nn.Parameter


def attach(
    model: Any, architecture: SplitArchitecture, lora: Lora, rng: RngFactory
) -> list[Adapter]:
    """Put adapters into ``model``, in place, and return them in the order of its modules.

    B starts at 0 and A uniform in ``+-1 / sqrt(inputs)``, as in peft, but from our own streams; or
    both start as in the adapter that ``lora.start`` names.

    Raises:
        LearnerInputError: a target does not exist, or ``lora.start`` is no adapter of the targets.
    """
    modules = find_targets(model, architecture, lora)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=0.0,
        use_rslora=lora.rslora,
        target_modules=modules,
    )
    # peft draws from torch's global generator, which must not change.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # peft 0.21 uses a name that transformers 5.23 deprecates.
        warnings.filterwarnings(
            "ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning
        )
        get_peft_model(model, config).eval()
    adapters = [
        _start(name, model.get_submodule(name), rng("lora", n)) for n, name in enumerate(modules)
    ]
    if lora.start is not None:
        _restore(adapters, lora.start, lora)
    for adapter in adapters:
        adapter.down.requires_grad_(not lora.frozen)
        adapter.up.requires_grad_(not lora.frozen)
    return adapters


def require_start(lora: Lora) -> None:
    """Check that ``lora.start`` is an adapter, before a model is loaded.

    Raises:
        LearnerInputError: it is none.
    """
    if lora.start is not None:
        _read_start(lora.start)


def find_targets(model: Any, architecture: SplitArchitecture, lora: Lora) -> list[str]:
    """Return the full names of the server's linear modules that get LoRA.

    Raises:
        LearnerInputError: a target does not exist.
    """
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and architecture.is_server_module(name)
    ]
    targets = architecture.targets if lora.targets is None else lora.targets
    named = _matches(targets, linear) if isinstance(targets, str) else _named(targets, linear)
    return named if lora.layers is None else _of_layers(lora.layers, named)


def _matches(pattern: str, linear: Sequence[str]) -> list[str]:
    matches = [name for name in linear if re.fullmatch(pattern, name)]
    if not matches:
        problem = f"'{pattern}' matches no linear module of the server's part, such as {linear[0]}"
        raise LearnerInputError(KEY, problem)
    return matches


def _named(targets: Sequence[str], linear: Sequence[str]) -> list[str]:
    for target in targets:
        if not any(_names(target, name) for name in linear):
            names = ", ".join(_ends(linear))
            problem = f"'{target}' is no linear module of the server's part; there are: {names}"
            raise LearnerInputError(KEY, problem)
    return [name for name in linear if any(_names(target, name) for target in targets)]


def _of_layers(layers: Sequence[int], named: Sequence[str]) -> list[str]:
    """Return the modules of these layers, and those outside the numbered layers."""
    present = {layer for layer in map(_layer, named) if layer is not None}
    for layer in layers:
        if layer not in present:
            names = ", ".join(map(str, sorted(present)))
            others = f"the layers {names} have them" if present else "no numbered layer has one"
            problem = f"layer {layer} has none of the targets; {others}"
            raise LearnerInputError("learner.lora.layers", problem)
    return [name for name in named if _layer(name) is None or _layer(name) in layers]


def _layer(module: str) -> int | None:
    """Return the layer number of a module; None outside the layers."""
    return next((int(part) for part in module.split(".") if part.isdigit()), None)


def _names(target: str, module: str) -> bool:
    return f".{module}".endswith(f".{target}")


def _ends(modules: Sequence[str]) -> list[str]:
    """Return the distinct names of the modules after their layer's number."""
    ends = {}
    for module in modules:
        parts = module.split(".")
        numbers = [n for n, part in enumerate(parts) if part.isdigit()]
        ends[".".join(parts[numbers[-1] + 1 :] if numbers else parts)] = True
    return list(ends)


def _start(name: str, module: Any, random: Any) -> Adapter:
    down = module.lora_A["default"].weight
    up = module.lora_B["default"].weight
    bound = 1 / math.sqrt(down.shape[1])
    with torch.no_grad():
        down.copy_(torch.from_numpy(random.uniform(-bound, bound, down.shape)))
        up.zero_()
    return Adapter(name, down, up)


def _read_start(folder: str) -> dict[str, LowRankUpdate]:
    try:
        return read_adapter(Path(folder))
    except StateError as error:
        raise LearnerInputError(START, str(error)) from None


def _restore(adapters: Sequence[Adapter], folder: str, lora: Lora) -> None:
    """Set the adapters to those of a directory in peft's format.

    Names may have a prefix, such as ``bert.`` of a model with a head.
    """
    updates = _read_start(folder)
    unused = set(updates)
    for adapter in adapters:
        matches = [name for name in updates if f".{name}".endswith(f".{adapter.module}")]
        if len(matches) != 1:
            problem = f"'{folder}' has {len(matches) or 'no'} updates of {adapter.module}"
            raise LearnerInputError(START, f"{problem}; learner.lora.targets must be its modules")
        unused -= set(matches)
        update = updates[matches[0]]
        if update.rank != lora.rank:
            problem = f"'{folder}' has rank {update.rank}, and learner.lora.rank is {lora.rank}"
            raise LearnerInputError(START, problem)
        if not math.isclose(update.scale, lora.scale, rel_tol=1e-6):
            problem = (
                f"'{folder}' multiplies B A by {update.scale:g}, and learner.lora by {lora.scale:g}"
                "; set learner.lora.alpha"
            )
            raise LearnerInputError(START, problem)
        if (update.down.shape, update.up.shape) != (adapter.down.shape, adapter.up.shape):
            problem = f"'{folder}' has matrices of another size for {adapter.module}"
            raise LearnerInputError(START, problem)
        with torch.no_grad():
            adapter.down.copy_(update.down)
            adapter.up.copy_(update.up)
    if unused:
        problem = f"'{folder}' has an update of {min(unused)}, which learner.lora.targets lacks"
        raise LearnerInputError(START, problem)
