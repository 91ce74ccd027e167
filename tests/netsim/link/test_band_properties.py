"""Transfers in random worlds (Hypothesis): bits, shares and times add up."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from support.band_probe import sent_bit, share_hz

from netsim.channel.channel import BlockFadingChannel, CoherenceBlocks
from netsim.channel.radio_environment import RadioEnvironment
from netsim.channel.trace_gains import TraceGains
from netsim.clock import wait
from netsim.link import shannon
from netsim.link.band import Band, BandOptions
from netsim.link.transfer import Attempt
from netsim.link.transmission import Outage
from netsim.mobility import Static
from netsim.placement import Disc
from netsim.streams import Streams

BAND_HZ, NOISE = 1e6, 1e-9
MIN_GAIN = 3e-4


def ahead(gain: np.ndarray, length_s: float) -> BlockFadingChannel:
    world = RadioEnvironment(
        Static().motion(Disc(radius_m=1.0), len(gain), Streams(1)), TraceGains(0, gain)
    )
    return BlockFadingChannel(world, CoherenceBlocks(length_s), np.arange(len(gain)), 0.0)


@given(st.floats(1e-6, 1e3), st.floats(0.0, 1e6), st.integers(0, 10**6))
def test_the_block_at_a_time_has_begun_and_not_ended(
    length_s: float, time_s: float, number: int
) -> None:
    blocks = CoherenceBlocks(length_s)

    for moment_s in (time_s, number * length_s):
        block = blocks.at(moment_s)
        begin_s, end_s = blocks.start_s(np.array([block, block + 1]))
        assert begin_s <= moment_s < end_s
    assert blocks.at(number * length_s) == number


@given(
    gain=st.lists(st.floats(1e-5, 1e-1), min_size=1, max_size=12),
    steps=st.integers(1_000, 200_000),
    start_us=st.integers(0, 400_000),
    megabits=st.floats(0.001, 1.5),
)
@settings(max_examples=40, deadline=None)
def test_a_transfer_over_blocks_ends_as_steps_of_a_microsecond_give(
    gain: list[float], steps: int, start_us: int, megabits: float
) -> None:
    step_s = 1e-6
    length_s = steps * step_s
    env = simpy.Environment(start_us * step_s)
    band = Band.uplink(env, BandOptions(BAND_HZ, NOISE), np.ones(1))
    band.begin_round({0: BAND_HZ}, ahead(np.array([gain]), length_s))
    process = env.process(band.transmit(0, megabits * 1e6))
    env.run(process)

    sent, moment = 0.0, start_us
    rates = shannon.rate(BAND_HZ, np.array(gain), NOISE)
    while True:
        # A second of steps at a time; a step lies in one block, since blocks are whole steps long.
        number = moment + np.arange(1_000_000)
        sums = sent + np.cumsum(rates[number // steps % len(gain)] * step_s)
        if sums[-1] >= megabits * 1e6:
            moment += int(np.searchsorted(sums, megabits * 1e6)) + 1
            break
        sent, moment = float(sums[-1]), moment + len(number)

    assert (moment - 1.01) * step_s <= env.now <= (moment + 0.01) * step_s


@dataclass
class Witness:
    """Independent account of the band after every event: bits of its shares and gains."""

    env: simpy.Environment
    band: Band
    gain: np.ndarray
    length_s: float
    times_s: list[float] = field(default_factory=list)
    shares_hz: list[list[float]] = field(default_factory=list)
    since_s: dict[int, float] = field(default_factory=dict)
    """Beginning of each active attempt."""

    def look(self, offered_bit: list[float]) -> None:
        shares_hz = [share_hz(self.band, device) for device in range(len(self.gain))]
        assert sum(shares_hz) <= BAND_HZ * (1 + 1e-9)
        assert not self.times_s or self.env.now >= self.times_s[-1]
        self.times_s.append(self.env.now)
        self.shares_hz.append(shares_hz)
        for device, bits in enumerate(offered_bit[: len(self.gain)]):
            sent = sent_bit(self.band, device)
            if sent is None:
                self.since_s.pop(device, None)
                continue
            start_s = self.since_s.setdefault(device, self.env.now)
            assert 0 <= sent <= bits * (1 + 1e-12)
            assert abs(sent - self.carried(device, start_s, self.env.now)) <= 1e-6 + 1e-9 * bits

    def carried(self, device: int, start_s: float, end_s: float) -> float:
        """Return the bits that the device's shares and gains carry in an interval."""
        blocks_s = (
            np.arange(int(start_s / self.length_s), int(end_s / self.length_s) + 2) * self.length_s
        )
        edges_s = np.concatenate([self.times_s, blocks_s, [start_s, end_s]])
        edges_s = np.unique(np.clip(edges_s, start_s, end_s))
        middle_s = (edges_s[1:] + edges_s[:-1]) / 2
        gain = self.gain[device, (middle_s // self.length_s).astype(int) % self.gain.shape[1]]
        # The share after an event holds until the next one.
        event = np.searchsorted(self.times_s, middle_s, side="right") - 1
        shares_hz = np.array(self.shares_hz)[event, device]
        rate_bps = np.where(gain < MIN_GAIN, 0.0, shannon.rate(shares_hz, gain, NOISE))
        return float((rate_bps * np.diff(edges_s)).sum())


@given(
    gain=st.lists(st.lists(st.floats(1e-4, 1e-1), min_size=4, max_size=4), min_size=1, max_size=5),
    kilobits=st.lists(st.floats(0.0, 3000.0), min_size=5, max_size=5),
    begin_s=st.lists(st.floats(0.0, 0.5), min_size=5, max_size=5),
    length_s=st.floats(0.003, 0.7),
    action=st.sampled_from(["drop", "retry", "skip"]),
    deadline_s=st.one_of(st.just(50.0), st.floats(0.6, 3.0)),
    leave_s=st.one_of(st.just(np.inf), st.floats(0.0, 2.0)),
    air_s=st.one_of(st.just(np.inf), st.floats(0.0, 2.0)),
    reallocate=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_bits_offered_are_delivered_dropped_or_active_at_every_event(
    gain: list[list[float]],
    kilobits: list[float],
    begin_s: list[float],
    length_s: float,
    action: Any,
    deadline_s: float,
    leave_s: float,
    air_s: float,
    reallocate: bool,
) -> None:
    table, env, count = np.array(gain), simpy.Environment(), len(gain)
    offered_bit = [1000 * bits for bits in kilobits]
    attempts: dict[int, list[Attempt]] = {}
    outage = Outage(min_gain_db=10 * np.log10(MIN_GAIN), action=action)
    options = BandOptions(BAND_HZ, NOISE, outage=outage, reallocate=reallocate)
    band = Band.uplink(env, options, np.ones(5))
    band.begin_round(
        dict.fromkeys(range(count), BAND_HZ / count), ahead(table, length_s), deadline_s
    )

    def device(number: int) -> Generator[simpy.Event, Any, None]:
        yield wait(env, begin_s[number])
        limits = () if number else (leave_s, air_s)
        attempts[number] = yield from band.transmit(number, offered_bit[number], *limits)
        band.release(number)

    for number in range(count):
        env.process(device(number))
    witness = Witness(env, band, table, length_s)
    witness.look(offered_bit)
    while env.peek() < np.inf:
        env.step()
        witness.look(offered_bit)

    assert set(attempts) == set(range(count))
    for number, rows in attempts.items():
        cause_s = begin_s[number]
        for row in rows:
            assert cause_s <= row.start_s <= row.end_s <= deadline_s * (1 + 1e-12)
            assert row.bits == offered_bit[number]
            assert row.bits_delivered == row.bits or row.status != "delivered"
            assert 0 <= row.on_air_s <= row.end_s - row.start_s + 1e-9
            carried = witness.carried(number, row.start_s, row.end_s)
            assert abs(row.bits_delivered - carried) <= 1e-6 + 1e-9 * row.bits
            cause_s = row.end_s
        assert all(row.status == "lost" for row in rows[:-1])
        assert rows[-1].status in {"delivered", "lost", "late", "aborted"}
        if number:
            assert rows[-1].status != "aborted"
            continue
        on_air_s = sum(row.on_air_s for row in rows)
        assert on_air_s <= air_s + 1e-9
        # A leg that begins after its device departed ends at its beginning.
        assert rows[-1].end_s <= max(leave_s, begin_s[number]) * (1 + 1e-12)
        if rows[-1].status == "aborted":
            assert rows[-1].end_s >= leave_s * (1 - 1e-12) or on_air_s >= air_s - 1e-9
