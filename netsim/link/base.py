"""Link model: the interface, and the ideal link of the paper."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike


@final
@dataclass(frozen=True)
class Adaptation:
    """Link adaptation: the scheme that a link chooses at each SINR, and its retransmissions."""

    modulation: Float[ndarray, "*n"]
    """Modulation order in bits per symbol; NaN where nothing can be sent."""
    retransmissions: Float[ndarray, "*n"]
    """Mean number of retransmissions of a transport block; NaN where nothing can be sent."""


class Link(ABC):
    """Link model: spectral efficiency of a device as a function of its SINR.

    The SINR is ``P g / (b N0 M)`` over the bandwidth b that the device uses, with an interference
    margin M. The spectral efficiency never falls with the SINR. A device need not use all of its
    bandwidth, so that its rate never falls with the bandwidth.
    """

    @property
    @abstractmethod
    def interference_margin(self) -> float:
        """Factor M, linear, by which interference raises the noise."""

    @property
    def is_ideal(self) -> bool:
        """Whether the link is that of the paper, ``log2(1 + SNR)`` at any SNR."""
        return False

    @abstractmethod
    def spectral_efficiency(self, sinr: ArrayLike) -> Float[ndarray, "..."]:
        """Return the bits per second and Hz that arrive at each linear SINR; it never falls."""

    def efficiency_over_blocks(
        self, sinr: Float[ndarray, "*n"], blocks: ArrayLike
    ) -> Float[ndarray, "*n"]:
        """Return the spectral efficiency over a number of resource blocks at each linear SINR.

        A link whose code blocks depend on the number of blocks overrides it. Nothing else is
        required of it: the device may leave blocks empty. ``blocks`` broadcasts against ``sinr``.
        """
        return self.spectral_efficiency(sinr)

    def adaptation(self, sinr: Float[ndarray, "*n"], blocks: ArrayLike) -> Adaptation | None:
        """Return the scheme at each linear SINR over a number of blocks; None without schemes.

        A link with modulation and coding schemes overrides it: it must give the schemes whose
        goodput ``efficiency_over_blocks`` returns for the same arguments. The trace has the means
        over the air time of each transfer.
        """
        return None

    def used_bandwidth(
        self,
        bandwidth_hz: ArrayLike,
        gain: ArrayLike,
        noise_psd: float,
        tx_power_w: ArrayLike = 1.0,
    ) -> Float[ndarray, "..."]:
        """Return the part of its own band that each device uses, in Hz; by default all of it."""
        return np.broadcast_to(np.asarray(bandwidth_hz, float), np.shape(gain))

    @abstractmethod
    def rate(
        self,
        bandwidth_hz: ArrayLike,
        gain: ArrayLike,
        noise_psd: float,
        tx_power_w: ArrayLike = 1.0,
    ) -> Float[ndarray, "..."]:
        """Return the rate of each device over its own band in bit/s; it never falls in the band.

        The arguments broadcast: Hz, power gain without unit, W/Hz, W.
        """

    def rate_at_density(
        self, bandwidth_hz: ArrayLike, gain: ArrayLike, noise_psd: float, power_psd: float
    ) -> Float[ndarray, "..."]:
        """Return the rate in bit/s of a sender with a given power spectral density in W/Hz.

        The SINR does not depend on the bandwidth, as in a downlink of even power.
        """
        sinr = power_psd * np.asarray(gain, float) / (noise_psd * self.interference_margin)
        return np.asarray(np.asarray(bandwidth_hz, float) * self.spectral_efficiency(sinr))
