"""Cell settings: the ``[cell]`` table."""

from typing import Annotated, Self, final

from pydantic import model_validator

from coupling.scenario.tables.base import ScenarioTable
from netsim.compute import ServerCompute
from netsim.link.resource_blocks import ResourceBlocks, block_count
from netsim.parameters import Count, Height, Point, Positive, source


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
    resource_block_hz: Annotated[Positive | None, source("cited, 3GPP TS 38.211, 4.4.4.1")] = None
    """Width of a resource block in Hz, 12 subcarriers: 180e3, 360e3 or 720e3 in 5G NR. Shares are
    whole blocks; by default the band is divided at will.
    """
    resource_blocks: Annotated[Count | None, source("cited, 3GPP TS 38.101-1, 5.3.2")] = None
    """Number of resource blocks of the uplink; by default N_RB of TS 38.101-1 for the bandwidth and
    the subcarrier spacing, or else what the band holds. The rest of the band is guard band.
    """

    @model_validator(mode="after")
    def _blocks_fit(self) -> Self:
        if self.resource_block_hz is None:
            if self.resource_blocks is not None:
                raise ValueError("resource_blocks needs resource_block_hz, the width of a block")
            return self
        for name in ("bandwidth_hz", "downlink_bandwidth_hz"):
            band_hz = getattr(self, name)
            if band_hz is not None and block_count(band_hz, self.resource_block_hz) < 1:
                raise ValueError(
                    f"resource_block_hz = {self.resource_block_hz:g} is wider than "
                    f"{name} = {band_hz:g}"
                )
        held = block_count(self.bandwidth_hz, self.resource_block_hz)
        if self.resource_blocks is not None and self.resource_blocks > held:
            raise ValueError(
                f"resource_blocks = {self.resource_blocks} is more than the {held} blocks of "
                f"{self.resource_block_hz:g} Hz that bandwidth_hz = {self.bandwidth_hz:g} holds"
            )
        return self

    @property
    def blocks(self) -> ResourceBlocks | None:
        """Resource blocks of the uplink; None where the band is divided at will."""
        if self.resource_block_hz is None:
            return None
        held = block_count(self.bandwidth_hz, self.resource_block_hz)
        return ResourceBlocks(self.resource_block_hz, self.resource_blocks or held)

    @property
    def downlink_blocks(self) -> ResourceBlocks | None:
        """Resource blocks of the downlink; None without, or without a downlink."""
        if self.resource_block_hz is None or self.downlink_bandwidth_hz is None:
            return None
        held = block_count(self.downlink_bandwidth_hz, self.resource_block_hz)
        return ResourceBlocks(self.resource_block_hz, held)

    @property
    def uplink_hz(self) -> float:
        """Bandwidth of the uplink that the devices share, in Hz, without guard band."""
        blocks = self.blocks
        return self.bandwidth_hz if blocks is None else blocks.bandwidth_hz

    @property
    def downlink_hz(self) -> float | None:
        """Bandwidth of the downlink in Hz, without guard band; None without a downlink."""
        blocks = self.downlink_blocks
        return self.downlink_bandwidth_hz if blocks is None else blocks.bandwidth_hz
