"""Command line of airtune in which one place never returns: ``hanging_run.py PLACE ARGUMENTS``.

A place hangs in its third call after its own work, with the file ``here`` written. ``native``
hangs in compiled code, where Python takes no signal.
"""

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coupling.simulation.run as loop
from coupling.cli import main
from coupling.simulation.learners import TimedLearner
from coupling.simulation.world import ScenarioWorld
from netsim.scheduling.policies.all_in import AllIn

PLACES: dict[str, tuple[Any, str, int]] = {
    "world": (ScenarioWorld, "at", 3),
    "policy": (loop, "call_policy", 3),
    "native": (AllIn, "schedule", 3),
    "training": (TimedLearner, "aggregate", 3),
    "evaluation": (TimedLearner, "evaluate", 2),
    "first evaluation": (TimedLearner, "evaluate", 1),
}
"""Class or module, function, and the call that hangs; the first evaluation is before training."""


def hanging(method: Callable[..., object], *, call: int, native: bool) -> Callable[..., object]:
    """Return a method whose given call never returns."""
    calls = []

    def hang(*arguments: object, **named: object) -> object:
        result = method(*arguments, **named)
        calls.append(None)
        if len(calls) == call:
            Path("here").touch()
            while True:
                time.sleep(0.01)
                if native:
                    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
        return result

    return hang


def hang_while_loading() -> None:
    """Let the loading of the data hang."""
    from learner.data import Partition

    Partition.__init__ = hanging(Partition.__init__, call=1, native=False)  # type: ignore[assignment]


if __name__ == "__main__":
    place, *command = sys.argv[1:]
    if place == "loading":
        hang_while_loading()
    else:
        owner, name, number = PLACES[place]
        slow = hanging(getattr(owner, name), call=number, native=place == "native")
        setattr(owner, name, slow)
    sys.exit(main(command))
