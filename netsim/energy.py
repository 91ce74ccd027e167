"""What devices spend, and what they have to spend."""

from typing import Annotated, Final, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass

from netsim.parameters import CONFIG, NonNegative, Positive, Shares, source
from netsim.streams import Streams, uniform

_USED_UP: Final = 1e-6
"""Share of a charge that is nothing when it is all that a round left: rounding leaves about as
much.
"""


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class DeviceEnergy:
    """What a device spends on a round besides its transmit power.

    Receiving costs ``receive_w`` while bits arrive, as sending costs ``devices.tx_power_w`` while
    bits are sent; blocks that an outage skips cost neither. Computing costs the dynamic energy of
    CMOS logic, capacitance times voltage squared in each cycle, where the voltage goes with the
    clock f:

        E = kappa f^2 x cycles

    (Burd and Brodersen, "Processor design for portable systems", J. VLSI Signal Processing 13,
    1996; in this form Mao et al., "A survey on mobile edge computing", IEEE Commun. Surveys &
    Tutorials 19(4), 2017, section II-C.) An operation of ``protocol.operations`` is a cycle here
    and f the device's speed; with n operations a cycle, kappa is the chip's over n^3. Jitter makes
    a step longer and not dearer. Left out: leakage, and waiting.
    """

    receive_w: NonNegative = 0.0
    """Power of a device's receiver while bits arrive, in W."""
    kappa: Annotated[NonNegative, source("cited, Mao et al. 2017")] = 0.0
    """Effective switched capacitance kappa, in J s^2; 1e-28 in Mao, Zhang and Letaief, IEEE JSAC
    34(12), 2016.
    """

    def compute_j(
        self, operations: Float[ndarray, " n"], speed_per_s: Float[ndarray, " n"]
    ) -> Float[ndarray, " n"]:
        """Return the energy in J of so many operations at a speed in operations per second."""
        return self.kappa * speed_per_s * speed_per_s * operations


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Battery:
    """A battery in each device; a device whose battery is empty is not available.

    A device that runs empty stops at that instant: a transfer is aborted with the bits sent until
    then, a step is not completed, and the device is out for the rest of the round. Between two
    rounds the charge changes by

        charge' = min(capacity, max(0, charge - energy_j + (recharge_w - idle_w) x duration of the round))

    with the device's ``energy_j`` of the round, so a device comes back when recharging has given it
    anything to spend. Left out: what recharging and idling change within a round, and losses.
    """

    capacity_j: Positive
    """Energy that a full battery holds, in J."""
    initial: Shares = (1.0, 1.0)
    """Least and largest charge before the first round, as shares of the capacity; uniform between
    them.
    """
    recharge_w: NonNegative = 0.0
    """Power that recharges it at any time, in W."""
    idle_w: NonNegative = 0.0
    """Power that a device draws at any time besides what a round costs it, in W; it is in no
    ``energy_j``.
    """

    def charge_j(self, count: int, streams: Streams) -> Float[ndarray, " count"]:
        """Return the charges before the first round in J; device k's never depends on ``count``."""
        least, largest = self.initial
        share = uniform(streams.words(count, "battery"))
        return self.capacity_j * (least + (largest - least) * share)

    def after(
        self, charge_j: Float[ndarray, " K"], spent_j: Float[ndarray, " K"], duration_s: float
    ) -> Float[ndarray, " K"]:
        """Return the charges in J after a round in which the devices spent so much.

        Where a round leaves less than a millionth of the charge, the battery is empty.
        """
        left_j = charge_j - spent_j
        left_j[left_j < _USED_UP * charge_j] = 0.0
        left_j += (self.recharge_w - self.idle_w) * duration_s
        return np.clip(left_j, 0.0, self.capacity_j, out=left_j)
