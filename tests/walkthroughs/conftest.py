"""Fixtures of the walk-throughs."""

from support.run_fixtures import tiny_learner

__all__ = ["tiny_learner"]
