"""Folders of faults beside the repository: each script ends without a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.small_runs import ROOT

FAULTS = ROOT.parent / "shared" / "faults"
STATUSES = {
    "03": [2, 2, 2, 0],
    "04": [0, 0, 0, 0],
    "05": [0, 0, 0],
    "06": [0, 0, 0, 2, 2],
    "07": [0, 0, 0, 2],
    "10": [2],
    "11": [2, 2, 2, 2, 2, 2, 2, 2],
    "12": [2],
    "13": [0, 0],
    "14": [0, 0, 2],
    "16": [0, 0, 0, 0, 2, 0],
    "17": [0, 0],
    "18": [0, 0, 0],
    "19": [0, 0, 2],
    "20": [0, 2, 2, 0, 0, 0, 2],
    "21": [2, 2, 2],
    "22": [2, 2],
    "23": [2],
    "24": [0],
    "26": [0, 0],
}
"""Exit statuses of the commands of each folder, in order."""


@pytest.mark.slow
@pytest.mark.skipif(not FAULTS.is_dir(), reason="the folders are not part of the repository")
@pytest.mark.parametrize("number", STATUSES)
def test_the_commands_of_a_fault_folder_end_as_they_should(number: str) -> None:
    script = next(FAULTS.glob(f"{number}-*")) / "run.sh"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "AIRTUNE_ROOT": str(ROOT), "PYTHONPATH": str(ROOT), "PATH": path}

    answer = subprocess.run(
        ["bash", str(script)],
        check=False,
        env=variables,
        capture_output=True,
        text=True,
        timeout=600,
    )

    statuses = [
        int(line.split("exit status ")[1].split(",")[0])
        for line in answer.stdout.splitlines()
        if line.startswith("  exit status ")
    ]
    assert "TRACEBACK" not in answer.stdout
    assert statuses == STATUSES[number], answer.stdout
