"""Learner checkpoint: LoRA, trained heads and optimizers in one file of named tensors."""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from learner.errors import StateError
from learner.executor import LearnerComponents

_FILE: Final = "learner.safetensors"
_LORA: Final = "lora"
_HEAD: Final = "head"
_FIRST_ROUND: Final = "frozen_features/first_round"


def write(folder: Path, parts: LearnerComponents) -> None:
    """Write the state into a new folder, between two rounds."""
    folder.mkdir()
    # A copy each: safetensors refuses tensors that share memory.
    tensors = {name: value.detach().clone().contiguous() for name, value in _tensors(parts).items()}
    (folder / _FILE).write_bytes(save(tensors))


def read(folder: Path, parts: LearnerComponents) -> None:
    """Restore the state that was written.

    Raises:
        StateError: the file is missing or damaged, or it belongs to another learner.
    """
    path = folder / _FILE
    try:
        tensors = load(path.read_bytes())
    except (OSError, ValueError, SafetensorError) as error:
        raise StateError(f"{path}: is missing or damaged: {error}") from None
    try:
        # The names contain the devices of the trained heads.
        for device in _devices(tensors):
            parts.bank.get_or_create(device)
        optimizers = _optimizers(parts)
        for prefix, optimizer in optimizers.items():
            _restore(optimizer, prefix, tensors)
        with torch.no_grad():
            _copy(tensors, _weights(parts))
        _restore_first_rounds(parts, tensors)
    except (ValueError, LookupError) as error:
        raise StateError(f"{path}: is not the state of this learner: {error}") from None


def restore_point(parts: LearnerComponents) -> Callable[[], None]:
    """Return the function that undoes all steps of LoRA and heads from here on."""
    weights = {name: value.detach().clone() for name, value in _lora(parts).items()}
    optimizer = parts.lora_optimizer
    moments = None if optimizer is None else deepcopy(optimizer.state_dict())
    restore_heads = parts.bank.restore_point()
    frozen = parts.frozen_features
    first_round = None if frozen is None else frozen.first_round.copy()

    def restore() -> None:
        restore_heads()
        if frozen is not None and first_round is not None:
            frozen.restore(first_round)
        with torch.no_grad():
            _copy(weights, _lora(parts))
        if optimizer is not None and moments is not None:
            optimizer.load_state_dict(moments)

    return restore


def _tensors(parts: LearnerComponents) -> dict[str, Tensor]:
    tensors = _weights(parts)
    if parts.frozen_features is not None:
        tensors[_FIRST_ROUND] = torch.from_numpy(parts.frozen_features.first_round)
    for prefix, optimizer in _optimizers(parts).items():
        for number, state in optimizer.state_dict()["state"].items():
            tensors |= {
                f"{prefix}/{number}/{key}": value
                for key, value in state.items()
                if value is not None
            }
    return tensors


def _weights(parts: LearnerComponents) -> dict[str, Tensor]:
    weights = _lora(parts)
    for device in parts.bank.trained:
        head = parts.bank.get_or_create(device)
        weights[f"{_HEAD}/{device}/weight"] = head.weight
        weights[f"{_HEAD}/{device}/bias"] = head.bias
    return weights


def _lora(parts: LearnerComponents) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for adapter in parts.split.adapters:
        weights[f"{_LORA}/{adapter.module}/down"] = adapter.down
        weights[f"{_LORA}/{adapter.module}/up"] = adapter.up
    return weights


def _optimizers(parts: LearnerComponents) -> dict[str, torch.optim.Optimizer]:
    heads = {
        f"{_HEAD}/{device}/optimizer": parts.bank.get_or_create(device).optimizer
        for device in parts.bank.trained
    }
    return (
        heads
        if parts.lora_optimizer is None
        else {f"{_LORA}/optimizer": parts.lora_optimizer} | heads
    )


def _devices(names: Iterable[str]) -> list[int]:
    return sorted({int(name.split("/")[1]) for name in names if name.startswith(f"{_HEAD}/")})


def _restore(optimizer: torch.optim.Optimizer, prefix: str, tensors: Mapping[str, Tensor]) -> None:
    """Restore the step counts and moments of an optimizer; learning rates are the scenario's."""
    parameters = [matrix for group in optimizer.param_groups for matrix in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(f"{prefix}/"):
            number, key = name.removeprefix(f"{prefix}/").split("/")
            if value.shape not in ((), parameters[int(number)].shape):
                raise ValueError(f"{name} is {tuple(value.shape)}")
            state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def _restore_first_rounds(parts: LearnerComponents, tensors: Mapping[str, Tensor]) -> None:
    """Restore the rounds in which samples were first met; older states have none."""
    rounds = tensors.get(_FIRST_ROUND)
    if parts.frozen_features is None or rounds is None:
        return
    first_round = parts.frozen_features.first_round
    if rounds.shape != first_round.shape or rounds.dtype != torch.int32 or bool((rounds < 0).any()):
        raise ValueError(f"{_FIRST_ROUND} is {tuple(rounds.shape)} {rounds.dtype}")
    parts.frozen_features.restore(rounds.numpy())


def _copy(tensors: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    for name, weight in weights.items():
        value = tensors[name]
        if (value.shape, value.dtype) != (weight.shape, weight.dtype):
            raise ValueError(
                f"{name} is {tuple(value.shape)} {value.dtype}, not {tuple(weight.shape)}"
            )
        weight.copy_(value)
