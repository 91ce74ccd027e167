"""Runs that are killed: a process that ends itself by SIGKILL after a given round."""

import os
import signal
from pathlib import Path

from coupling import Scenario, run
from netsim.scheduling import RoundRecord


def run_until_killed(scenario: Scenario, folder: Path, rounds: int) -> None:
    """Run a scenario in this process, which is killed after a number of rounds."""

    def kill(record: RoundRecord) -> None:
        if record.round == rounds:
            os.kill(os.getpid(), signal.SIGKILL)

    run(scenario, folder, on_round=kill)
