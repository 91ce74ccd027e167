"""What a user of the analysis can cause; every text is one line with the remedy."""

from typing import final


@final
class TraceError(ValueError):
    """A directory is no run directory, cannot be read, or does not hold what was asked for."""


@final
class ConstantError(ValueError):
    """A constant of Theorem 1 is missing or has no meaning."""


@final
class MissingExtraError(ImportError):
    """A package that only the ``report`` extra installs is not there."""

    def __init__(self, package: str) -> None:
        super().__init__(f"{package} is not installed; pip install 'airtune[report]'")
