"""Gains of a radio environment: a function of device, block and time."""

import numpy as np
import pytest

from netsim.channel.fading import ConstantFading, Fading, Nakagami, PlaneWaves, Rayleigh, Rician
from netsim.channel.gains import ModelledGains
from netsim.channel.pathloss import FreeSpace, LogDistance, PathLoss, PowerLaw, Shadowing, Tr38901
from netsim.channel.radio_environment import RadioEnvironment
from netsim.mobility import GaussMarkov, Mobility, RandomWaypoint, Static
from netsim.placement import Disc
from netsim.streams import Streams

WAVES = PlaneWaves(carrier_hz=2e9, scatterer_speed_mps=1.0)
SERVER_M = (10.0, -20.0)
PLACEMENT = Disc(center_m=(300.0, 0.0), radius_m=50.0)
POWER_LAW = PowerLaw(exponent=3.5, reference_m=10.0)
SHADOWED = LogDistance(
    exponent=3.0,
    reference_m=1.0,
    reference_loss_db=40.0,
    shadowing=Shadowing(sigma_db=8.0, correlation_m=50.0),
)
URBAN = Tr38901(scenario="uma", carrier_hz=2e9)
WALK = RandomWaypoint(speed_mps=(1.0, 20.0), pause_s=1.0)
WORLDS: dict[str, tuple[Mobility, PathLoss, Fading]] = {
    "the paper's": (Static(), POWER_LAW, Rayleigh()),
    "rician": (Static(), FreeSpace(carrier_hz=2e9), Rician(k_factor_db=3.0)),
    "nakagami": (WALK, POWER_LAW, Nakagami(m=2.5)),
    "waves": (WALK, POWER_LAW, Rayleigh(correlation=WAVES)),
    "rician waves": (
        GaussMarkov(sigma_mps=3.0, correlation_time_s=9.0),
        POWER_LAW,
        Rician(k_factor_db=3.0, correlation=WAVES),
    ),
    "shadows at rest": (Static(), SHADOWED, Rayleigh()),
    "shadows": (WALK, SHADOWED, Nakagami(m=0.7, correlation=WAVES)),
    "urban macro at rest": (Static(), URBAN, Rayleigh()),
    "urban macro": (WALK, URBAN, Rayleigh(correlation=WAVES)),
}


def world(name: str, count: int = 60) -> RadioEnvironment:
    mobility, path_loss, fading = WORLDS[name]
    return RadioEnvironment.modelled(
        PLACEMENT, mobility, path_loss, fading, SERVER_M, count, Streams(9)
    )


@pytest.mark.parametrize("name", WORLDS)
def test_some_devices_over_blocks_have_the_gains_of_all_devices(
    name: str,
) -> None:
    asked = world(name)
    device, block = np.array([59, 3, 4, 31]), np.arange(1000, 1077)

    some = asked.gains(device, block, block * 0.05)

    for column, number in enumerate(block):
        assert (some[:, column] == asked.gain(int(number), number * 0.05)[device]).all()
    for row, number in enumerate(device):
        assert (
            asked.gains(np.array([number]), block[5:6], block[5:6] * 0.05)[0] == some[row, 5]
        ).all()


@pytest.mark.parametrize("name", WORLDS)
def test_another_device_does_not_change_the_gains_of_the_others(name: str) -> None:
    few, many = world(name, count=17), world(name, count=20_000)

    for block in (1, 500, 3):
        assert (many.positions(0.3 * block)[:17] == few.positions(0.3 * block)).all()
        assert (many.gain(block, 0.3 * block)[:17] == few.gain(block, 0.3 * block)).all()


@pytest.mark.parametrize("name", WORLDS)
def test_the_order_of_calls_and_a_resume_change_no_gain(name: str) -> None:
    asked = world(name)
    forward = {block: asked.gain(block, 0.1 * block) for block in (0, 1, 7, 2000)}

    for block in (2000, 0, 7, 1):
        assert (asked.gain(block, 0.1 * block) == forward[block]).all()
        assert (world(name).gain(block, 0.1 * block) == forward[block]).all()


def test_the_gain_is_path_loss_times_fading() -> None:
    streams = Streams(9)
    position_m = PLACEMENT.positions(60, streams)
    apart_m = np.hypot(position_m[:, 0] - 10.0, position_m[:, 1] + 20.0)
    constant_gain = RadioEnvironment.modelled(
        PLACEMENT, Static(), POWER_LAW, ConstantFading(), SERVER_M, 60, streams
    )

    power_gain = world("the paper's").gain(3, 0.0) / constant_gain.gain(3, 0.0)

    assert constant_gain.gain(3, 0.0) == pytest.approx((apart_m / 10.0) ** -3.5, rel=1e-12)
    # Device k's factor is -ln U with U from word k of the stream of the block.
    uniform = np.exp(-power_gain)
    assert uniform == pytest.approx(
        (streams.words(60, "fading", 3) >> np.uint64(12)) / 2.0**52, abs=1e-12
    )


def test_independent_fading_does_not_depend_on_time_but_waves_do() -> None:
    static = {
        name: RadioEnvironment.modelled(
            PLACEMENT, Static(), *WORLDS[name][1:], SERVER_M, 5, Streams(9)
        )
        for name in ("the paper's", "waves")
    }

    assert (static["the paper's"].gain(4, 0.0) == static["the paper's"].gain(4, 9.0)).all()
    assert (static["the paper's"].gain(4, 0.0) != static["the paper's"].gain(5, 0.0)).all()
    assert (static["waves"].gain(4, 0.0) == static["waves"].gain(5, 0.0)).all()
    assert (static["waves"].gain(4, 0.0) != static["waves"].gain(4, 9.0)).all()


def test_the_path_loss_of_static_devices_is_that_of_their_positions() -> None:
    streams = Streams(9)
    _, path_loss, fading = WORLDS["shadows at rest"]
    always = RadioEnvironment(
        Static().motion(PLACEMENT, 60, streams),
        ModelledGains(path_loss, fading, SERVER_M, 60, streams),
    )

    assert (world("shadows at rest").gain(5, 0.0) == always.gain(5, 0.0)).all()
