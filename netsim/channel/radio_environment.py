"""Radio environment: positions and gains of the devices at any time and in any channel block."""

from typing import final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim.channel.fading import Fading
from netsim.channel.gains import Gains, ModelledGains
from netsim.channel.pathloss import PathLoss
from netsim.chunks import chunks
from netsim.input_columns import Coverage
from netsim.mobility import Mobility, Stationary, Trajectories
from netsim.parameters import Place
from netsim.placement import Placement
from netsim.streams import Streams


@final
class RadioEnvironment:
    """Radio environment: positions and gains as functions of time and block.

    No policy and no order of calls changes them. ``block`` numbers the channel blocks: the round,
    or the time over the coherence time. ``time_s`` is the beginning of a block in the world's own
    time; positions within a block are those at its beginning.
    """

    def __init__(self, motion: Trajectories, gains: Gains) -> None:
        self._motion = motion
        self._gains = gains
        self._last: tuple[float, Float[ndarray, "K 2"]] | None = None

    @staticmethod
    def modelled(
        placement: Placement,
        mobility: Mobility,
        path_loss: PathLoss,
        fading: Fading,
        server_m: Place,
        count: int,
        streams: Streams,
        *,
        height_m: Float[ndarray, " K"] | None = None,
    ) -> "RadioEnvironment":
        """Return the environment of ``count`` devices and one server, from models.

        Raises:
            NetworkInputError: the models or a file do not fit each other or the number of devices.
        """
        motion = mobility.motion(placement, count, streams)
        rest_m = motion.positions(0.0) if isinstance(motion, Stationary) else None
        gains = ModelledGains(
            path_loss,
            fading,
            server_m,
            count=count,
            streams=streams,
            rest_m=rest_m,
            height_m=height_m,
        )
        return RadioEnvironment(motion, gains)

    @property
    def coverages(self) -> list[Coverage]:
        """Coverages of the files of positions and gains, where there are files."""
        return [part for part in (self._motion.coverage, self._gains.coverage) if part]

    def begin_round(self) -> None:
        """Begin a round, whose turns of the devices are counted."""
        self._motion.begin_round()

    def positions(self, time_s: float) -> Float[ndarray, "K 2"]:
        """Return x and y of all devices in metres."""
        if self._last is None or self._last[0] != time_s:
            self._last = time_s, self._motion.positions(time_s)
        return self._last[1]

    def gain(self, block: int, time_s: float) -> Float[ndarray, " K"]:
        """Return the power gains of all devices in a block that begins at ``time_s``."""
        position_m = self.positions(time_s)
        gain = np.empty(len(position_m))
        blocks = np.array([block])
        times_s = np.array([float(time_s)])
        for chunk in chunks(len(gain)):
            block_gain = self._gains.at(chunk, position_m[chunk, None], blocks, time_s=times_s)
            gain[chunk] = block_gain[:, 0]
        return gain

    def path_gain(self, position_m: Float[ndarray, "K 2"]) -> Float[ndarray, " K"]:
        """Return the power gains of all devices at their positions, without fading."""
        return self._gains.path_gain(position_m)

    def gains(
        self, device: Int[ndarray, " n"], block: Int[ndarray, " T"], time_s: Float[ndarray, " T"]
    ) -> Float[ndarray, "n T"]:
        """Return the power gains of some devices in blocks that begin at ascending times.

        They equal those of ``gain`` for these devices to the last bit.
        """
        position_m = self._motion.paths(device, time_s)
        return self._gains.at(device, position_m, block, time_s=time_s)
