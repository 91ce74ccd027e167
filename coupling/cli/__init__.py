"""Command line ``airtune``: one module per group of commands."""

import sys

from airtune.packages import require_own_packages


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; every error is one line on stderr."""
    try:
        require_own_packages()
    except ImportError as error:
        print(error, file=sys.stderr)
        return 2
    from coupling.cli.app import main as run_command_line

    return run_command_line(arguments)
