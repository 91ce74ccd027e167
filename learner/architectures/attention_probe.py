"""Attention probe: fused attention on padded batches against plain attention on packed rows."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from learner.architectures.packing import Packing, plain_attention
from learner.precision import probe

_SAMPLES: Final = 512
"""Samples whose lengths stand for the data."""
_QUANTILES: Final = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def faster_attention(
    lengths: Int[ndarray, " S"], config: Any, token_budget: int, *, dtype: torch.dtype, device: Any
) -> str:
    """Return ``plain`` or ``sdpa``, whichever trains faster at these lengths of samples.

    ``lengths`` are those of the training samples in tokens, ``config`` the model's, and ``dtype``
    the format of the products. One pass forward and backward through the attention of one layer is
    measured, for a micro-batch of ``token_budget`` tokens around the median length.
    """
    heads = int(config.num_attention_heads)
    width = int(config.hidden_size) // heads
    quantiles = np.quantile(lengths, _QUANTILES).astype(int).tolist()
    question = {
        "question": "attention",
        "lengths": quantiles,
        "heads": heads,
        "width": width,
        "tokens": token_budget,
        "dtype": str(dtype),
        "device": torch.device(device).type,
    }

    def measure() -> str:
        batch = _median_batch(lengths, token_budget)
        sides = _sides(batch, heads, width, dtype=dtype, device=torch.device(device))
        fused_s, plain_s = probe.minimum_s(sides, torch.device(device))
        return "plain" if plain_s < fused_s else "sdpa"

    return probe.answer(question, ("sdpa", "plain"), measure)


def _median_batch(lengths: Int[ndarray, " S"], token_budget: int) -> Int[ndarray, " B"]:
    """Return the sorted lengths of a micro-batch around the median."""
    every = max(len(lengths) // _SAMPLES, 1)
    ordered = np.sort(lengths[::every])
    middle = len(ordered) // 2
    count = max(token_budget // int(ordered[middle]), 1)
    return ordered[max(middle - count // 2, 0) : middle + count - count // 2]


def _sides(
    lengths: Int[ndarray, " B"], heads: int, width: int, *, dtype: torch.dtype, device: torch.device
) -> list[Callable[[], object]]:
    """Return one pass of fused attention, padded, and one of plain attention, packed."""
    mask = torch.from_numpy((np.arange(lengths.max()) < lengths[:, None]).astype(np.int64))
    mask = mask.to(device)
    packing = Packing.from_mask(mask)
    padded = _states(len(lengths), heads, int(lengths.max()), width=width, dtype=dtype)
    row = padded
    if packing is not None:
        row = _states(1, heads, int(lengths.sum()), width=width, dtype=dtype)
    padded = [states.to(device).requires_grad_() for states in padded]
    row = [states.to(device).requires_grad_() for states in row]
    allowed = None if packing is None else mask.bool()[:, None, None]

    def fused() -> None:
        query, key, value = padded
        output = functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        torch.autograd.grad(output.sum(), padded)

    def plain() -> None:
        query, key, value = row
        output, _ = plain_attention(None, query, key, value, attention_mask=packing)
        torch.autograd.grad(output.sum(), row)

    return [fused, plain]


def _states(count: int, heads: int, length: int, *, width: int, dtype: torch.dtype) -> list[Tensor]:
    """Return query, key and value with numbers between -1 and 1."""
    size = count * heads * length * width
    states = torch.linspace(-1, 1, size).view(count, length, heads, width).transpose(1, 2)
    return [states.to(dtype) for _ in range(3)]
