"""Transfers over a shared band: end times computed by hand."""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest
import simpy

from netsim.channel.channel import BlockFadingChannel, Channel, CoherenceBlocks, ConstantChannel
from netsim.channel.radio_environment import RadioEnvironment
from netsim.channel.trace_gains import TraceGains
from netsim.errors import StalledError
from netsim.link import shannon
from netsim.link.band import Band, BandOptions
from netsim.link.budget import LinkBudget
from netsim.link.shannon_link import ShannonLink
from netsim.link.transfer import Attempt
from netsim.link.transmission import Outage
from netsim.mobility import Static
from netsim.placement import Disc
from netsim.streams import Streams

BAND_HZ, NOISE = 1e6, 1e-9
UNIT = NOISE * BAND_HZ
"""Received power with which the whole band has a signal-to-noise ratio of 1, so 1 Mbit/s."""


def world(gain: list[list[float]] | np.ndarray) -> RadioEnvironment:
    """Return a world with the given gains of each device in blocks 0, 1, ..., repeated."""
    table = np.array(gain, float)
    return RadioEnvironment(
        Static().motion(Disc(radius_m=1.0), len(table), Streams(1)), TraceGains(0, table)
    )


def varying(
    gain: list[list[float]] | np.ndarray, length_s: float = 1.0, shift_s: float = 0.0
) -> BlockFadingChannel:
    return BlockFadingChannel(
        world(gain), CoherenceBlocks(length_s), np.arange(len(gain)), 0.0, shift_s
    )


def sent(
    band: Callable[[simpy.Environment], Band],
    channel: Channel,
    bits: dict[int, float],
    *,
    shares_hz: dict[int, float] | None = None,
    deadline_s: float = float("inf"),
    start_s: float = 0.0,
    departure_s: float = float("inf"),
    airtime_s: float = float("inf"),
) -> dict[int, list[Attempt]]:
    """Return the attempts of devices that send once and release their share; 0 has limits."""
    env = simpy.Environment(start_s)
    link = band(env)
    equal_hz = {device: BAND_HZ / len(bits) for device in bits}
    link.begin_round(shares_hz or equal_hz, channel, deadline_s)
    attempts: dict[int, list[Attempt]] = {}

    def device(number: int) -> Generator[simpy.Event, Any, None]:
        limits = () if number else (departure_s, airtime_s)
        attempts[number] = yield from link.transmit(number, bits[number], *limits)
        link.release(number)

    processes = [env.process(device(number)) for number in bits]
    env.run(simpy.AllOf(env, processes))
    return attempts


def uplink(**options: Any) -> Callable[[simpy.Environment], Band]:
    return lambda env: Band.uplink(env, BandOptions(BAND_HZ, NOISE, **options), np.ones(9))


def test_over_a_steady_channel_a_transfer_takes_bits_over_rate() -> None:
    gain = np.array([2e-4, 3e-5])
    bits = {0: 5e6, 1: 1e6}

    attempts = sent(uplink(), ConstantChannel(gain), bits, shares_hz={0: 3e5, 1: 7e5})

    for device, share_hz in ((0, 3e5), (1, 7e5)):
        rate_bps = float(shannon.rate(share_hz, gain[device], NOISE))
        (attempt,) = attempts[device]
        assert attempt.end_s == pytest.approx(bits[device] / rate_bps, rel=1e-12)
        assert attempt.rate_bps == pytest.approx(rate_bps, rel=1e-12)
        assert (attempt.status, attempt.bits_delivered) == ("delivered", bits[device])
        assert attempt.bandwidth_hz == pytest.approx(share_hz)
        assert attempt.on_air_s == attempt.end_s - attempt.start_s


def test_a_steady_channel_and_equal_blocks_give_the_same_end() -> None:
    constant_gain = sent(uplink(), ConstantChannel(np.array([2e-4])), {0: 5e7}, start_s=0.3)
    blocks = sent(uplink(), varying([[2e-4]], length_s=0.01), {0: 5e7}, start_s=0.3)

    assert blocks[0][0].end_s == pytest.approx(constant_gain[0][0].end_s, rel=1e-12)


def test_the_server_spreads_its_power_over_the_whole_downlink_band() -> None:
    attempts = sent(
        lambda env: Band.downlink(env, BandOptions(BAND_HZ, NOISE), 20.0),
        ConstantChannel(np.array([1e-4, 1e-4])),
        {0: 1e6, 1: 1e6},
    )

    # b log2(1 + P g / (B N0)) with b = B / 2
    rate_bps = 5e5 * np.log2(1 + 20.0 * 1e-4 / (BAND_HZ * NOISE))
    assert attempts[0][0].end_s == pytest.approx(1e6 / rate_bps, rel=1e-12)
    assert attempts[1][0].end_s == attempts[0][0].end_s


def test_bits_left_at_a_block_boundary_are_carried_over() -> None:
    # 1, 2 and 3 Mbit/s in blocks of 1 s; 4.5 Mbit end after a half of the third block.
    channel = varying([[UNIT, 3 * UNIT, 7 * UNIT]])

    (attempt,) = sent(uplink(), channel, {0: 4.5e6})[0]

    assert attempt.end_s == pytest.approx(2.5, rel=1e-12)
    assert attempt.rate_bps == pytest.approx(4.5e6 / 2.5, rel=1e-12)


def test_a_transfer_may_begin_within_a_block_and_in_a_world_that_is_ahead() -> None:
    # From 0.75 s on at world time 1.75 s: 0.25 s of 2 Mbit/s, then 3 Mbit/s.
    channel = varying([[UNIT, 3 * UNIT, 7 * UNIT]], shift_s=1.0)

    (attempt,) = sent(uplink(), channel, {0: 2e6}, start_s=0.75)[0]

    assert attempt.end_s == pytest.approx(1.5, rel=1e-12)


def test_a_released_share_goes_to_the_others_in_proportion() -> None:
    # Power far below the noise: the rate is P g / (N0 ln 2) whatever the share, so use the
    # downlink, where it is proportional to the share: 1 Mbit/s over the whole band.
    def band(env: simpy.Environment) -> Band:
        return Band.downlink(env, BandOptions(BAND_HZ, NOISE, reallocate=True), 1.0)

    shares_hz = {0: 0.5e6, 1: 0.25e6, 2: 0.25e6}
    attempts = sent(
        band, ConstantChannel(np.full(3, UNIT)), {0: 0.5e6, 1: 1e6, 2: 0.5e6}, shares_hz=shares_hz
    )

    # Device 0 ends at 1 s; 1 and 2 have sent 0.25 Mbit and get half of the band each. Device 2
    # needs 0.5 s more; then device 1, with 0.5 Mbit left, has all of it.
    assert [attempts[device][0].end_s for device in range(3)] == pytest.approx([1.0, 2.0, 1.5])
    assert attempts[1][0].bandwidth_hz == pytest.approx((0.25e6 * 1 + 0.5e6 * 0.5 + 1e6 * 0.5) / 2)


def test_without_reallocation_a_released_share_stays_unused() -> None:
    attempts = sent(
        lambda env: Band.downlink(env, BandOptions(BAND_HZ, NOISE), 1.0),
        ConstantChannel(np.full(2, UNIT)),
        {0: 0.5e6, 1: 1e6},
    )

    assert [attempts[device][0].end_s for device in range(2)] == pytest.approx([1.0, 2.0])


OUTAGE_DB = -40.0
BAD = 1e-5
"""Gain below the minimum of the outage."""


def rows(attempts: list[Attempt]) -> list[tuple[float, float, float, str]]:
    return [
        (round(row.start_s, 9), round(row.end_s, 9), round(row.bits_delivered), row.status)
        for row in attempts
    ]


def test_an_outage_drops_a_transfer_when_the_bad_block_begins() -> None:
    outage = Outage(min_gain_db=OUTAGE_DB, action="drop")

    attempts = sent(uplink(outage=outage), varying([[UNIT, BAD, UNIT]]), {0: 1.5e6})[0]

    assert rows(attempts) == [(0.0, 1.0, 1e6, "lost")]


def test_an_outage_with_retry_sends_all_bits_again_in_the_next_good_block() -> None:
    outage = Outage(min_gain_db=OUTAGE_DB, action="retry", retries=2)

    attempts = sent(uplink(outage=outage), varying([[UNIT, BAD, BAD, 3 * UNIT]]), {0: 2e6})[0]
    given_up = sent(uplink(outage=outage), varying([[UNIT, BAD]]), {0: 2e6})[0]

    assert rows(attempts) == [(0.0, 1.0, 1e6, "lost"), (3.0, 4.0, 2e6, "delivered")]
    assert [row[:2] for row in rows(given_up)] == [(0.0, 1.0), (2.0, 3.0), (4.0, 5.0)]
    assert given_up[-1].status == "lost"


def test_an_outage_with_skip_waits_and_continues() -> None:
    outage = Outage(min_gain_db=OUTAGE_DB, action="skip")

    attempts = sent(uplink(outage=outage), varying([[UNIT, BAD, BAD, 3 * UNIT]]), {0: 2e6})[0]

    assert rows(attempts) == [(0.0, 3.5, 2e6, "delivered")]
    assert attempts[0].on_air_s == pytest.approx(1.5)


@pytest.mark.parametrize("action", ["drop", "retry", "skip"])
def test_a_bad_gain_that_holds_for_the_round_loses_the_transfer_at_once(action: Any) -> None:
    outage = Outage(min_gain_db=OUTAGE_DB, action=action)

    attempts = sent(uplink(outage=outage), ConstantChannel(np.array([BAD])), {0: 2e6})[0]

    assert rows(attempts) == [(0.0, 0.0, 0.0, "lost")]
    assert attempts[0].rate_bps is None


@pytest.mark.parametrize(
    "channel", [ConstantChannel(np.array([UNIT])), varying([[UNIT]], length_s=0.125)]
)
def test_a_transfer_that_ends_at_the_deadline_is_delivered(channel: Channel) -> None:
    late = sent(uplink(), channel, {0: 2e6}, deadline_s=1.5)[0]
    in_time = sent(uplink(), channel, {0: 1.5e6}, deadline_s=1.5)[0]

    assert rows(late) == [(0.0, 1.5, 1.5e6, "late")]
    assert rows(in_time) == [(0.0, 1.5, 1.5e6, "delivered")]


def test_no_retry_begins_after_the_deadline() -> None:
    outage = Outage(min_gain_db=OUTAGE_DB, action="retry")

    attempts = sent(
        uplink(outage=outage), varying([[UNIT, BAD, BAD, UNIT]]), {0: 2e6}, deadline_s=3.0
    )[0]

    assert rows(attempts) == [(0.0, 1.0, 1e6, "lost")]


def ended_s(channel: Channel, deadline_s: float, departure_s: float, action: Any) -> float:
    """Return the time at which a leg of 2 Mbit is over for its device."""
    env = simpy.Environment()
    outage = Outage(min_gain_db=OUTAGE_DB, action=action)
    band = uplink(outage=outage)(env)
    band.begin_round({0: BAND_HZ}, channel, deadline_s)
    env.run(env.process(band.transmit(0, 2e6, departure_s)))
    return float(env.now)


@pytest.mark.parametrize(("deadline_s", "departure_s"), [(3.5, 9.0), (9.0, 3.5), (3.5, 3.5)])
def test_a_lost_leg_is_retried_until_its_device_knows_the_end(
    deadline_s: float, departure_s: float
) -> None:
    never = varying([[UNIT, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD]])
    later = varying([[UNIT, BAD, BAD, BAD, 3 * UNIT]])
    held = ConstantChannel(np.array([BAD]))
    limits = {"deadline_s": deadline_s, "departure_s": departure_s}

    assert ended_s(never, action="retry", **limits) == 3.5
    assert ended_s(later, action="retry", **limits) == 3.5
    assert ended_s(never, action="skip", **limits) == 3.5
    # A loss that is final is known at once.
    assert ended_s(never, action="drop", **limits) == 1.0
    assert ended_s(held, action="retry", **limits) == 0.0


def test_a_device_that_waits_for_a_retry_keeps_its_share_until_it_leaves() -> None:
    def band(env: simpy.Environment) -> Band:
        outage = Outage(min_gain_db=OUTAGE_DB, action="retry")
        return Band.downlink(env, BandOptions(BAND_HZ, NOISE, outage, reallocate=True), 1.0)

    channel = varying([[UNIT, BAD, BAD, BAD, UNIT], [UNIT] * 5])
    attempts = sent(band, channel, {0: 2e6, 1: 2e6}, departure_s=3.0)

    # 1.5 Mbit with half of the band until 3 s, and 0.5 Mbit with all of it.
    assert rows(attempts[0]) == [(0.0, 1.0, 0.5e6, "lost")]
    assert rows(attempts[1]) == [(0.0, 3.5, 2e6, "delivered")]


@pytest.mark.parametrize("limit", ["departure_s", "airtime_s"])
def test_a_device_that_departs_or_runs_empty_stops_at_once(limit: str) -> None:
    channel = varying([[UNIT, 3 * UNIT]])

    aborted = sent(uplink(), channel, {0: 9e6}, **{limit: 1.25})[0]
    constant_gain = sent(uplink(), ConstantChannel(np.array([UNIT])), {0: 9e6}, **{limit: 1.25})[0]
    in_time = sent(uplink(), channel, {0: 1.5e6}, **{limit: 1.25})[0]
    late = sent(uplink(), channel, {0: 9e6}, **{limit: 1.25}, deadline_s=1.0)[0]

    assert rows(aborted) == [(0.0, 1.25, 1.5e6, "aborted")]
    assert rows(constant_gain) == [(0.0, 1.25, 1.25e6, "aborted")]
    assert rows(in_time) == [(0.0, 1.25, 1.5e6, "delivered")]
    assert rows(late) == [(0.0, 1.0, 1e6, "late")]


def test_a_device_that_has_departed_sends_nothing() -> None:
    attempts = sent(uplink(), varying([[UNIT]]), {0: 9e6}, departure_s=3.0, start_s=4.0)[0]

    assert rows(attempts) == [(4.0, 4.0, 0.0, "aborted")]


def test_blocks_in_which_nothing_is_sent_use_no_charge() -> None:
    outage = Outage(min_gain_db=OUTAGE_DB, action="skip")
    channel = varying([[UNIT, BAD, BAD, UNIT]])

    within = sent(uplink(outage=outage), channel, {0: 9e6}, airtime_s=1.5)[0]
    at_the_edge = sent(uplink(outage=outage), channel, {0: 9e6}, airtime_s=1.0)[0]

    assert rows(within) == [(0.0, 3.5, 1.5e6, "aborted")]
    assert rows(at_the_edge) == [(0.0, 1.0, 1e6, "aborted")]
    assert [attempt.on_air_s for attempt in within + at_the_edge] == [1.5, 1.0]


def test_the_limit_of_air_time_holds_for_all_attempts_of_a_leg() -> None:
    outage = Outage(min_gain_db=OUTAGE_DB, action="retry")

    attempts = sent(
        uplink(outage=outage), varying([[UNIT, BAD, BAD, UNIT]]), {0: 2e6}, airtime_s=1.75
    )[0]

    assert rows(attempts) == [(0.0, 1.0, 1e6, "lost"), (3.0, 3.75, 0.75e6, "aborted")]


def test_the_limit_of_air_time_holds_across_changes_of_the_share() -> None:
    channel = ConstantChannel(np.array([UNIT, UNIT]))

    alone = sent(uplink(reallocate=True), channel, {0: 9e6, 1: 0.25e6}, airtime_s=1.25)[0]

    assert alone[0].end_s == 1.25
    assert alone[0].status == "aborted"


def test_nothing_to_send_takes_no_time() -> None:
    for channel in (ConstantChannel(np.array([UNIT])), varying([[UNIT]])):
        assert rows(sent(uplink(), channel, {0: 0.0})[0]) == [(0.0, 0.0, 0.0, "delivered")]


def test_a_transfer_over_thousands_of_blocks_is_a_handful_of_events() -> None:
    env = simpy.Environment()
    band = uplink()(env)
    band.begin_round({0: BAND_HZ}, varying(np.full((1, 5), UNIT), length_s=0.001))
    process = env.process(band.transmit(0, 1e7))

    events = 0
    while process.is_alive:
        env.step()
        events += 1

    assert env.now == pytest.approx(10.0)
    assert events <= 4


def test_a_transfer_that_would_never_end_is_refused() -> None:
    outage = Outage(min_gain_db=OUTAGE_DB, action="skip")

    with pytest.raises(
        StalledError, match=r"device 0 cannot send from 0 s on: no bit passes in 1\d{5} "
    ):
        sent(uplink(outage=outage), varying([[BAD]]), {0: 1.0})


@pytest.mark.parametrize(
    ("shares_hz", "problem"),
    [
        ({0: 0.6e6, 1: 0.5e6}, "shares of 1100000.0 Hz exceed the band of 1000000.0 Hz"),
        ({0: 0.6e6, 1: 0.0}, "every share must be positive, not 0.0 Hz"),
        ({0: float("nan")}, "every share must be positive, not nan Hz"),
    ],
)
def test_shares_beyond_the_band_or_not_positive_are_refused(
    shares_hz: dict[int, float], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        uplink()(simpy.Environment()).begin_round(shares_hz, ConstantChannel(np.ones(2)))


def test_an_even_downlink_cannot_move_power_into_a_part_of_its_share() -> None:
    link = ShannonLink(min_snr_db=0.0, max_bps_per_hz=2.0)
    gain = np.array([0.5, 1.0, 100.0])  # at 1 W over 1 Hz and noise of 1 W/Hz: SNR -3, 0, 20 dB

    uplink = LinkBudget(1.0, 1.0, 1.0, link=link)
    downlink = LinkBudget(1.0, 1.0, 1.0, link=link, even=True)

    np.testing.assert_allclose(uplink.rate(gain), [0.5, 1.0, 2.0])  # half the share at 0 dB
    np.testing.assert_allclose(downlink.rate(gain), [0.0, 1.0, 2.0])
    assert downlink.scalar_rate(0.5) == 0.0
