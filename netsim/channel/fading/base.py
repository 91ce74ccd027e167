"""Fading law: the interface, and that of the diffuse component."""

from abc import ABC, abstractmethod

from jaxtyping import Complex, Float
from numpy import ndarray

from netsim.channel.fading.plane_waves import PlaneWaves


class DiffuseComponent(ABC):
    """Diffuse component of the channel of n devices in T blocks.

    Complex Gaussian with unit power; each fading law maps it to a power gain.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Numbers of devices and of blocks."""

    @abstractmethod
    def power(self) -> Float[ndarray, "n T"]:
        """Return the squared magnitude, exponential with mean 1."""

    @abstractmethod
    def amplitude(self) -> Complex[ndarray, "n T"]:
        """Return the amplitude; its phase is relative to the direct path."""


class Fading(ABC):
    """Fading law: the random factor on the power gain in one channel block, with mean 1."""

    @abstractmethod
    def power_gain(self, diffuse: DiffuseComponent) -> Float[ndarray, "n T"]:
        """Return the factor on the power gain for a diffuse component."""

    @abstractmethod
    def correlation_model(self) -> PlaneWaves | None:
        """Return the plane waves of the diffuse component; None if blocks are independent."""
