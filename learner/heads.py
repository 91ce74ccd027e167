"""Task heads: one linear classifier per device, trained on its device and never averaged."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from learner import optimizers
from learner.precision import Precision
from learner.rng import RngFactory
from learner.settings import AdamW, Heads, Sgd

# Standard deviation of the initial weights: BERT's own initializer_range. It is small against the
# features, so an untrained head guesses.
INITIAL_STD = 0.02


@final
@dataclass(frozen=True)
class StackedHeads:
    """Heads of several devices as one batched matrix: a copy, with one gradient per head."""

    weight: Float[Tensor, "N C H"]
    bias: Float[Tensor, "N C"]

    def logits(self, pooled: Float[Tensor, "N B H"]) -> Float[Tensor, "N B C"]:
        """Return the logits of each head for its own samples."""
        return torch.baddbmm(self.bias[:, None], pooled, self.weight.mT)

    def logits_of(
        self, pooled: Float[Tensor, "S H"], owners: Int[Tensor, " S"]
    ) -> Float[Tensor, "S C"]:
        """Return the logits of samples in any order; owners are positions in the stack."""
        # index_select adds up its gradient in a fixed order, which indexing does not.
        weight = self.weight.index_select(0, owners)
        bias = self.bias.index_select(0, owners)
        return torch.baddbmm(bias[:, None], pooled[:, None], weight.mT).squeeze(1)


@final
@dataclass(frozen=True)
class TrainedHead:
    """Head that has made a step, and its own optimizer."""

    weight: nn.Parameter
    bias: nn.Parameter
    optimizer: torch.optim.Optimizer


@final
class HeadBank:
    """Bank of the heads of all devices, which stores only the heads that have trained.

    The other heads are drawn again from their streams when they are used, so a bank of any size
    starts empty. Each stored head has an optimizer of its own, whose step count and moments change
    only when its device trains.
    """

    def __init__(
        self,
        *,
        hidden: int,
        classes: int,
        heads: Heads,
        optimizer: Sgd | AdamW,
        precision: Precision,
        rng: RngFactory,
    ) -> None:
        self.classes = classes
        self.equal_start = heads.init == "equal"
        self._shape = (classes, hidden)
        self._optimizer = optimizer
        self._learns = heads.train != "none"
        self._precision = precision
        self._rng = rng
        self._trained: dict[int, TrainedHead] = {}
        self._before: dict[int, TrainedHead | None] | None = None
        """Heads that have stepped since the restore point, as they were; None without one."""

    @property
    def trained(self) -> list[int]:
        """Devices whose head has made a step, in order."""
        return sorted(self._trained)

    def stack(self, devices: Sequence[int]) -> StackedHeads:
        """Return the present heads of the devices as leaves of a new graph."""
        pairs = [self._values(device) for device in devices]
        return StackedHeads(
            torch.stack([weight for weight, _ in pairs]).requires_grad_(),
            torch.stack([bias for _, bias in pairs]).requires_grad_(),
        )

    def step(self, devices: Sequence[int], stack: StackedHeads) -> None:
        """Make one step of each device's optimizer along the gradient of its part of the stack.

        Frozen heads make no step.
        """
        if not self._learns:
            return
        assert stack.weight.grad is not None, "a head steps after its loss went backward"
        assert stack.bias.grad is not None, "a head steps after its loss went backward"
        for device, weight, bias in zip(devices, stack.weight.grad, stack.bias.grad, strict=True):
            if self._before is not None and device not in self._before:
                self._before[device] = deepcopy(self._trained.get(device))
            head = self.get_or_create(device)
            head.weight.grad = weight
            head.bias.grad = bias
            optimizers.step(head.optimizer, self._optimizer)

    def restore_point(self) -> Callable[[], None]:
        """Return the function that undoes the steps from here on."""
        before: dict[int, TrainedHead | None] = {}
        self._before = before

        def restore() -> None:
            for device, head in before.items():
                if head is None:
                    self._trained.pop(device, None)
                else:
                    self._trained[device] = head

        return restore

    def get_or_create(self, device: int) -> TrainedHead:
        """Return a device's stored head; create it first if there is none."""
        if device not in self._trained:
            weight, bias = (nn.Parameter(value) for value in self._start(device))
            self._trained[device] = TrainedHead(
                weight, bias, optimizers.create(self._optimizer, [weight, bias])
            )
        return self._trained[device]

    def _values(self, device: int) -> tuple[Tensor, Tensor]:
        head = self._trained.get(device)
        return self._start(device) if head is None else (head.weight.detach(), head.bias.detach())

    def _start(self, device: int) -> tuple[Tensor, Tensor]:
        random = self._rng("head") if self.equal_start else self._rng("head", device)
        weight = torch.from_numpy(random.normal(0.0, INITIAL_STD, self._shape))
        weight = weight.to(self._precision.device, self._precision.dtype)
        return weight, weight.new_zeros(self.classes)
