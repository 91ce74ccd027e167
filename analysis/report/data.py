"""Report data: plain numbers and texts of each run for the page."""

from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.comparison import compare
from analysis.errors import TraceError
from analysis.metrics import participation, summary, warnings
from analysis.report.downsampling import SizeBudget, block_stats, evenly_spaced, number, numbers
from analysis.run import Run
from analysis.runs import Runs

_SERIES: Final = {
    "scheduled": "scheduled",
    "queue": "virtual_queue_s",
    "delay": "delay_s",
    "loss": "train_loss",
}
_SUMMARY: Final = {
    "rounds": ("rounds", ""),
    "scheduled_mean": ("devices scheduled, mean", ""),
    "rounds_without_devices": ("rounds without devices", ""),
    "delay_mean_s": ("round delay, mean", "s"),
    "delay_median_s": ("round delay, median", "s"),
    "delay_budget_s": ("delay budget", "s"),
    "virtual_queue_per_budget": ("Q(T) / (T budget)", ""),
    "jain_fairness": ("Jain fairness", ""),
    "energy_j": ("energy", "J"),
    "accuracy_first": ("first test accuracy", "%"),
    "accuracy_last": ("last test accuracy", "%"),
    "simulated_s": ("simulated time", "s"),
    "wall_s": ("wall time", "s"),
}


def report_data(runs: Runs) -> dict[str, Any]:
    """Return the data of the page: each run, and the paired comparison."""
    size = SizeBudget.per_run(len(runs))
    names = _names(runs)
    return {
        "runs": [run_data(run, name, size) for run, name in zip(runs, names, strict=True)],
        "comparison": _comparison(runs),
    }


def run_data(run: Run, name: str, size: SizeBudget) -> dict[str, Any]:
    """Return the data of one run; ``thinned`` lists in words the rows that were left out."""
    rounds = run.table("rounds", ["round", "start_s", "end_s", *_SERIES.values()])
    per_block = -(-len(rounds) // size.points) if len(rounds) else 1
    places, map_note = _map(run, size)
    timeline, timeline_note = _timeline(run, rounds, size)
    curves_note = (
        f"Curves: a point is the mean of {per_block} rounds, the band their minimum to maximum."
    )
    return {
        "name": name,
        "summary": _summary(run),
        "warnings": warnings(run),
        "budget": number(summary(run)["delay_budget_s"]),
        "scenario": run.scenario_text,
        "round": numbers(rounds["round"].to_numpy()[per_block - 1 :: per_block])
        + ([number(rounds["round"].iloc[-1])] if len(rounds) % per_block else []),
        "time": numbers(rounds.end_s.to_numpy()[per_block - 1 :: per_block])
        + ([number(rounds.end_s.iloc[-1])] if len(rounds) % per_block else []),
        "series": {
            key: block_stats(rounds[column].to_numpy(float), per_block)
            for key, column in _SERIES.items()
        },
        "evaluations": _evaluations(run),
        "map": places,
        "timeline": timeline,
        "legs": _legs(run),
        "thinned": [
            note for note in (curves_note if per_block > 1 else "", map_note, timeline_note) if note
        ],
    }


def _summary(run: Run) -> list[list[str]]:
    values = summary(run)
    shown = []
    for key, (label, unit) in _SUMMARY.items():
        if values[key] is None:
            continue
        value = values[key] * 100 if unit == "%" else values[key]
        text = f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"
        shown.append([label, f"{text} {unit}".strip()])
    return shown


def _evaluations(run: Run) -> dict[str, list[float | None]]:
    rows = run.arrays("evaluations", "round", "time_s", "accuracy", "loss")
    return {
        "round": numbers(rows["round"]),
        "time": numbers(rows["time_s"]),
        "accuracy": numbers(rows["accuracy"].astype(float) * 100.0),
        "loss": numbers(rows["loss"]),
    }


def _legs(run: Run) -> list[str]:
    """Return the names of the legs in the order of their first transfers."""
    return [str(leg) for leg in run.table("transfers", ["leg"]).leg.unique()]


def _map(run: Run, size: SizeBudget) -> tuple[dict[str, Any], str]:
    rows = run.table("devices", ["round", "device", "x_m", "y_m"])
    share = participation(run).share.to_numpy() * 100.0
    numbers_of_devices = rows.device.unique()
    shown = numbers_of_devices[evenly_spaced(len(numbers_of_devices), size.places // 2)]
    maximum = max(1, size.places // max(1, len(shown)))
    devices: list[dict[str, Any]] = []
    for device, track in rows[rows.device.isin(shown)].groupby("device"):
        moves = np.ptp(track.x_m) > 0 or np.ptp(track.y_m) > 0
        points = track.iloc[evenly_spaced(len(track), maximum)] if moves else track.iloc[-1:]
        entry = {"device": int(str(device)), "share": number(share[int(str(device))])}
        devices.append(
            entry | {"x": numbers(points.x_m.to_numpy()), "y": numbers(points.y_m.to_numpy())}
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
                "leg": rows.leg.tolist(),
                "start": numbers(rows.start_s.to_numpy() - start_s),
                "time": numbers((rows.end_s - rows.start_s).to_numpy()),
                "bits": rows.bits.tolist(),
                "status": rows.status.tolist(),
            }
        entries.append(entry)
    note = (
        f"Timeline: {len(chosen)} of {len(rounds):,} rounds, evenly over the run, "
        "each with all its legs."
    )
    return entries, note if len(chosen) < len(rounds) else ""


def _comparison(runs: Runs) -> dict[str, Any]:
    if len(runs) < 2:
        return {"rows": [], "note": ""}
    try:
        table = compare(runs)
    except TraceError as error:
        return {"rows": [], "note": f"No paired comparison: {error}."}
    middle = ("baseline", "value", "difference", "low", "high")
    rows = [
        [row["policy"], row["metric"], *numbers([row[key] for key in middle]), int(row["pairs"])]
        for row in table.to_dict("records")
    ]
    first = next(iter(runs.groups("policy")))
    return {
        "rows": rows,
        "note": f"Differences from {first}, paired over seeds, with 95 % intervals (Student's t); "
        "one pair has none. Policies that differ in their mean delay are not compared at equal "
        "cost.",
    }


def _names(runs: Runs) -> list[str]:
    """Return the name of each run: its keys, and its directory if the keys are not unique."""
    names = [
        ", ".join(f"{key.rsplit('.', 1)[-1]} {entry}" for key, entry in row.items())
        for row in _rows(runs)
    ]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({run.short_name})" for name, run in zip(names, runs, strict=True)]


def _rows(runs: Runs) -> list[dict[str, Any]]:
    return [{str(key): entry for key, entry in row.items()} for row in runs.keys.to_dict("records")]
