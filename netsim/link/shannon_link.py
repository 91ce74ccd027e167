"""Shannon link, ideal or truncated: SNR gap, efficiency, minimum SNR and maximum efficiency."""

from typing import Annotated, Final, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike
from pydantic import Field
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.link import shannon
from netsim.link.base import Link
from netsim.parameters import CONFIG, Decibel, Positive, source

_Loss = Annotated[float, Field(ge=0, le=1000, strict=True)]
"""A loss in dB."""


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ShannonLink(Link):
    """Shannon rate of equation (5), or truncated Shannon as 3GPP TR 36.942 has it.

    With the SINR x over the used bandwidth, the spectral efficiency is

        S(x) = 0                                             below min_snr_db
        S(x) = min(max_bps_per_hz, efficiency log2(1 + x / gap))    otherwise

    Efficiency, minimum SNR and maximum are those of TR 36.942, annex A, whose efficiency is 0.6 in
    the downlink and 0.4 in the uplink. The gap is another
    approximation: Forney and Ungerboeck, "Modulation and coding for linear Gaussian channels", IEEE
    Trans. Inf. Theory 44(6), 1998, section II. A gap of 10 log10(2) dB equals half the power.

    *The rate never falls and is concave in the bandwidth.* A device uses u of its bandwidth b, at
    full power. ``u log2(1 + a / u)`` is the perspective of a concave function, so it is concave in
    u, it rises with u, and the minimum of it and of ``cap u`` does so too. The SINR ``a / u`` falls
    in u and reaches the minimum at ``u_max``; beyond, nothing arrives. The best use is ``min(b,
    u_max)``, and a concave rising function of ``min(b, u_max)`` is concave and never falls.

    Left out: the fading within the bandwidth, and interference other than a constant margin.
    """

    kind: Annotated[Literal["shannon"], source("paper, (5)")] = "shannon"
    gap_db: Annotated[_Loss, source("cited, Forney and Ungerboeck 1998")] = 0.0
    """SNR gap to capacity of a real code and constellation, in dB."""
    efficiency: Annotated[
        Annotated[float, Field(gt=0, le=1, strict=True)], source("cited, 3GPP TR 36.942, annex A")
    ] = 1.0
    """Share of the Shannon rate that an implementation reaches, without unit."""
    min_snr_db: Annotated[Decibel | None, source("cited, 3GPP TR 36.942, annex A")] = None
    """SNR in dB below which nothing arrives; by default there is no minimum."""
    max_bps_per_hz: Annotated[Positive | None, source("cited, 3GPP TR 36.942, annex A")] = None
    """Maximum spectral efficiency in bit/s/Hz; by default there is none."""
    interference_margin_db: Annotated[_Loss, source("airtune")] = 0.0
    """Interference over thermal noise: factor on the noise in dB."""

    @property
    def gap(self) -> float:
        """SNR gap, linear."""
        return float(10.0 ** (self.gap_db / 10))

    @property
    def min_snr(self) -> float:
        """Minimum SNR, linear; 0 if there is none."""
        return 0.0 if self.min_snr_db is None else float(10.0 ** (self.min_snr_db / 10))

    @property
    def cap(self) -> float:
        """Maximum spectral efficiency in bit/s/Hz; infinite if there is none."""
        return np.inf if self.max_bps_per_hz is None else self.max_bps_per_hz

    @property
    @override
    def interference_margin(self) -> float:
        return float(10.0 ** (self.interference_margin_db / 10))

    @property
    def is_truncated(self) -> bool:
        """Whether there is a minimum SNR or a maximum spectral efficiency."""
        return self.min_snr_db is not None or self.max_bps_per_hz is not None

    @property
    @override
    def is_ideal(self) -> bool:
        return self == IDEAL

    def shannon_noise_psd(self, noise_psd: float) -> float:
        """Return the noise in W/Hz with which equation (5) gives the rate without its limits.

        Gap and margin weaken the signal as more noise does.
        """
        return noise_psd * (self.gap * self.interference_margin)

    def shannon_bits(self, bits: Float[ndarray, "*n"]) -> Float[ndarray, "*n"]:
        """Return the bits whose delay by equation (5) is that of ``bits`` without the limits."""
        return bits if self.efficiency == 1.0 else bits / self.efficiency

    @override
    def spectral_efficiency(self, sinr: ArrayLike) -> Float[ndarray, "..."]:
        snr = np.asarray(sinr, float)
        reached = np.log1p(snr / self.gap) * (self.efficiency / shannon.LN2)
        return np.asarray(np.where(snr >= self.min_snr, np.minimum(reached, self.cap), 0.0))

    @override
    def rate(
        self,
        bandwidth_hz: ArrayLike,
        gain: ArrayLike,
        noise_psd: float,
        tx_power_w: ArrayLike = 1.0,
    ) -> Float[ndarray, "..."]:
        used_hz = bandwidth_hz
        if self.min_snr:
            used_hz = self.used_bandwidth(bandwidth_hz, gain, noise_psd, tx_power_w=tx_power_w)
        noise = self.shannon_noise_psd(noise_psd)
        rate_bps = shannon.rate(used_hz, gain, noise, tx_power_w=tx_power_w)
        if self.efficiency != 1.0:
            rate_bps = self.efficiency * rate_bps
        if self.max_bps_per_hz is None:
            return rate_bps
        return np.minimum(rate_bps, self.max_bps_per_hz * np.asarray(used_hz, float))

    @override
    def used_bandwidth(
        self,
        bandwidth_hz: ArrayLike,
        gain: ArrayLike,
        noise_psd: float,
        tx_power_w: ArrayLike = 1.0,
    ) -> Float[ndarray, "..."]:
        if not self.min_snr:
            return Link.used_bandwidth(self, bandwidth_hz, gain, noise_psd, tx_power_w)
        widest_hz = self.max_bandwidth(gain, noise_psd, tx_power_w=tx_power_w)
        return np.asarray(np.minimum(bandwidth_hz, widest_hz))

    def max_bandwidth(
        self, gain: ArrayLike, noise_psd: float, tx_power_w: ArrayLike = 1.0
    ) -> Float[ndarray, "..."]:
        """Return the bandwidth of each device in Hz at which its SNR is the minimum."""
        received = np.asarray(tx_power_w, float) * np.asarray(gain, float)
        with np.errstate(divide="ignore"):
            return np.asarray(received / (noise_psd * self.interference_margin) / self.min_snr)


IDEAL: Final = ShannonLink()
"""Link of the paper: equation (5)."""
