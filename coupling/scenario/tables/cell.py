"""Cell settings: the ``[cell]`` table."""

from typing import Annotated, final

from coupling.scenario.tables.base import ScenarioTable
from netsim.compute import ServerCompute
from netsim.parameters import Height, Point, Positive, source


@final
class CellTable(ScenarioTable):
    """Edge server: position, bands, transmit power and compute."""

    position_m: Annotated[Point, source("paper, section V-A")] = (0.0, 0.0)
    """Position of the edge server, x and y in metres."""
    height_m: Height = 0.0
    """Height of the server's antenna in metres; `tr38901` has its own."""
    bandwidth_hz: Annotated[Positive, source("paper, (6)")]
    """Uplink bandwidth B that the scheduled devices share, in Hz."""
    noise_psd_w_per_hz: Annotated[Positive, source("paper, (5)")]
    """Power spectral density of the noise, sigma^2 of (5), in W/Hz."""
    downlink_bandwidth_hz: Positive | None = None
    """Downlink bandwidth in Hz, separate from the uplink (FDD); needed by ``phased``."""
    server_tx_power_w: Positive | None = None
    """Transmit power of the server in W, spread evenly over the downlink; needed by ``phased``."""
    compute: ServerCompute | None = None
    """Compute speed of the server; by default its steps take no time."""
