"""Lattice gain of moving devices: the path gain at the nearest point, computed once per point."""

import numpy as np
import pytest
from numpy import ndarray

from netsim.channel.fading import ConstantFading
from netsim.channel.gains import ModelledGains
from netsim.channel.pathloss import LatticeGain, Tr38901
from netsim.streams import Streams

SERVER_M = (10.0, -20.0)


class CountedGain:
    """A gain that depends on both axes, and the number of points of each call."""

    def __init__(self) -> None:
        self.points: list[int] = []

    def __call__(self, position_m: ndarray) -> ndarray:
        self.points.append(len(position_m))
        return np.sin(position_m[:, 0]) + 10.0 * np.cos(0.3 * position_m[:, 1])


def walks(step_m: float, devices: int = 9, blocks: int = 40) -> ndarray:
    """Return random walks around the origin, where coordinates change their sign."""
    steps = np.random.default_rng(1).normal(0.0, step_m, (devices, blocks, 2))
    return steps.cumsum(axis=1)


@pytest.mark.parametrize("step_m", [0.05, 0.4, 30.0])
def test_the_gain_is_that_of_the_nearest_point_in_any_order(step_m: float) -> None:
    path_m = walks(step_m)
    gain = CountedGain()
    lattice = LatticeGain(gain, 0.5, count=9)
    rng = np.random.default_rng(2)

    for _ in range(30):
        device = rng.permutation(9)[: rng.integers(1, 10)]
        first, last = np.sort(rng.choice(41, 2, replace=False))
        for row, some in zip(lattice.at(device, path_m[device, first:last]), device, strict=True):
            nearest_m = [[0.5 * round(x / 0.5), 0.5 * round(y / 0.5)] for x, y in path_m[some]]
            assert (row == gain(np.array(nearest_m))[first:last]).all()


def test_slices_of_devices_and_single_blocks_have_the_same_gains() -> None:
    path_m = walks(1.0)
    over_blocks = LatticeGain(CountedGain(), 1.0, count=9).at(np.arange(2, 9), path_m[2:])
    block_by_block = LatticeGain(CountedGain(), 1.0, count=9)

    for block in range(40):
        assert (block_by_block.at(slice(2, 9), path_m[2:, block]) == over_blocks[:, block]).all()


def test_a_device_that_stays_near_its_point_costs_one_evaluation() -> None:
    gain = CountedGain()
    lattice = LatticeGain(gain, 1.0, count=9)
    place_m = np.random.default_rng(3).uniform(-0.49, 0.49, (9, 40, 2))

    for block in range(39):
        lattice.at(np.arange(9), place_m[:, block : block + 2])
    moved_m = place_m[4:6] + np.array([1.0, 0.0])
    lattice.at(np.array([4, 5]), moved_m)

    assert gain.points == [9, 2]


def modelled(path_loss: Tr38901) -> ModelledGains:
    return ModelledGains(path_loss, ConstantFading(), SERVER_M, count=9, streams=Streams(3))


def test_urban_gains_in_motion_are_those_of_the_lattice_or_of_the_place() -> None:
    pytest.importorskip("sionna")
    path_m = walks(3.0) + np.array([150.0, 60.0])
    block = np.arange(40)
    law = Tr38901(scenario="umi", carrier_hz=3.5e9)
    everywhere = Tr38901(scenario="umi", carrier_hz=3.5e9, lattice_m=0.0)

    moving = modelled(law).at(np.arange(9), path_m, block, time_s=block * 0.1)
    fine = modelled(everywhere).at(np.arange(9), path_m, block, time_s=block * 0.1)

    # The equations of the lattice are interpolated over the distance.
    exact = law.gain(np.rint(path_m), SERVER_M, Streams(3))
    assert moving == pytest.approx(exact, rel=3e-5)
    assert (fine == law.gain(path_m, SERVER_M, Streams(3))).all()
    assert (moving != fine).all()


@pytest.mark.parametrize("scenario", ["uma", "umi", "rma", "inh"])
@pytest.mark.parametrize("line_of_sight", ["always", "never"])
def test_interpolated_gains_are_those_of_the_standard(scenario: str, line_of_sight: str) -> None:
    pytest.importorskip("sionna")
    law = Tr38901(scenario=scenario, carrier_hz=2.1e9, line_of_sight=line_of_sight)  # type: ignore[arg-type]
    place_m = np.array(SERVER_M) + np.geomspace(0.3, 2e4, 2_000)[:, None] * [0.6, 0.8]

    interpolated = law.lattice_gain(place_m, SERVER_M, Streams(3))

    error_db = np.abs(10 * np.log10(interpolated / law.gain(place_m, SERVER_M, Streams(3))))
    # Only the intervals around breakpoints, 0.2 % of the distance each, are off by more.
    assert np.sort(error_db)[-4] < 1e-4
    assert np.median(error_db) < 1e-6


def test_the_line_of_sight_on_the_lattice_is_the_standard_s() -> None:
    pytest.importorskip("sionna")
    place_m = np.random.default_rng(1).uniform(-200, 200, (2_000, 2))
    law = Tr38901(scenario="uma", carrier_hz=2.1e9, shadowing=False)

    interpolated = law.lattice_gain(place_m, SERVER_M, Streams(3))

    assert interpolated == pytest.approx(law.gain(place_m, SERVER_M, Streams(3)), rel=1e-4)
