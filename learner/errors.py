"""What can go wrong while learning, in words that a user can act on."""

from typing import final


@final
class InputError(ValueError):
    """The scenario asks for a model, data or shares that cannot be had."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        """Scenario key, such as ``learner.data.path``."""
        self.problem = problem
        """One line: the value, and what is allowed."""


@final
class DivergedError(ArithmeticError):
    """A device's training loss is no longer finite; LoRA is as it was before the round."""

    def __init__(self, device: int, round_: int, loss: float) -> None:
        super().__init__(f"round {round_}: the loss of device {device} is {loss}; lower the learning rates")
        self.device = device
        self.round = round_
        self.loss = loss
