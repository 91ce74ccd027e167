"""Feasibility check: the uplink time of the median device against the delay budget."""

from typing import Final

import numpy as np

from coupling.scenario.scenario import Scenario
from coupling.simulation.build import build_world
from netsim.allocation import truncated_delay
from netsim.channel.fading import ConstantFading

_MAX_DEVICES: Final = 10**7
"""Maximum number of devices for which the check builds the world."""


def warnings(scenario: Scenario) -> list[str]:
    """Return a warning if half of the devices cannot meet the delay budget at mean fading.

    The check compares the budget with the median of the capacity floors: the time of each device's
    uplink bits with unlimited bandwidth, at the path loss of its first position (or in the first
    block of recorded gains). There is no warning if the learner determines the bits, or for more
    than 10^7 devices.

    Raises:
        ScenarioError: as ``build_world``.
    """
    bits = scenario.protocol.fixed_uplink_bits
    if bits is None or scenario.devices.count > _MAX_DEVICES:
        return []
    channel = scenario.channel
    if channel.fading is not None:
        channel = channel.model_copy(update={"fading": ConstantFading()})
    noise = scenario.cell.noise_psd_w_per_hz
    power_w = scenario.devices.tx_power_w
    # Unphysical numbers overflow here; a run with such numbers ends with an error.
    with np.errstate(all="ignore"):
        gain = build_world(scenario.model_copy(update={"channel": channel})).at(0.0, 1).gain
        floor_s = truncated_delay.floor(
            scenario.channel.link, bits, gain, noise, tx_power_w=power_w
        )
        median_s = float(np.median(floor_s))
    if not median_s > scenario.delay_budget_s:
        return []
    return [
        f"the median device needs {median_s:.3g} s for its uplink bits with unlimited bandwidth, "
        f"and the delay budget is {scenario.delay_budget_s:.3g} s: half of the devices can send "
        "only if fading raises their gains; raise the budget or the transmit power"
    ]
