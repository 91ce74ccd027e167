"""A run as a timeline in the Chrome trace format, which Perfetto and chrome://tracing open."""

from typing import Any, Final

import pandas as pd

from analysis.errors import TraceError
from analysis.partitioned_table import Rounds
from analysis.run_directory import Run

Event = dict[str, Any]

_ROUNDS, _DEVICES, _SERVER = 1, 2, 3
_BETWEEN: Final = {
    (None, "embedding uplink"): ("embed", _DEVICES),
    ("embedding uplink", "feature downlink"): ("wait and encode", _SERVER),
    ("feature downlink", "gradient uplink"): ("head step", _DEVICES),
    (None, "adapter uplink"): ("local steps", _DEVICES),
    ("adapter downlink", "adapter uplink"): ("local steps", _DEVICES),
}
"""What happens between two legs of a device's round: the transfers bound it, the trace has no row
for it.
"""

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
    """Return some rounds of a run as a trace document; simulated seconds become its microseconds.

    Process 1 has the rounds as slices, and N and the virtual queue as counters; process 2 a track
    for every device, with its legs and the computing between them; process 3 the server. Computing
    that takes no time has no slice. The server's slices overlap where it has several workers, so
    they are asynchronous events.

    Raises:
        TraceError: the run has none of these rounds.
    """
    table = run.table("rounds", rounds=rounds)
    if table.empty:
        wanted = (
            "a complete round"
            if rounds is None
            else f"any of the rounds {rounds[0]} to {rounds[1]}"
        )
        raise TraceError(f"{run.path}: does not have {wanted}")
    transfers = run.table("transfers", [*_LEG, "start_s", "end_s"], rounds)
    events = _names(transfers) + _rounds(table)
    starts = dict(zip(table["round"], table.start_s, strict=True))
    for _, legs in transfers.sort_values("start_s", kind="stable").groupby(["round", "device"]):
        events += _device(int(legs.device.iloc[0]), legs, starts[legs["round"].iloc[0]])
    events += _backward(table, transfers)
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"run": run.path.name}}


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
                values.start_s,
                values.end_s,
                {
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
    """Return one device's round: its legs, and what happens between them."""
    events: list[Event] = []
    before, until_s = None, start_s
    for row in legs.itertuples():
        leg: Any = row
        this = f"{leg.leg} {leg.direction}"
        between = _BETWEEN.get((before, this))
        if between is not None and leg.start_s > until_s:
            events += _computing(*between, device, until_s, leg.start_s)
        arguments = {
            "direction": leg.direction,
            "bits": int(leg.bits),
            "bits_delivered": int(leg.bits_delivered),
            "bandwidth_hz": float(leg.bandwidth_hz),
            "rate_bps": None if pd.isna(leg.rate_bps) else float(leg.rate_bps),
            "status": leg.status,
        }
        name = leg.leg if leg.status == "delivered" else f"{leg.leg} ({leg.status})"
        events.append(_slice(name, (_DEVICES, device), leg.start_s, leg.end_s, arguments))
        before, until_s = this, leg.end_s
    return events


def _computing(name: str, process: int, device: int, start_s: float, end_s: float) -> list[Event]:
    if process == _DEVICES:
        return [_slice(name, (process, device), start_s, end_s, {})]
    shared = {
        "cat": "server",
        "name": f"{name} (device {device})",
        "id": device,
        "pid": process,
        "tid": 0,
    }
    return [{"ph": "b", "ts": start_s * 1e6, **shared}, {"ph": "e", "ts": end_s * 1e6, **shared}]


def _backward(table: pd.DataFrame, transfers: pd.DataFrame) -> list[Event]:
    """Return the server's last step of each round: from the last gradient that arrived to the
    round's end.
    """
    arrived = transfers[(transfers.leg == "gradient") & (transfers.status == "delivered")]
    ends = arrived.groupby("round").end_s.max()
    found = []
    for round_number, end_s in zip(table["round"], table.end_s, strict=True):
        if round_number in ends.index and end_s > ends[round_number]:
            found.append(
                _slice(
                    "backward and update",
                    (_SERVER, 0),
                    ends[round_number],
                    end_s,
                    {"round": int(round_number)},
                )
            )
    return found


def _slice(
    name: str, track: tuple[int, int], start_s: float, end_s: float, arguments: Event
) -> Event:
    place = {"pid": track[0], "tid": track[1]}
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
