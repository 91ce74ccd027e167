"""Head file: the task head of each device, and the facts that a loader of the model needs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from learner.adapter_files.peft_format import read_tensors
from learner.errors import StateError, one_line
from learner.heads import HeadBank

HEADS: Final = "heads.safetensors"
_INITIAL: Final = "initial"
"""Stands for the devices whose head has not trained, where all heads start equal."""
_FACTS: Final = "airtune"
"""Entry of the file's metadata: facts as JSON."""
_INPUTS: Final = frozenset({"input_ids", "token_type_ids", "attention_mask", "pixel_values"})


@final
@dataclass(frozen=True, eq=False)
class HeadFile:
    """Heads of a run, and the facts of its model that are not in the scenario."""

    heads: Mapping[str, tuple[Float[Tensor, "C H"], Float[Tensor, " C"]]]
    """Weight and bias by device number, or by ``initial``."""
    device_count: int
    """Number of devices that have a head."""
    inputs: tuple[str, ...]
    """Names of the model's inputs, such as ``input_ids``."""
    special_tokens: int
    """Number of tokens at the start that mean pooling leaves out."""
    trained_count: int
    """Number of devices whose head has trained."""

    def head(self, device: int) -> tuple[Float[Tensor, "C H"], Float[Tensor, " C"]]:
        """Return weight and bias of a device's head."""
        name = str(device)
        return self.heads[name if name in self.heads else _INITIAL]


def write_heads(
    folder: Path,
    bank: HeadBank,
    device_count: int,
    *,
    inputs: Sequence[str],
    special_tokens: int,
) -> None:
    """Write the heads that have trained, and those that have not: once where they start equal."""
    trained = bank.trained
    trained_set = set(trained)
    untrained = [device for device in range(device_count) if device not in trained_set]
    names = {device: str(device) for device in trained}
    if bank.equal_start:
        names |= dict.fromkeys(untrained[:1], _INITIAL)
    else:
        names |= {device: str(device) for device in untrained}
    tensors = {}
    for device, name in names.items():
        stack = bank.stack([device])
        tensors[f"{name}.weight"] = stack.weight[0].detach().cpu().contiguous()
        tensors[f"{name}.bias"] = stack.bias[0].detach().cpu().contiguous()
    facts = {
        "devices": device_count,
        "inputs": list(inputs),
        "special_tokens": special_tokens,
        "trained": len(trained),
    }
    # One entry: safetensors writes several in a random order.
    (folder / HEADS).write_bytes(save(tensors, {_FACTS: json.dumps(facts)}))


def write_all_heads(folder: Path, file: HeadFile) -> None:
    """Write the heads of all devices as ``<device>.weight`` and ``<device>.bias``."""
    tensors = {}
    for device in range(file.device_count):
        weight, bias = file.head(device)
        tensors[f"{device}.weight"] = weight.clone()
        tensors[f"{device}.bias"] = bias.clone()
    (folder / HEADS).write_bytes(save(tensors, {"format": "pt"}))


def read_heads(folder: Path) -> HeadFile:
    """Return the heads that ``write_heads`` wrote.

    Raises:
        StateError: the file is missing or damaged, or it is no file of heads.
    """
    path = folder / HEADS
    tensors = read_tensors(path)
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})[_FACTS])
        device_count = int(facts["devices"])
        special_tokens = int(facts["special_tokens"])
        trained_count = int(facts["trained"])
        inputs = tuple(facts["inputs"])
        names = {name.rpartition(".")[0] for name in tensors}
        heads = {name: (tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in names}
        devices = [int(name) for name in names - {_INITIAL}]
    except (OSError, ValueError, LookupError, TypeError, SafetensorError, RecursionError) as error:
        raise StateError(f"{path}: is no file of heads: {one_line(error)}") from None
    shapes = {(*weight.shape, *bias.shape) for weight, bias in heads.values()}
    complete = _INITIAL in heads or len(devices) == device_count
    if (
        not set(inputs) <= _INPUTS
        or not 0 <= special_tokens <= 64
        or not all(0 <= device < device_count for device in devices)
        or not complete
        or len(shapes) != 1
        or len(next(iter(shapes))) != 3
    ):
        raise StateError(f"{path}: is no file of heads: its names, shapes or facts do not fit")
    return HeadFile(
        heads,
        device_count,
        inputs=inputs,
        special_tokens=special_tokens,
        trained_count=trained_count,
    )
