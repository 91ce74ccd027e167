"""What a fading law must do."""

from abc import ABC, abstractmethod

from jaxtyping import Complex, Float
from numpy import ndarray

from netsim.channel.fading.plane_waves import PlaneWaves


class DiffuseComponent(ABC):
    """The diffuse part of the channel between n devices and the server in T blocks.

    A complex Gaussian with mean square 1, of which a law of fading makes the factor on the power
    gain.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """The numbers of devices and of blocks."""

    @abstractmethod
    def power(self) -> Float[ndarray, "n T"]:
        """Return its squared magnitude, exponential with mean 1."""

    @abstractmethod
    def amplitude(self) -> Complex[ndarray, "n T"]:
        """Return it with its phase relative to the direct path; its squared magnitude is
        ``power()``.
        """


class Fading(ABC):
    """The random factor on the power gain in one channel block, with mean 1."""

    @abstractmethod
    def power_gain(self, scatter: DiffuseComponent) -> Float[ndarray, "n T"]:
        """Return the factor that goes with a diffuse part."""

    @abstractmethod
    def correlation_model(self) -> PlaneWaves | None:
        """Return what makes the diffuse part a function of position; None where blocks are
        independent.
        """
