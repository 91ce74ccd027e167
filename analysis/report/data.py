"""What the page shows, as plain data."""

from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.comparison import compare
from analysis.errors import TraceError
from analysis.metrics import participation, summary, warnings
from analysis.report.downsampling import SizeBudget, block_stats, evenly_spaced, number, numbers
from analysis.run_directory import Run
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
    "delay_mean_s": ("delay of a round, mean", "s"),
    "delay_median_s": ("delay of a round, median", "s"),
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
    """Return everything that the page shows of some runs."""
    room = SizeBudget.of(len(runs))
    names = _names(runs)
    return {
        "runs": [run_data(run, name, room) for run, name in zip(runs, names, strict=True)],
        "comparison": _comparison(runs),
    }


def run_data(run: Run, name: str, room: SizeBudget) -> dict[str, Any]:
    """Return what the page shows of one run; ``thinned`` says in words what was left out."""
    rounds = run.table("rounds", ["round", "start_s", "end_s", *_SERIES.values()])
    per_block = -(-len(rounds) // room.points) if len(rounds) else 1
    places, map_note = _map(run, room)
    legs, legs_note = _timeline(run, rounds, room)
    curves_note = (
        f"Curves: a point is the mean of {per_block} rounds, the band their lowest to highest."
    )
    return {
        "name": name,
        "summary": _summary(run),
        "warnings": warnings(run),
        "budget": number(summary(run)["delay_budget_s"]),
        "scenario": (run.path / "scenario.toml").read_text(encoding="utf-8"),
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
        "timeline": legs,
        "thinned": [
            note for note in (curves_note if per_block > 1 else "", map_note, legs_note) if note
        ],
    }


def _summary(run: Run) -> list[list[str]]:
    found = summary(run)
    shown = []
    for key, (label, unit) in _SUMMARY.items():
        if found[key] is None:
            continue
        value = found[key] * 100 if unit == "%" else found[key]
        text = f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"
        shown.append([label, f"{text} {unit}".strip()])
    return shown


def _evaluations(run: Run) -> dict[str, list[float | None]]:
    found = run.arrays("evaluations", "round", "time_s", "accuracy", "loss")
    return {
        "round": numbers(found["round"]),
        "time": numbers(found["time_s"]),
        "accuracy": numbers(found["accuracy"].astype(float) * 100.0),
        "loss": numbers(found["loss"]),
    }


def _map(run: Run, room: SizeBudget) -> tuple[dict[str, Any], str]:
    rows = run.table("devices", ["round", "device", "x_m", "y_m"])
    share = participation(run).share.to_numpy() * 100.0
    every = rows.device.unique()
    shown = every[evenly_spaced(len(every), room.places // 2)]
    at_most = max(1, room.places // max(1, len(shown)))
    devices: list[dict[str, Any]] = []
    for device, track in rows[rows.device.isin(shown)].groupby("device"):
        moves = np.ptp(track.x_m) > 0 or np.ptp(track.y_m) > 0
        some = track.iloc[evenly_spaced(len(track), at_most)] if moves else track.iloc[-1:]
        entry = {"device": int(str(device)), "share": number(share[int(str(device))])}
        devices.append(
            entry | {"x": numbers(some.x_m.to_numpy()), "y": numbers(some.y_m.to_numpy())}
        )
    note = f"Map: {len(shown):,} of {len(every):,} devices." if len(shown) < len(every) else ""
    if any(len(entry["x"]) == at_most for entry in devices) and at_most < len(
        run.arrays("rounds", "round")["round"]
    ):
        note += f" Tracks: {at_most} positions a device, evenly over the rounds."
    server = run.scenario.get("cell", {}).get("position_m", [0.0, 0.0])
    return {"server": numbers(server), "devices": devices}, note.strip()


def _timeline(run: Run, rounds: pd.DataFrame, room: SizeBudget) -> tuple[list[dict[str, Any]], str]:
    """Return some rounds with all their legs: as many as there is room for, evenly over the run."""
    transfers = run.table(
        "transfers", ["round", "device", "leg", "start_s", "end_s", "bits", "status"]
    )
    mean_legs = max(1.0, len(transfers) / max(1, len(rounds)))
    chosen = evenly_spaced(len(rounds), max(2, min(room.rounds, int(room.legs / mean_legs))))
    legs = dict(
        iter(transfers[transfers["round"].isin(rounds["round"].iloc[chosen])].groupby("round"))
    )
    found = []
    for at in chosen:
        round_number, start_s = int(rounds["round"].iloc[at]), float(rounds.start_s.iloc[at])
        entry: dict[str, Any] = {
            "round": round_number,
            "length": number(float(rounds.end_s.iloc[at]) - start_s),
        }
        if round_number in legs:
            those = legs[round_number]
            entry |= {
                "device": those.device.tolist(),
                "leg": those.leg.tolist(),
                "start": numbers(those.start_s.to_numpy() - start_s),
                "time": numbers((those.end_s - those.start_s).to_numpy()),
                "bits": those.bits.tolist(),
                "status": those.status.tolist(),
            }
        found.append(entry)
    note = f"Timeline: {len(chosen)} of {len(rounds):,} rounds, evenly over the run, each with all its legs."
    return found, note if len(chosen) < len(rounds) else ""


def _comparison(runs: Runs) -> dict[str, Any]:
    if len(runs) < 2:
        return {"rows": [], "note": ""}
    try:
        found = compare(runs)
    except TraceError as error:
        return {"rows": [], "note": f"No paired comparison: {error}."}
    middle = ("baseline", "value", "difference", "low", "high")
    rows = [
        [row["policy"], row["metric"], *numbers([row[key] for key in middle]), int(row["pairs"])]
        for row in found.to_dict("records")
    ]
    first = next(iter(runs.groups("policy")))
    return {
        "rows": rows,
        "note": f"Differences from {first}, paired over seeds, with 95 % intervals (Student's t); one pair has "
        "none. Policies that differ in their mean delay are not compared at equal cost.",
    }


def _names(runs: Runs) -> list[str]:
    """Return a name for each run: policy, seed, what else differs, and its directory where that is
    not enough.
    """
    names = [
        ", ".join(f"{key.rsplit('.', 1)[-1]} {entry}" for key, entry in row.items())
        for row in _rows(runs)
    ]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({run.path.name})" for name, run in zip(names, runs, strict=True)]


def _rows(runs: Runs) -> list[dict[str, Any]]:
    return [{str(key): entry for key, entry in row.items()} for row in runs.keys.to_dict("records")]
