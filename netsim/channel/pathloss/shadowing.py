"""Log-normal shadowing as a field over the plane."""

from typing import Annotated, final

from jaxtyping import Float
from numpy import ndarray
from pydantic.dataclasses import dataclass

from netsim.channel.pathloss.gaussian_field import gaussian_random_field
from netsim.parameters import CONFIG, Positive, Spread, source
from netsim.streams import Streams


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Shadowing:
    """Shadowing in dB: a Gaussian random field with correlation ``exp(-distance / d_cor)``.

    The correlation is Gudmundson's (Electronics Letters 27(23), 1991). The construction of the
    field and its approximations are those of ``netsim/channel/pathloss/gaussian_field.py``. Its
    mean over the plane is 0 and its variance ``sigma_db^2`` in every world. Devices at one place
    share their shadow. A moving device costs 256 cosines per query.
    """

    sigma_db: Annotated[Spread, source("cited, Gudmundson 1991")]
    """Standard deviation of the shadow in dB."""
    correlation_m: Annotated[Positive, source("cited, Gudmundson 1991")]
    """Distance d_cor in metres at which the correlation is 1/e."""

    def decibel(self, position_m: Float[ndarray, "*n 2"], streams: Streams) -> Float[ndarray, "*n"]:
        """Return the shadow at each position in dB; positive means a stronger signal."""
        return self.sigma_db * gaussian_random_field(
            position_m, self.correlation_m, streams, name="shadowing"
        )
