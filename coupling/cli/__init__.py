"""Command line ``airtune``."""

from coupling.cli.app import main

__all__ = ["main"]
