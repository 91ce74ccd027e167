"""Link of a device: Shannon rate, the FDMA band, and transfers in simulated time."""

from netsim.link.shannon import rate

__all__ = ["rate"]
