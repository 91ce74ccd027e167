"""Errors in the radio part of a scenario, with texts that a user can act on."""

from typing import final


@final
class NetworkInputError(ValueError):
    """Invalid placement, mobility, availability or channel of a scenario."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        """Scenario key, such as ``channel.gains.path``."""
        self.problem = problem
        """One line: the given value, and the allowed ones."""


@final
class StalledError(ArithmeticError):
    """Endless round: a gain that stays too low for any rate, or too many channel blocks."""
