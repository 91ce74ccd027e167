"""Copies of the LoRA matrices for several devices, which pass the encoder together."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from learner import optimizers
from learner.settings import AdamW, Sgd
from learner.split import Split

MAXIMUM_BYTES: Final = 2**30
"""Memory of the copies, their gradients and moments beyond which fewer devices pass together."""
_TENSORS_PER_COPY: Final = 4
"""A matrix, its gradient and the two moments of AdamW."""


def maximum_copies(split: Split) -> int:
    """Return the number of devices whose copies of the matrices have room together, at least 1."""
    size = split.trainable_parameters * split.precision.dtype.itemsize
    return max(1, MAXIMUM_BYTES // (_TENSORS_PER_COPY * size))


@final
class AdapterCopies:
    """Copies of the LoRA matrices, one per device, and their products with the samples.

    The frozen weight of an adapted module acts on the samples of all devices in one product; the
    low-rank matrices of a device act on its own samples. The samples of a device must follow each
    other in a batch, which is the first axis of the input of each adapted module.
    """

    def __init__(self, split: Split, count: int, rule: Sgd | AdamW) -> None:
        self._split = split
        self._rule = rule
        self._stacks = [
            nn.Parameter(matrix.detach().expand(count, *matrix.shape).clone())
            for pair in split.adapters
            for matrix in (pair.down, pair.up)
        ]
        self._optimizer = optimizers.create(rule, self._stacks)
        self._samples = np.zeros(count, np.int64)
        """Samples of each device in the present batch."""
        self._tokens = np.zeros(count, np.int64)
        """Tokens of each device in the present batch, without padding."""

    def of(self, position: int) -> list[Tensor]:
        """Return the matrices of one device, A and B of each adapted module in turn."""
        return [stack.detach()[position] for stack in self._stacks]

    def step(self, number: int) -> None:
        """Make one step of each device along its own gradients; ``number`` is in the schedule."""
        optimizers.step(self._optimizer, self._rule, number, copies=True)

    def meet(self, owners: Int[ndarray, " S"], lengths: Int[ndarray, " S"]) -> None:
        """Set the batch that passes next: the position of each sample's device, and its tokens."""
        assert (np.diff(owners) >= 0).all(), "the samples of a device follow each other"
        count = len(self._samples)
        self._samples = np.bincount(owners, minlength=count)
        self._tokens = np.bincount(owners, lengths, minlength=count).astype(np.int64)

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Let the adapted modules compute with the copies of the devices."""
        modules = [self._split.model.get_submodule(pair.module) for pair in self._split.adapters]
        try:
            for number, module in enumerate(modules):
                module.forward = self._forward(module, *self._stacks[2 * number : 2 * number + 2])
            yield
        finally:
            for module in modules:
                module.__dict__.pop("forward", None)

    def _forward(self, module: Any, downs: Tensor, ups: Tensor) -> Callable[[Tensor], Tensor]:
        linear = module.base_layer
        scale = module.scaling["default"]

        def forward(states: Tensor) -> Tensor:
            dtype = self._split.precision.autocast_dtype or states.dtype
            rows = states.to(dtype).flatten(0, -2)
            products = _LowRankProducts.apply(  # type: ignore[no-untyped-call]
                rows,
                linear.weight,
                linear.bias,
                downs.to(dtype),
                ups.to(dtype),
                scale,
                self._ends(len(rows)),
            )
            return products.view(*states.shape[:-1], -1)

        return forward

    def _ends(self, rows: int) -> list[int]:
        """Return the end of each device's rows, which are tokens, padded tokens or samples."""
        if rows == self._tokens.sum():
            return np.cumsum(self._tokens).tolist()
        per_sample, rest = divmod(rows, int(self._samples.sum()))
        assert rest == 0, "an adapted module gets a batch of samples, or a packed row"
        return np.cumsum(self._samples * per_sample).tolist()


class _LowRankProducts(torch.autograd.Function):
    """Linear layer with low-rank matrices per device: ``x (W + scale B A)^T + bias``."""

    @override
    @staticmethod
    def forward(
        ctx: Any,
        rows: Float[Tensor, "R I"],
        weight: Float[Tensor, "O I"],
        bias: Float[Tensor, " O"] | None,
        downs: Float[Tensor, "N r I"],
        ups: Float[Tensor, "N O r"],
        scale: float,
        ends: Sequence[int],
    ) -> Float[Tensor, "R O"]:
        """Return the outputs of the rows, of which those of device k end at ``ends[k]``."""
        parts = [slice(first, last) for first, last in zip([0, *ends[:-1]], ends, strict=True)]
        output = functional.linear(rows, weight, bias)
        inner = rows.new_empty(len(rows), downs.shape[1])
        for part, down, up in zip(parts, downs, ups, strict=True):
            torch.mm(rows[part], down.T, out=inner[part])
            output[part].addmm_(inner[part], up.T, alpha=scale)
        ctx.save_for_backward(rows, weight, downs, ups, inner)
        ctx.parts = parts
        ctx.scale = scale
        return output

    @override
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the rows and of the low-rank matrices."""
        rows, weight, downs, ups, inner = ctx.saved_tensors
        (gradient,) = gradients
        row_gradient = gradient @ weight if ctx.needs_input_grad[0] else None
        down_gradients = torch.empty_like(downs)
        up_gradients = torch.empty_like(ups)
        for number, part in enumerate(ctx.parts):
            of_part = gradient[part]
            # B reads A x, and A reads the gradient behind B.
            torch.mm(of_part.T, inner[part], out=up_gradients[number]).mul_(ctx.scale)
            behind = (of_part @ ups[number]).mul_(ctx.scale)
            torch.mm(behind.T, rows[part], out=down_gradients[number])
            if row_gradient is not None:
                row_gradient[part].addmm_(behind, downs[number])
        return row_gradient, None, None, down_gradients, up_gradients, None, None
