"""The radio world of a scenario: which of its moments a round looks at, and what is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from coupling.scenario.scenario import Scenario
from netsim.channel import radio_environment
from netsim.channel.channel import BlockFadingChannel, Channel, CoherenceBlocks, ConstantChannel
from netsim.channel.pathloss import distance, with_height
from netsim.parameters import Place
from netsim.streams import Streams, uniform

_CHUNK: Final = 256


@final
@dataclass(frozen=True)
class Snapshot:
    """State of the world at the start of a round."""

    time_s: float
    """Start of the round, in the world's time."""
    block: int
    """Channel block in which it starts."""
    position_m: Float[ndarray, "K 2"]
    distance_m: Float[ndarray, " K"]
    gain: Float[ndarray, " K"]
    available: Bool[ndarray, " K"]
    """Whether each device is available by ``devices.availability``, whatever its battery."""
    power_per_block_w: Float[ndarray, " K"] | None = None
    """Transmit power over one resource block in W; None without power control."""


@final
class ScenarioWorld:
    """Positions, gains and availability of a scenario; no policy can change them.

    With ``world_clock = "round"`` the world's time follows the round number: it is ``(t - 1)
    round_period_s`` at the start of round t, and advances with simulated time within the round.
    Otherwise it is simulated time.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.streams = Streams(scenario.seed)
        coherence = scenario.channel.coherence
        self._height_m = _heights(scenario, self.streams)
        self._server_m = _server(scenario)
        self._world = _world(scenario, self.streams, self._height_m)
        self._presence = scenario.devices.availability.process(scenario.devices.count, self.streams)
        self._count = scenario.devices.count
        self._blocks = None if coherence == "round" else CoherenceBlocks(coherence)
        self._power_control = scenario.devices.power_control
        self._block_hz = scenario.cell.resource_block_hz
        self._round_period_s = scenario.round_period_s
        self._rounds = scenario.rounds if scenario.ending.is_fixed else None

    def file_warnings(self, end_s: float | None = None, rounds: int | None = None) -> list[str]:
        """Return a warning per file of the world that does not cover the run.

        Before the run: files that begin after its start or are over by then, or that end before its
        end, where that is known. Given the simulated time ``end_s`` at which the run has ended, and
        its number of rounds: the other files that end before it.
        """
        present = self._presence.coverage
        lines = []
        for coverage in [*self._world.coverages, *([present] if present else [])]:
            by_round = coverage.blocks and self._blocks is None
            start = 1 if by_round else 0
            planned = self._last_start(self._rounds, by_round=by_round, blocks=coverage.blocks)
            # The start is a lower bound of an end that is not known.
            over = coverage.over(start) if planned is None else coverage.short(planned)
            if end_s is None:
                lines += [coverage.late(start), over]
            elif planned is None and not over:
                ends = self._last_start(rounds, by_round=by_round, blocks=coverage.blocks)
                if ends is None:
                    ends = self._blocks.at(end_s) if coverage.blocks and self._blocks else end_s
                lines.append(coverage.short(ends))
        return [line for line in lines if line]

    def _last_start(self, rounds: int | None, *, by_round: bool, blocks: bool) -> float | None:
        """Return the start of the last round, in seconds or as a block; None if not yet known."""
        if by_round:
            return rounds
        if self._round_period_s is None or rounds is None:
            return None
        start_s = self._world_s(0.0, rounds)
        return self._blocks.at(start_s) if blocks and self._blocks else start_s

    def at(self, time_s: float, round_number: int) -> Snapshot:
        """Return the snapshot of the world at the start of a round that starts at ``time_s``."""
        self._world.begin_round()
        world_s = self._world_s(time_s, round_number)
        block, begins_s = round_number, world_s
        if self._blocks is not None:
            block = self._blocks.at(world_s)
            begins_s = float(self._blocks.start_s(np.array([block]))[0])
        # First the start of the block, then of the round: positions in order of time cost least.
        gain = self._world.gain(block, begins_s)
        position_m = self._world.positions(world_s)
        distance_m = distance(with_height(position_m, self._height_m), self._server_m)
        power_w = self._power_per_block_w(position_m)
        present = self._presence.at(world_s)
        return Snapshot(
            world_s, block, position_m, distance_m, gain, present, power_per_block_w=power_w
        )

    def _power_per_block_w(self, position_m: Float[ndarray, "K 2"]) -> Float[ndarray, " K"] | None:
        """Return the power over one resource block in W; None without power control."""
        if self._power_control is None or self._block_hz is None:
            return None
        path_gain = self._world.path_gain(position_m)
        return self._power_control.power_per_block_w(path_gain, self._block_hz)

    def departure_s(
        self, snapshot: Snapshot, devices: Int[ndarray, " n"], time_s: float
    ) -> Float[ndarray, " n"]:
        """Return the departure time of devices that are available at the start of a round.

        It is in simulated time, and inf for never.
        """
        # With one clock the shift is exactly 0.
        shift_s = time_s - snapshot.time_s
        return (
            self._presence.next_change_s(devices, np.full(len(devices), snapshot.time_s)) + shift_s
        )

    def availability_events(
        self, start_s: Float[ndarray, " T"], end_s: Float[ndarray, " T"], until_s: float = 0.0
    ) -> Iterator[tuple[Int[ndarray, " n"], Float[ndarray, " n"], Bool[ndarray, " n"]]]:
        """Yield the availability events of a run with rounds 1 to T, up to its end.

        They continue up to the world time ``until_s``, if that is later.
        """
        world_s = self._rounds_s(start_s)
        return self._presence.events(max(until_s, float((world_s + end_s - start_s).max())))

    def gain_before(self, snapshot: Snapshot, blocks: int) -> Float[ndarray, " K"] | None:
        """Return the gains a number of blocks before a snapshot.

        None where blocks are rounds, which keep no time.
        """
        if self._blocks is None:
            return None
        block = max(snapshot.block - blocks, 0)
        return self._world.gain(block, float(self._blocks.start_s(np.array([block]))[0]))

    def channel(self, snapshot: Snapshot, devices: Int[ndarray, " n"], time_s: float) -> Channel:
        """Return the channel of the given devices from the start of a round on."""
        if self._blocks is None:
            return ConstantChannel(snapshot.gain)
        return BlockFadingChannel(
            self._world, self._blocks, devices, time_s, snapshot.time_s - time_s
        )

    def until_next_block(self, time_s: float, round_number: int) -> float | None:
        """Return the time from the start of a round to the next channel block, in seconds.

        None where blocks are rounds.
        """
        if self._blocks is None:
            return None
        world_s = self._world_s(time_s, round_number)
        next_s = float(self._blocks.start_s(np.array([self._blocks.at(world_s) + 1]))[0])
        return next_s - world_s

    def blocks_of_run(
        self, start_s: Float[ndarray, " T"], end_s: Float[ndarray, " T"], until_s: float = 0.0
    ) -> Iterator[tuple[Int[ndarray, " b"], Float[ndarray, "K b"]]]:
        """Yield the channel blocks of a run with rounds 1 to T, in chunks, and all gains in them.

        Blocks of seconds continue up to the world time ``until_s``, if that is later.
        """
        world_s = self._rounds_s(start_s)
        if self._blocks is None:
            blocks, begin_s = np.arange(1, len(start_s) + 1), world_s
        else:
            last = self._blocks.at(max(until_s, float((world_s + end_s - start_s).max())))
            blocks = np.arange(self._blocks.at(float(world_s[0])), last + 1)
            begin_s = self._blocks.start_s(blocks)
        device = np.arange(self._count)
        for first in range(0, len(blocks), _CHUNK):
            chunk = slice(first, first + _CHUNK)
            self._world.begin_round()
            yield blocks[chunk], self._world.gains(device, blocks[chunk], begin_s[chunk])

    def _rounds_s(self, start_s: Float[ndarray, " T"]) -> Float[ndarray, " T"]:
        """Return the start times of rounds 1 to T, in the world's time."""
        return np.array(
            [self._world_s(time_s, number) for number, time_s in enumerate(start_s.tolist(), 1)]
        )

    def _world_s(self, time_s: float, round_number: int) -> float:
        return time_s if self._round_period_s is None else (round_number - 1) * self._round_period_s


def _heights(scenario: Scenario, streams: Streams) -> Float[ndarray, " K"] | None:
    """Return the height of each device in metres; None in a world without heights."""
    height_m = scenario.devices.height_m
    if scenario.flat:
        return None
    low, high = height_m if isinstance(height_m, tuple) else (height_m, height_m)
    return low + (high - low) * uniform(streams.words(scenario.devices.count, "heights"))


def _server(scenario: Scenario) -> Place:
    """Return the position of the server, with its height in a world with heights."""
    cell = scenario.cell
    return cell.position_m if scenario.flat else (*cell.position_m, cell.height_m)


def _world(
    scenario: Scenario, streams: Streams, height_m: Float[ndarray, " K"] | None
) -> radio_environment.RadioEnvironment:
    devices, channel = scenario.devices, scenario.channel
    if channel.gains is not None:
        motion = devices.mobility.motion(devices.placement, devices.count, streams)
        return radio_environment.RadioEnvironment(motion, channel.gains.gains(devices.count))
    assert channel.path_loss is not None, "validated: models where there is no recording"
    assert channel.fading is not None, "validated: models where there is no recording"
    return radio_environment.RadioEnvironment.modelled(
        devices.placement,
        devices.mobility,
        channel.path_loss,
        channel.fading,
        _server(scenario),
        devices.count,
        streams,
        height_m=height_m,
    )
