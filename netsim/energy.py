"""Energy consumption of devices, and their batteries."""

from typing import Annotated, Final, final

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from pydantic import Field
from pydantic.dataclasses import dataclass

from netsim.parameters import CONFIG, NonNegative, Positive, Shares, source
from netsim.streams import Streams, uniform

_USED_UP: Final = 1e-6
"""Share of a charge that counts as empty if a round left no more; rounding leaves about as much."""


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class DeviceEnergy:
    """Energy consumption of a device in a round besides its transmit power.

    Receiving costs ``receive_w`` while bits arrive, as sending costs ``devices.tx_power_w`` while
    bits are sent; blocks that an outage skips cost neither. Computing costs the dynamic energy of
    CMOS logic, capacitance times voltage squared per cycle. With a voltage in proportion to the
    clock f this is

        E = kappa f^2 x cycles

    (Burd and Brodersen, "Processor design for portable systems", J. VLSI Signal Processing 13,
    1996; in this form Mao et al., "A survey on mobile edge computing", IEEE Commun. Surveys &
    Tutorials 19(4), 2017, section II-C.) An operation of ``protocol.operations`` counts as a cycle
    and f is the device's speed; for a chip with n operations per cycle, kappa is that of the chip
    over n^3. Jitter makes a step longer at the same energy. Left out: leakage, and waiting.
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
        """Return the energy in J of some operations at a speed in operations per second."""
        return self.kappa * speed_per_s * speed_per_s * operations


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Battery:
    """Battery of each device; a device that has run empty is not available until it is recharged.

    A device that runs empty stops at that instant: a transfer is aborted with the bits sent until
    then, a step is not completed, and the device is out for the rest of the round. Between two
    rounds the charge changes by

        charge' = min(capacity, max(0, charge - energy_j + (recharge_w - idle_w) x duration_s))

    with the device's ``energy_j`` of the round and the round's duration. A device that has run
    empty is available again when its charge has reached ``resume_share`` of the capacity. Left out:
    recharging and idling within a round, and losses.
    """

    capacity_j: Positive
    """Energy that a full battery holds, in J."""
    initial: Shares = (1.0, 1.0)
    """Minimum and maximum charge before the first round, as shares of the capacity; uniform between
    them.
    """
    recharge_w: NonNegative = 0.0
    """Recharging power at any time, in W."""
    resume_share: Annotated[float, Field(gt=0, le=1, strict=True)] = 0.1
    """Charge at which a device that has run empty is available again, as a share of the capacity.
    """
    idle_w: NonNegative = 0.0
    """Power that a device draws at any time besides its rounds, in W; ``energy_j`` excludes it."""

    def initial_charge_j(self, count: int, streams: Streams) -> Float[ndarray, " count"]:
        """Return the charges before the first round in J; that of device k is independent of K."""
        low, high = self.initial
        share = uniform(streams.words(count, "battery"))
        return self.capacity_j * (low + (high - low) * share)

    def after_round(
        self,
        charge_j: Float[ndarray, " K"],
        depleted: Bool[ndarray, " K"],
        spent_j: Float[ndarray, " K"],
        *,
        duration_s: float,
    ) -> tuple[Float[ndarray, " K"], Bool[ndarray, " K"]]:
        """Return charges in J, and depleted devices, after a round that cost ``spent_j``.

        A battery with less than a millionth of its charge left has run empty. A depleted device has
        run empty and has not been recharged to ``resume_share`` since.
        """
        left_j = charge_j - spent_j
        left_j[left_j < _USED_UP * charge_j] = 0.0
        empty = left_j <= 0
        left_j += (self.recharge_w - self.idle_w) * duration_s
        np.clip(left_j, 0.0, self.capacity_j, out=left_j)
        empty |= depleted | (left_j <= 0)
        return left_j, empty & (left_j < self.resume_share * self.capacity_j)
