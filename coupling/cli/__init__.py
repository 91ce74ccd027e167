"""Command line ``airtune``: one module per group of commands."""

from coupling.cli.app import main

__all__ = ["main"]
