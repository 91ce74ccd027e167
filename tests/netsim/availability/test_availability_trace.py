from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from netsim.availability import AvailabilityProcess, AvailabilityTrace
from netsim.errors import NetworkInputError
from netsim.streams import Streams

ROWS = """\
device,time_s,available
1,5.0,0
0,10.0,1
0,20.0,1
0,30.0,0
1,-1.0,1
2,8.0,0
1,6.0,1
3,0.0,1
"""


def presence(
    folder: Path, text: str, count: int = 3, name: str = "trace.csv"
) -> AvailabilityProcess:
    path = folder / name
    path.write_text(text)
    return AvailabilityTrace(kind="trace", path=str(path)).process(count, Streams(1))


def test_a_row_holds_until_the_next_and_before_the_first_is_unavailable(
    tmp_path: Path,
) -> None:
    world = presence(tmp_path, ROWS)

    expected = {
        0.0: [False, True, False],
        4.9: [False, True, False],
        5.0: [False, False, False],
        6.0: [False, True, False],
        10.0: [True, True, False],
        29.0: [True, True, False],
        30.0: [False, True, False],
        1e9: [False, True, False],
        7.0: [False, True, False],
    }
    for at_s, available in expected.items():
        assert world.at(at_s).tolist() == available
    # A row that repeats the state is no change.
    assert world.next_change_s(np.array([0, 1, 2]), np.array([12.0, 0.0, 0.0])).tolist() == [
        30.0,
        5.0,
        np.inf,
    ]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_true_and_false_do_as_well_as_one_and_zero(tmp_path: Path, kind: str) -> None:
    rows = pd.DataFrame(
        {"device": [0, 0, 1], "time_s": [0, 2, 1], "available": [True, False, True]}
    )
    path = tmp_path / f"trace.{kind}"
    rows.to_parquet(path) if kind == "parquet" else rows.to_csv(path, index=False)

    world = AvailabilityTrace(kind="trace", path=str(path)).process(2, Streams(1))

    assert [world.at(at_s).tolist() for at_s in (0.0, 1.0, 2.0)] == [
        [True, False],
        [True, True],
        [False, True],
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "device,time_s\n0,1\n",
            "has no column available; needed are device, time_s, available, it has",
        ),
        ("device,time_s,available\n0,1,1\n0,1,0\n1,0,1\n", "has device 0 twice at time_s = 1"),
        ("device,time_s,available\n0,1,1\n", "has no device 1; 2 devices need the numbers 0 to 1"),
        (
            "device,time_s,available\n0,1,1\n1,1,0.5\n",
            "column available, row 2 is 0.5, neither 1 nor 0",
        ),
        ("device,time_s,available\n0,1,1\n1,,1\n", "column time_s, row 2 is missing or not finite"),
        (
            "device,time_s,available\n0,1,true\n1,2,\n",
            "column available, row 2 is missing or not finite",
        ),
        (
            "device,time_s,available\n0,1,yes\n1,2,no\n",
            "column available has string values, not numbers",
        ),
        ("device,time_s,available\n-1,1,1\n", "column device, row 1 is -1, not a number from 0 on"),
    ],
)
def test_a_file_without_valid_states_is_refused_in_a_line(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(
        NetworkInputError, match=r"^devices.availability.path: .*trace.csv"
    ) as caught:
        presence(tmp_path, text, 2)

    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
