"""Uplink power control: open loop of 3GPP TS 38.213."""

from typing import Annotated, Final, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import Field
from pydantic.dataclasses import dataclass

from netsim.parameters import CONFIG, source

_REFERENCE_BLOCK_HZ: Final = 180e3
"""Width of a resource block at 15 kHz subcarrier spacing, mu = 0."""
_Power = Annotated[float, Field(ge=-300, le=100, strict=True)]
"""A power in dBm."""


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class PowerControl:
    """Open-loop power control of the uplink shared channel, 3GPP TS 38.213, 7.1.1.

    Over M resource blocks a device sends with

        P = min(P_max, P_0 + 10 log10(2^mu M) + alpha PL)    in dBm

    where ``2^mu`` is the subcarrier spacing over 15 kHz. PL is the path loss with shadowing at the
    start of the round, without fading, as a device measures it on reference signals. Left out: the
    closed loop, and the term of the modulation and coding scheme (Delta_TF).
    """

    p0_dbm: Annotated[_Power, source("cited, 3GPP TS 38.213, 7.1.1")]
    """Power P_0 per resource block of 180 kHz that the server would receive at alpha = 1, in dBm.
    """
    alpha: Annotated[
        Annotated[float, Field(ge=0, le=1, strict=True)], source("cited, 3GPP TS 38.213, 7.1.1")
    ] = 1.0
    """Share of the path loss that the device compensates, without unit."""
    max_dbm: _Power | None = None
    """Maximum transmit power in dBm; by default ``devices.tx_power_w``."""

    def power_per_block_w(
        self, path_gain: Float[ndarray, " K"], block_hz: float
    ) -> Float[ndarray, " K"]:
        """Return the power over one resource block in W; infinite where nothing arrives."""
        with np.errstate(divide="ignore"):
            loss = path_gain**-self.alpha
        power_w = 10.0 ** ((self.p0_dbm - 30.0) / 10) * (block_hz / _REFERENCE_BLOCK_HZ)
        return np.asarray(power_w * loss)
