"""Several runs at once, identified by the scenario keys in which they differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

import pandas as pd

from analysis.display import html_table, number
from analysis.errors import TraceError
from analysis.partitioned_table import Rounds
from analysis.run import Run
from analysis.run_directory import load, run_directories
from analysis.schema_versions import current_key

SHORT: Final = {"policy": "scheduler.kind", "budget_s": "scheduler.delay_budget_s"}
"""Short names of scenario keys."""
_SHOWN: Final = 50
"""Maximum number of runs that a notebook shows."""


@final
class Runs:
    """Several runs and their keys: ``policy``, ``seed``, and every key that differs among them."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = tuple(runs)
        if not self._runs:
            raise TraceError("no run directory was given; name at least one")
        self.scenarios = _scenarios(self._runs)
        """The scenario of each run as dotted keys."""
        scenarios = self.scenarios
        different = [
            key
            for key in _union(scenarios)
            if len({scenario.get(key) for scenario in scenarios}) > 1
        ]
        names = {"policy": "scheduler.kind", "seed": "seed"}
        names |= {key: key for key in different if key not in names.values()}
        self.keys = pd.DataFrame(
            {name: [scenario.get(key) for scenario in scenarios] for name, key in names.items()}
        )
        """One row per run, in the order of the runs; a key that a scenario lacks is null."""

    def __len__(self) -> int:
        return len(self._runs)

    def __getitem__(self, index: int) -> Run:
        return self._runs[index]

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def table(
        self, name: str, columns: Sequence[str] | None = None, rounds: Rounds | None = None
    ) -> pd.DataFrame:
        """Return a table of all runs, one after the other, with the keys as first columns.

        Raises:
            TraceError: as ``Run.table``.
        """
        frames = []
        for index, run in enumerate(self._runs):
            frame = run.table(name, columns, rounds)
            for place, key in enumerate(self.keys.columns):
                frame.insert(place, key, self.keys[key].iloc[index])
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def groups(self, by: str = "policy") -> dict[Any, list[Run]]:
        """Return the runs of each value of a key, in the order of each value's first run.

        ``by`` is a column of ``keys`` or a scenario key such as ``devices.count``.
        """
        groups: dict[Any, list[Run]] = {}
        for run in self._runs:
            groups.setdefault(scenario_value(run, by), []).append(run)
        return groups

    def _repr_html_(self) -> str:
        rows = []
        for run, keys in zip(self._runs[:_SHOWN], self.keys.itertuples(index=False), strict=False):
            numbers = run.outcome()
            rows.append(
                [
                    run.short_name,
                    *keys,
                    numbers["rounds"],
                    number(numbers["simulated_s"], "{:,.1f} s"),
                    number(numbers["accuracy"], "{:.1%}"),
                ]
            )
        head = ["run", *map(str, self.keys.columns), "rounds", "simulated time", "test accuracy"]
        count = len(self)
        shown = f"{count} runs" + (f", of which {_SHOWN} are shown" if count > _SHOWN else "")
        return html_table(rows, head, shown)


def load_many(
    paths: str | Path | Iterable[str | Path],
    *,
    columns: Mapping[str, Sequence[str]] | None = None,
    rounds: Rounds | None = None,
) -> Runs:
    """Return the runs of several paths: run directories, or folders that hold some, as a sweep's.

    Raises:
        TraceError: as ``load``, or a folder without any run directory.
    """
    paths_given = [paths] if isinstance(paths, str | Path) else list(paths)
    return Runs(
        load(folder, columns=columns, rounds=rounds)
        for path in paths_given
        for folder in run_directories(Path(path))
    )


def scenario_value(run: Run, key: str) -> Any:
    """Return the value of a scenario key, None if it is not set.

    ``policy`` stands for ``scheduler.kind``, ``budget_s`` for the recorded delay budget. A key
    that schema version 2 renamed may be given by either name.
    """
    if key == "budget_s":
        return delay_budget_s(run)
    value: Any = run.scenario
    for name in current_key(SHORT.get(key, key)).split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return str(value) if isinstance(value, list) else None if isinstance(value, Mapping) else value


def delay_budget_s(run: Run) -> float:
    """Return the mean delay that the constraint (8) allows, in seconds, as the run recorded it."""
    recorded = run.arrays("rounds", "delay_budget_s")["delay_budget_s"]
    if not len(recorded):
        raise no_round(run)
    return float(recorded[0])


def no_round(run: Run) -> TraceError:
    """Return the error for a run that has no complete round."""
    return TraceError(f"{run.name}: has no complete round; continue the run with airtune resume")


def require_rounds(runs: Iterable[Run]) -> None:
    """Refuse runs of which one has no complete round.

    Raises:
        TraceError: the text names the first.
    """
    for run in runs:
        if not len(run.arrays("rounds", "round")["round"]):
            raise no_round(run)


def flatten(tables: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested tables as dotted keys; a list becomes its text, so that it can be compared."""
    flat: dict[str, Any] = {}
    for key, entry in tables.items():
        name = f"{above}{key}"
        if isinstance(entry, Mapping):
            flat |= flatten(entry, f"{name}.")
        else:
            flat[name] = str(entry) if isinstance(entry, list) else entry
    return flat


def _scenarios(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the scenario of each run as dotted keys.

    Runs with equal setup may lack keys that their version did not know yet. Those keys are at
    their defaults, and every run with that setup gets them.
    """
    own = [flatten(run.scenario) for run in runs]
    setups = [run.provenance.get("setup_sha256", place) for place, run in enumerate(runs)]
    fullest: dict[Any, dict[str, Any]] = {}
    for setup, scenario in zip(setups, own, strict=True):
        fullest[setup] = max(fullest.get(setup, scenario), scenario, key=len)
    return [fullest[setup] | scenario for setup, scenario in zip(setups, own, strict=True)]


def _union(scenarios: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for scenario in scenarios for key in scenario))
