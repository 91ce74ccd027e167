from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from netsim.channel.radio_environment import RadioEnvironment
from netsim.channel.trace_gains import GainTrace
from netsim.errors import NetworkInputError
from netsim.mobility import Static
from netsim.placement import Disc
from netsim.streams import Streams

GAIN = np.array([[0.1, 0.2, 0.3], [1.0, 2.0, 0.0]])
"""Gains of two devices in three blocks."""


def rows(first_block: int = 0) -> pd.DataFrame:
    block, device = np.meshgrid(first_block + np.arange(3), np.arange(2))
    table = pd.DataFrame({"block": block.ravel(), "device": device.ravel(), "gain": GAIN.ravel()})
    return table.sample(frac=1.0, random_state=1)


def written(folder: Path, table: pd.DataFrame) -> GainTrace:
    path = folder / "gains.parquet"
    table.to_parquet(path)
    return GainTrace(path=str(path))


@pytest.mark.parametrize("first_block", [0, 1, 100])
def test_trace_gains_keep_their_block_numbers_and_are_repeated(
    tmp_path: Path, first_block: int
) -> None:
    recording = written(tmp_path, rows(first_block))
    world = RadioEnvironment(Static().motion(Disc(radius_m=1.0), 2, Streams(1)), recording.gains(2))

    for block in range(200):
        assert (world.gain(block, 0.0) == GAIN[:, (block - first_block) % 3]).all()
    some = world.gains(np.array([1]), np.arange(50), np.zeros(50))
    assert (some[0] == GAIN[1, (np.arange(50) - first_block) % 3]).all()


def test_devices_beyond_the_scenario_are_ignored(tmp_path: Path) -> None:
    gains = written(tmp_path, rows()).gains(1)

    one = gains.at(slice(0, 1), np.zeros((1, 1, 2)), np.array([2]), np.zeros(1))

    assert one.tolist() == [[0.3]]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda table: table.drop(columns="gain"),
            "has no column gain; needed are block, device, gain",
        ),
        (
            lambda table: table[table["device"] == 0],
            "has no device 1; 2 devices need the numbers 0 to 1",
        ),
        (
            lambda table: table[table["device"] + table["block"] != 3],
            "has no row of block 2, device 1",
        ),
        (
            lambda table: table[table["device"] * 9 + table["block"] != 1],
            "has no row of block 1, device 0",
        ),
        (lambda table: pd.concat([table, table.iloc[:1]]), "twice"),
        (
            lambda table: table.assign(gain=table["gain"] - 1e-3),
            "row 6 has gain -0.001 in block 2, device 1; allowed are 0, and 1e-100 to 1e+100",
        ),
        (
            lambda table: table.assign(gain=table["gain"].where(table.index != 3, 1e300)),
            "row 5 has gain 1e+300 in block 0, device 1",
        ),
        (
            lambda table: table.assign(gain=table["gain"].where(table.index != 3, 1e-200)),
            "row 5 has gain 1e-200 in block 0, device 1",
        ),
        (
            # A device that the scenario does not have is not looked at, but its rows count.
            lambda table: pd.concat(
                [table.iloc[:1].assign(device=7, gain=-1.0), table.assign(gain=-1.0)]
            ),
            "row 2 has gain -1 in block ",
        ),
        (lambda table: table.assign(gain=table["gain"] / 0.0), "missing or not finite"),
        (lambda table: table.assign(block=table["block"] + 0.5), "not a number from 0 on"),
    ],
)
def test_a_bad_gain_trace_is_refused(tmp_path: Path, change: object, problem: str) -> None:
    assert callable(change)
    recording = written(tmp_path, change(rows()))

    with pytest.raises(NetworkInputError) as refused:
        recording.gains(2)

    assert refused.value.key == "channel.gains.path"
    assert problem in refused.value.problem
    assert "\n" not in str(refused.value)


def test_gains_of_zero_and_of_a_thousand_decibels_are_allowed(tmp_path: Path) -> None:
    table = rows().assign(gain=[0.0, 1e-100, 1e100, 0.5, 0.5, 0.5])

    assert written(tmp_path, table).gains(2) is not None
