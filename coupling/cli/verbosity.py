"""Amount of output that a user asks for."""

from enum import IntEnum


class Verbosity(IntEnum):
    """Amount of output on stderr."""

    QUIET = 0
    """Errors only."""
    NORMAL = 1
    VERBOSE = 2
    """A line per round."""
