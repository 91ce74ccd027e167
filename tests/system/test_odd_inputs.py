"""Odd inputs of other people: each has its right value, or one line of error."""

from pathlib import Path

import pytest
from support.odd_inputs import ERRORS, LONGEST_LINE, OddInput, Refused
from support.odd_pictures import PICTURES_AND_FOLDERS
from support.odd_runs import RUNS
from support.odd_samples import SAMPLES
from support.odd_scenarios import SCENARIOS
from support.odd_worlds import TABLES

CASES = [*SAMPLES, *PICTURES_AND_FOLDERS, *TABLES, *SCENARIOS, *RUNS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_an_odd_input_has_its_value_or_one_line(
    case: OddInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if not isinstance(case.expected, Refused):
        assert case.read(tmp_path) == case.expected
        return

    with pytest.raises(ERRORS) as caught:
        case.read(tmp_path)

    line = str(caught.value)
    assert "\n" not in line
    assert len(line) <= LONGEST_LINE
    place = 0
    for words in case.expected.words:
        assert words in line[place:], line
        place = line.index(words, place) + len(words)
