"""Fixtures of the tests of runs and of the command line."""

from support.run_fixtures import airtune, folder, tiny_learner

__all__ = ["airtune", "folder", "tiny_learner"]
