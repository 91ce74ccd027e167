"""What can be wrong with a scenario's radio, in words that a user can act on."""

from typing import final


@final
class NetworkInputError(ValueError):
    """The scenario asks for a placement, movement or channel that cannot be had."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        """Scenario key, such as ``channel.gains.path``."""
        self.problem = problem
        """One line: the value, and what is allowed."""


@final
class StalledError(ArithmeticError):
    """A round that would never end: a gain that stays too low for any rate, or more channel blocks
    than fit.
    """
