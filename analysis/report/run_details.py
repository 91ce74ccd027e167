"""Details of one run of a report: summary, curves, map, devices, transfers, scenario."""

from typing import Any, Final

import numpy as np
import pandas as pd
import tomli_w

from analysis.groups import air_time_s, display, energy_of_devices, without_home, without_rounding
from analysis.metrics import participation
from analysis.report.downsampling import SizeBudget, block_stats, evenly_spaced, number, numbers
from analysis.report.runs_table import SUMMARY, run_numbers
from analysis.run import Run
from analysis.warnings import warnings

_SERIES: Final = {
    "scheduled": "scheduled",
    "arrived": "arrived",
    "queue": "virtual_queue_s",
    "loss": "train_loss",
}


def run_details(run: Run, name: str, size: SizeBudget) -> dict[str, Any]:
    """Return the data of one run; ``thinned`` lists in words the rows that were left out."""
    columns = ["round", "start_s", "end_s", "delay_budget_s", *_SERIES.values()]
    rounds = run.table("rounds", columns)
    per_block = -(-len(rounds) // size.points) if len(rounds) else 1
    ends = sorted({*range(per_block - 1, len(rounds), per_block), len(rounds) - 1})
    budget_s = float(rounds.delay_budget_s.max())
    series = {key: rounds[column].to_numpy(float) for key, column in _SERIES.items()}
    series["queue"] = without_rounding(series["queue"], budget_s)
    places, map_note = _map(run, size)
    timeline, timeline_note = _timeline(run, rounds, size)
    curves_note = (
        f"Curves: a point is the mean of {per_block} rounds, the band their minimum to maximum."
    )
    notes = (curves_note if per_block > 1 else "", map_note, timeline_note)
    return {
        "name": name,
        "summary": _summary(run),
        "warnings": [display(line, 400) for line in warnings(run)],
        "scenario": _scenario_text(run),
        "round": numbers(rounds["round"].to_numpy()[ends]),
        "time": numbers(rounds.end_s.to_numpy()[ends]),
        "air": numbers(air_time_s(run)[ends]),
        "series": {key: block_stats(values, per_block) for key, values in series.items()},
        "map": places,
        "timeline": timeline,
        "legs": [display(leg) for leg in run.table("transfers", ["leg"]).leg.unique()],
        "thinned": [note for note in notes if note],
    }


def _summary(run: Run) -> list[list[str]]:
    shown = []
    for key, value in run_numbers(run).items():
        if value is not None:
            whole = value == int(value) or abs(value) >= 1000
            text = f"{value:,.0f}" if whole else f"{value:.4g}"
            shown.append([SUMMARY[key].label, f"{text} {SUMMARY[key].unit}".strip()])
    return shown


def _scenario_text(run: Run) -> str:
    """Return the resolved scenario as TOML, without absolute paths of this machine."""
    return tomli_w.dumps(_relative(run.scenario))


def _relative(value: Any) -> Any:
    if isinstance(value, dict):
        return {without_home(key): _relative(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_relative(entry) for entry in value]
    return without_home(value) if isinstance(value, str) else value


def _map(run: Run, size: SizeBudget) -> tuple[dict[str, Any], str]:
    rows = run.table("devices", ["round", "device", "x_m", "y_m"])
    share = participation(run).share.to_numpy() * 100.0
    energy_j = energy_of_devices(run)
    numbers_of_devices = rows.device.unique()
    shown = numbers_of_devices[evenly_spaced(len(numbers_of_devices), size.places // 2)]
    maximum = max(1, size.places // max(1, len(shown)))
    devices: list[dict[str, Any]] = []
    for key, track in rows[rows.device.isin(shown)].groupby("device"):
        device = int(str(key))
        moves = np.ptp(track.x_m) > 0 or np.ptp(track.y_m) > 0
        points = track.iloc[evenly_spaced(len(track), maximum)] if moves else track.iloc[-1:]
        devices.append(
            {
                "device": device,
                "share": number(share[device]),
                "energy": number(energy_j[device]),
                "x": numbers(points.x_m.to_numpy()),
                "y": numbers(points.y_m.to_numpy()),
            }
        )
    note = ""
    if len(shown) < len(numbers_of_devices):
        note = f"Map: {len(shown):,} of {len(numbers_of_devices):,} devices."
    shortened = any(len(entry["x"]) == maximum for entry in devices)
    if shortened and maximum < len(run.arrays("rounds", "round")["round"]):
        note += f" Tracks: {maximum} positions per device, evenly over the rounds."
    server = run.scenario.get("cell", {}).get("position_m", [0.0, 0.0])
    return {"server": numbers(server), "devices": devices}, note.strip()


def _timeline(run: Run, rounds: pd.DataFrame, size: SizeBudget) -> tuple[list[dict[str, Any]], str]:
    """Return rounds with all their legs, within the size budget and evenly over the run."""
    transfers = run.table(
        "transfers", ["round", "device", "leg", "start_s", "end_s", "bits", "status"]
    )
    mean_legs = max(1.0, len(transfers) / max(1, len(rounds)))
    chosen = evenly_spaced(len(rounds), max(2, min(size.rounds, int(size.legs / mean_legs))))
    legs = dict(
        iter(transfers[transfers["round"].isin(rounds["round"].iloc[chosen])].groupby("round"))
    )
    entries = []
    for index in chosen:
        round_number = int(rounds["round"].iloc[index])
        start_s = float(rounds.start_s.iloc[index])
        entry: dict[str, Any] = {
            "round": round_number,
            "length": number(float(rounds.end_s.iloc[index]) - start_s),
        }
        if round_number in legs:
            rows = legs[round_number]
            entry |= {
                "device": rows.device.tolist(),
                "leg": [display(leg) for leg in rows.leg],
                "start": numbers(rows.start_s.to_numpy() - start_s),
                "time": numbers((rows.end_s - rows.start_s).to_numpy()),
                "bits": rows.bits.tolist(),
                "status": [display(status) for status in rows.status],
            }
        entries.append(entry)
    note = (
        f"Timeline: {len(chosen)} of {len(rounds):,} rounds, evenly over the run, "
        "each with all its legs."
    )
    return entries, note if len(chosen) < len(rounds) else ""
