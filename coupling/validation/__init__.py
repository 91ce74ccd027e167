"""Validation of a scenario: everything that a run would refuse, and the cost of the run."""

from coupling.validation.validation import LegRange, Validation, validate

__all__ = ["LegRange", "Validation", "validate"]
