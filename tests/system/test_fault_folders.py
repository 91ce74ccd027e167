"""Folders of faults beside the repository: each script ends without a traceback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.small_runs import ROOT

FAULTS = ROOT.parent / "shared" / "faults"
STATUSES = {
    "01": [0, 0, 0, 2],
    "02": [0, 1, 0, 0, 0],
    "03": [2, 2, 2, 0],
    "04": [0, 0, 0, 0],
    "05": [0, 0, 0],
    "06": [0, 0, 0, 2, 2],
    "07": [0, 0, 0, 2],
    "08": [0, 0, 0, 0],
    "09": [0, 0, 0, 0, 2],
    "10": [2],
    "11": [2, 2, 2, 2, 2, 2, 2, 2],
    "12": [2],
    "13": [0, 0],
    "14": [0, 0, 2],
    "15": [1, 2],
    "16": [0, 0, 0, 0, 2, 0],
    "17": [0, 0],
    "18": [0, 0, 0],
    "19": [0, 0, 2],
    "20": [0, 2, 2, 0, 0, 0, 2],
    "21": [2, 2, 2],
    "22": [2, 2],
    "23": [2],
    "24": [0],
    "25": [0, 0, 0, 0, 0, 0],
    "26": [0, 0],
    "27": [0, 2, 2, 1, 2, 1, 0, 2],
}
"""Exit statuses of the commands of each folder, in order; of two runs at once, the sorted ones."""
WORDS = {
    "01": ["text-1 text-2", "seed = 1", "seed = 2"],
    "02": ["gains.csv: has changed since", "data: has changed since"],
    "09": ["run[alpha]", "x[/y]"],
    "11": ["xxx...xxx"],
    "15": ["KeyError: 'the key that this node lacks'", "3.9.1"],
    "27": ["cannot be written: no space left", "rounds of a run of two: 2", "train_old_backup.csv"],
}
"""Parts of the output that a folder asks for."""
_STATUS = re.compile(r"exit status(?:es)? (\d+)(?: and (\d+))?")


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
        errors="replace",  # some folders print the bytes that they test
        timeout=600,
    )

    statuses = [
        int(number)
        for found in _STATUS.findall(answer.stdout)
        for number in sorted(filter(None, found))
    ]
    assert "TRACEBACK" not in answer.stdout
    assert statuses == STATUSES[number], answer.stdout
    assert all(words in answer.stdout for words in WORDS.get(number, [])), answer.stdout
