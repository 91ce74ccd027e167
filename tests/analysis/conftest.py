"""Fixtures of the tests of the analysis."""

from support.browser import browser

__all__ = ["browser"]
