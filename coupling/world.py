"""The radio world of a scenario: where the devices are and how well they are heard, at any time."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from coupling.scenario import Scenario
from netsim.channel import Channel
from netsim.mobility import Mobility
from netsim.streams import Streams


@final
@dataclass(frozen=True)
class Snapshot:
    """What the world looks like at the start of a round."""

    position_m: Float[ndarray, "K 2"]
    distance_m: Float[ndarray, " K"]
    gain: Float[ndarray, " K"]


@final
@dataclass(frozen=True)
class World:
    """Positions and gains as functions of time and channel block; no policy can change them."""

    streams: Streams
    server_m: Float[ndarray, " 2"]
    start_m: Float[ndarray, "K 2"]
    mobility: Mobility
    channel: Channel

    @staticmethod
    def of(scenario: Scenario) -> "World":
        """Return the world that a scenario describes."""
        streams = Streams(scenario.seed)
        devices, channel = scenario.devices, scenario.channel
        return World(
            streams,
            np.asarray(scenario.cell.position_m),
            devices.placement.positions(devices.count, streams),
            devices.mobility,
            Channel(channel.path_loss, channel.fading, streams),
        )

    def at(self, time_s: float, block: int) -> Snapshot:
        """Return positions (m), distances to the server (m) and power gains of all devices."""
        position_m = self.mobility.positions(self.start_m, time_s)
        apart_m = position_m - self.server_m
        distance_m = np.hypot(apart_m[:, 0], apart_m[:, 1])
        return Snapshot(position_m, distance_m, self.channel.gain(distance_m, block))
