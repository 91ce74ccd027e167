"""Whether the radio of a scenario leaves room for the rounds that it asks for."""

from typing import Final

import numpy as np

from coupling.scenario.scenario import Scenario
from coupling.simulation.build import build_world
from netsim.channel.fading import ConstantFading
from netsim.link import shannon

_MOST: Final = 10**7
"""Number of devices up to which the world is built for a check."""


def warnings(scenario: Scenario) -> list[str]:
    """Return a line where half of the devices cannot meet the delay budget in the mean of their
    fading.

    Compared is the median of the capacity floors: what the devices' uplink bits take with unlimited
    bandwidth, at the path loss where the devices are at first (or the first block of recorded
    gains). Says nothing where the bits are the learner's, which it does not ask, nor about more
    than 10^7 devices.

    Raises:
        ScenarioError: as ``build_world``.
    """
    bits = scenario.protocol.fixed_uplink_bits
    if bits is None or scenario.devices.count > _MOST:
        return []
    channel = scenario.channel
    if channel.fading is not None:
        channel = channel.model_copy(update={"fading": ConstantFading()})
    noise, power_w = scenario.cell.noise_psd_w_per_hz, scenario.devices.tx_power_w
    # Numbers beyond all physics overflow here; a run that meets them ends with a line about it.
    with np.errstate(all="ignore"):
        gain = build_world(scenario.model_copy(update={"channel": channel})).at(0.0, 1).gain
        median_s = float(np.median(shannon.capacity_floor(bits, gain, noise, power_w)))
    if not median_s > scenario.delay_budget_s:
        return []
    return [
        f"the median device needs {median_s:.3g} s for its uplink bits however much bandwidth it gets, more than "
        f"the delay budget of {scenario.delay_budget_s:.3g} s: only fading in their favour lets half of the "
        "devices take part"
    ]
