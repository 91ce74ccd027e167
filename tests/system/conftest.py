"""Fixtures of the tests of whole runs."""

from support.run_fixtures import tiny_learner_table

__all__ = ["tiny_learner_table"]
