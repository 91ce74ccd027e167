"""Command line ``airtune``: one module per group of commands."""

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; every error is one line on stderr."""
    try:
        # It raises where a foreign package shadows one of airtune's.
        import airtune.packages  # noqa: F401
    except ImportError as error:
        print(error, file=sys.stderr)
        return 2
    from coupling.cli.app import main as run_command_line

    return run_command_line(arguments)
