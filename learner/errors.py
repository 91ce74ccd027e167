"""Exceptions of the learner; each text is one line that a user can act on."""

import sys
from typing import Final, final

_LIMIT: Final = 200


@final
class LearnerInputError(ValueError):
    """The scenario needs a model, data or shares that cannot be loaded."""

    def __init__(self, key: str, problem: str, *, unreached: bool = False) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        """Scenario key, such as ``learner.data.path``."""
        self.problem = problem
        """One line: the value, and what is allowed."""
        self.unreached = unreached
        """Whether the hub has not answered, so that its model or data set was not looked at."""


@final
class DivergedError(ArithmeticError):
    """The loss of a device is not finite: a step along its gradient would destroy the model."""

    def __init__(self, device: int, loss: float) -> None:
        super().__init__(f"the loss of device {device} became {loss}; lower the learning rates")
        self.device = device
        self.loss = loss


@final
class CodecError(ArithmeticError):
    """A payload holds a number that cannot cross the link, or a codec violates its interface."""


@final
class AggregatorError(ArithmeticError):
    """An aggregator fails, or returns something that is no update."""


@final
class OutOfMemoryError(MemoryError):
    """The PyTorch device has no room for a micro-batch."""

    def __init__(self, micro_batch_tokens: int) -> None:
        smaller = max(micro_batch_tokens // 2, 1)
        super().__init__(
            f"out of memory with learner.micro_batch_tokens = {micro_batch_tokens}; try {smaller}, "
            "and 1, a sample at a time, at the least"
        )
        self.micro_batch_tokens = micro_batch_tokens


@final
class StateError(ValueError):
    """A saved state is damaged, or it belongs to another learner."""


def require_docstrings() -> None:
    """Make sure that Python keeps docstrings, from which transformers builds its classes.

    Raises:
        LearnerInputError: it does not.
    """
    if sys.flags.optimize > 1:
        problem = (
            "transformers cannot be imported without docstrings, which PYTHONOPTIMIZE=2 (or "
            "python -OO) removes; unset it"
        )
        raise LearnerInputError("learner", problem)


def is_unreached(error: BaseException | None) -> bool:
    """Return whether a hub that gives no answer, offline or without a network, caused an error.

    A hub that answers with a refusal, as for a name that it does not have, is not the cause.
    """
    from huggingface_hub.errors import LocalEntryNotFoundError

    while error is not None:
        if isinstance(error, ConnectionError | LocalEntryNotFoundError):
            return True
        error = error.__cause__
    return False


def one_line(error: BaseException | str, limit: int = _LIMIT) -> str:
    """Return the text of an error on one line, at most ``limit`` printable characters of it."""
    text = " ".join(str(error).split())[:limit]
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
