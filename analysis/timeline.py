"""Timeline of a run in the Chrome trace format, which Perfetto and chrome://tracing open."""

from typing import Any, Final

import pandas as pd

from analysis.errors import TraceError
from analysis.partitioned_table import Rounds
from analysis.run import Run

Event = dict[str, Any]

# Process ids of the three groups of tracks.
_ROUNDS: Final = 1
_DEVICES: Final = 2
_SERVER: Final = 3

_ROUND: Final = (
    "round",
    "start_s",
    "end_s",
    "scheduled",
    "arrived",
    "delay_s",
    "train_loss",
    "virtual_queue_before_s",
    "virtual_queue_s",
)
_LEG: Final = (
    "round",
    "device",
    "leg",
    "direction",
    "bits",
    "bits_delivered",
    "bandwidth_hz",
    "rate_bps",
    "status",
)


def timeline(run: Run, rounds: Rounds | None = None) -> dict[str, Any]:
    """Return the trace document of some rounds; simulated seconds become its microseconds.

    Process 1 has the rounds as slices, and N and the virtual queue as counters. Process 2 has a
    track per device, with its legs and the computing between them. Process 3 is the server.

    Legs and their directions come from the table ``transfers``. Computing has no rows: it is the
    time between two delivered legs of a device, or between the start of the round and its first
    leg. Before an uplink leg the device computes; before a downlink leg the server does. Computing
    that takes no time has no slice. The slices of a server with several workers overlap, so they
    are asynchronous events.

    Raises:
        TraceError: the run has none of these rounds.
    """
    table = run.table("rounds", _ROUND, rounds)
    if table.empty:
        wanted = (
            "a complete round"
            if rounds is None
            else f"any of the rounds {rounds[0]} to {rounds[1]}"
        )
        raise TraceError(f"{run.name}: does not have {wanted}")
    transfers = run.table("transfers", [*_LEG, "start_s", "end_s"], rounds)
    transfers = transfers[transfers["round"].isin(table["round"])]
    events = _names(transfers) + _rounds(table)
    starts = dict(zip(table["round"], table.start_s, strict=True))
    for _, legs in transfers.sort_values("start_s", kind="stable").groupby(["round", "device"]):
        events += _device(int(legs.device.iloc[0]), legs, starts[legs["round"].iloc[0]])
    events += _server_steps(table, transfers)
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"run": run.short_name}}


def _names(transfers: pd.DataFrame) -> list[Event]:
    named = [(_ROUNDS, 0, "rounds"), (_SERVER, 0, "server")]
    named += [
        (_DEVICES, int(device), f"device {device}") for device in sorted(transfers.device.unique())
    ]
    processes = {_ROUNDS: "rounds", _DEVICES: "devices", _SERVER: "server"}
    return [
        {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": name}}
        for pid, name in processes.items()
    ] + [
        {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}
        for pid, tid, name in named
    ]


def _rounds(table: pd.DataFrame) -> list[Event]:
    events: list[Event] = []
    for row in table.itertuples():
        values: Any = row
        events.append(
            _slice(
                f"round {values.round}",
                (_ROUNDS, 0),
                (values.start_s, values.end_s),
                arguments={
                    "scheduled": int(values.scheduled),
                    "arrived": int(values.arrived),
                    "delay_s": float(values.delay_s),
                    "train_loss": None if pd.isna(values.train_loss) else float(values.train_loss),
                },
            )
        )
        events.append(_counter("devices scheduled", values.start_s, int(values.scheduled)))
        events.append(
            _counter("virtual queue (s)", values.start_s, float(values.virtual_queue_before_s))
        )
    last: Any = table.iloc[-1]
    events.append(_counter("virtual queue (s)", last.end_s, float(last.virtual_queue_s)))
    events.append(_counter("devices scheduled", last.end_s, 0))
    return events


def _device(device: int, legs: pd.DataFrame, start_s: float) -> list[Event]:
    """Return the events of one device in one round: its legs, and the computing between them."""
    events: list[Event] = []
    computing_from_s: float | None = start_s
    for row in legs.itertuples():
        leg: Any = row
        if computing_from_s is not None and leg.start_s > computing_from_s:
            events += _computing(leg, device, (computing_from_s, leg.start_s))
        arguments = {
            "direction": leg.direction,
            "bits": int(leg.bits),
            "bits_delivered": int(leg.bits_delivered),
            "bandwidth_hz": float(leg.bandwidth_hz),
            "rate_bps": None if pd.isna(leg.rate_bps) else float(leg.rate_bps),
            "status": leg.status,
        }
        name = leg.leg if leg.status == "delivered" else f"{leg.leg} ({leg.status})"
        events.append(
            _slice(name, (_DEVICES, device), (leg.start_s, leg.end_s), arguments=arguments)
        )
        # After a leg that did not arrive nothing is computed: it is sent again, or given up.
        computing_from_s = leg.end_s if leg.status == "delivered" else None
    return events


def _computing(leg: Any, device: int, span_s: tuple[float, float]) -> list[Event]:
    """Return the events of the computing before a leg: on the device, or on the server."""
    start_s, end_s = span_s
    if leg.direction == "uplink":
        return [_slice(f"compute {leg.leg}", (_DEVICES, device), span_s, arguments={})]
    shared = {
        "cat": "server",
        "name": f"wait and compute {leg.leg} (device {device})",
        "id": device,
        "pid": _SERVER,
        "tid": 0,
    }
    return [{"ph": "b", "ts": start_s * 1e6, **shared}, {"ph": "e", "ts": end_s * 1e6, **shared}]


def _server_steps(table: pd.DataFrame, transfers: pd.DataFrame) -> list[Event]:
    """Return the server's step at the end of each round in which a device arrived.

    The step lasts from the end of the round's last transfer to the end of the round.
    """
    ends = transfers.groupby("round").end_s.max()
    events = []
    for row in table[table.arrived > 0].itertuples():
        values: Any = row
        last_s = ends.get(values.round, values.end_s)
        if values.end_s > last_s:
            arguments = {"round": int(values.round)}
            events.append(
                _slice("server step", (_SERVER, 0), (last_s, values.end_s), arguments=arguments)
            )
    return events


def _slice(
    name: str, track: tuple[int, int], span_s: tuple[float, float], arguments: Event
) -> Event:
    place = {"pid": track[0], "tid": track[1]}
    start_s, end_s = span_s
    start_us = float(start_s) * 1e6
    return {
        "ph": "X",
        "name": name,
        **place,
        "ts": start_us,
        "dur": float(end_s) * 1e6 - start_us,
        "args": arguments,
    }


def _counter(name: str, time_s: float, value: float) -> Event:
    return {
        "ph": "C",
        "name": name,
        "pid": _ROUNDS,
        "ts": float(time_s) * 1e6,
        "args": {name: value},
    }
