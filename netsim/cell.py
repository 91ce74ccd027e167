"""Cell at run time: position, uplink and downlink band, and the queue of the edge server."""

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, final

import numpy as np
import simpy
from jaxtyping import Float, Int
from numpy import ndarray

from netsim.channel.channel import Channel
from netsim.compute import ServerCompute
from netsim.edge_server import EdgeServer, Service
from netsim.link.band import Band, BandOptions
from netsim.link.base import Link
from netsim.link.resource_blocks import ResourceBlocks
from netsim.link.shannon_link import IDEAL
from netsim.link.transmission import Outage
from netsim.parameters import Point
from netsim.streams import Streams

Direction = Literal["uplink", "downlink"]
UPLINK: Final = "uplink"
DOWNLINK: Final = "downlink"


@final
class Cell:
    """Cell of one edge server.

    Uplink and downlink are separate bands (FDD). A device's share of the downlink is the same
    fraction as its share of the uplink, and the server spreads its power evenly over the downlink.
    The server computes on a finite number of workers in order of arrival.
    """

    def __init__(
        self,
        env: simpy.Environment,
        *,
        position_m: Point,
        noise_psd: float,
        uplink_hz: float,
        tx_power_w: Float[ndarray, " K"],
        downlink_hz: float | None = None,
        server_tx_power_w: float | None = None,
        compute: ServerCompute | None = None,
        link: Link = IDEAL,
        blocks: ResourceBlocks | None = None,
        downlink_blocks: ResourceBlocks | None = None,
        patience_s: float = np.inf,
        outage: Outage | None = None,
        reallocate: bool = False,
    ) -> None:
        self.position_m = position_m
        """Position of the edge server, x and y in metres."""
        self._compute = compute
        uplink = BandOptions(
            uplink_hz,
            noise_psd,
            outage,
            reallocate=reallocate,
            link=link,
            blocks=blocks,
            patience_s=patience_s,
        )
        self._uplink = Band.uplink(env, uplink, tx_power_w)
        self._downlink: Band | None = None
        self._downlink_ratio = 0.0
        if downlink_hz is not None and server_tx_power_w is not None:
            downlink = replace(uplink, bandwidth_hz=downlink_hz, blocks=downlink_blocks)
            self._downlink = Band.downlink(env, downlink, server_tx_power_w)
            self._downlink_ratio = downlink_hz / uplink_hz
        self._server = EdgeServer(env, compute.workers) if compute else None

    @property
    def has_downlink(self) -> bool:
        """Whether bits can be sent to the devices."""
        return self._downlink is not None

    @property
    def has_compute(self) -> bool:
        """Whether the steps of the server take time."""
        return self._server is not None

    def begin_round(
        self,
        share_hz: Mapping[int, float],
        channel: Channel,
        deadline_s: float,
        *,
        power_per_block_w: Mapping[int, float] | None = None,
    ) -> None:
        """Begin a round: device ids and their shares of the uplink in Hz.

        ``channel`` has the gains of these devices, and all transfers end at ``deadline_s``.
        ``power_per_block_w`` is the power over one block under power control.
        """
        self._uplink.begin_round(share_hz, channel, deadline_s, power_per_block_w=power_per_block_w)
        if self._downlink is not None:
            downlink_hz = {
                device: share * self._downlink_ratio for device, share in share_hz.items()
            }
            self._downlink.begin_round(downlink_hz, channel, deadline_s)

    def band(self, direction: Direction) -> Band:
        """Return the band of a direction, over which a device transmits or receives."""
        band = self._uplink if direction == UPLINK else self._downlink
        assert band is not None, "validated with the protocol: there is a downlink"
        return band

    def release(self, device: int) -> None:
        """Give back the device's shares of the bands; its last leg is over."""
        self._uplink.release(device)
        if self._downlink is not None:
            self._downlink.release(device)

    def service_s(
        self,
        operations: float,
        device: Int[ndarray, " N"],
        round_number: int,
        *,
        step: str,
        streams: Streams,
    ) -> Float[ndarray, " N"]:
        """Return the service time of a step on the server for each device, in seconds."""
        if self._compute is None:
            return np.zeros(len(device))
        work = np.full(len(device), operations)
        return self._compute.service_s(work, device, round_number, step=step, streams=streams)

    def serve(self, service_s: float) -> Generator[simpy.Event, Any, Service]:
        """Wait for a worker and be served; return the times of the service."""
        assert self._server is not None, "only steps that take time are served"
        return self._server.serve(service_s)
