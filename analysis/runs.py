"""Many run directories at once, told apart by what differs in their scenarios."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

import pandas as pd

from analysis.errors import TraceError
from analysis.partitioned_table import Rounds
from analysis.run_directory import Run

SHORT: Final = {"policy": "scheduler.kind", "budget_s": "scheduler.delay_budget_s"}
"""Short names of keys of a scenario."""


@final
class Runs:
    """Some runs and their keys: ``policy``, ``seed``, and every key in which their scenarios
    differ.
    """

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
        """One row a run, in the order of the runs; a key that a scenario has not is null."""

    def __len__(self) -> int:
        return len(self._runs)

    def __getitem__(self, index: int) -> Run:
        return self._runs[index]

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def table(
        self, name: str, columns: Sequence[str] | None = None, rounds: Rounds | None = None
    ) -> pd.DataFrame:
        """Return a table of all runs below each other, their keys in front.

        Raises:
            TraceError: as ``Run.table``.
        """
        frames = []
        for at, run in enumerate(self._runs):
            frame = run.table(name, columns, rounds)
            for place, key in enumerate(self.keys.columns):
                frame.insert(place, key, self.keys[key].iloc[at])
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def groups(self, by: str = "policy") -> dict[Any, list[Run]]:
        """Return the runs of each value of a key, in the order in which the values first come.

        ``by`` is a column of ``keys`` or a key of the scenario such as ``devices.count``.
        """
        found: dict[Any, list[Run]] = {}
        for run in self._runs:
            found.setdefault(value(run, by), []).append(run)
        return found


def load_many(
    paths: str | Path | Iterable[str | Path],
    *,
    columns: Mapping[str, Sequence[str]] | None = None,
    rounds: Rounds | None = None,
) -> Runs:
    """Return the runs in some directories: run directories, or folders such as a sweep's that hold
    them.

    Raises:
        TraceError: as ``load``, or a folder without any run directory.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    return Runs(
        Run(found, columns=columns, rounds=rounds)
        for path in given
        for found in run_directories(Path(path))
    )


def run_directories(path: Path) -> list[Path]:
    """Return a run directory itself, or the run directories below a folder in the order of their
    names.

    Raises:
        TraceError: there is none.
    """
    if (path / "provenance.json").is_file() or (path / "scenario.toml").is_file():
        return [path]
    found = sorted(file.parent for file in path.glob("**/provenance.json"))
    if not found:
        raise TraceError(
            f"{path}: is not a run directory, and holds none: no provenance.json in it"
        )
    return found


def value(run: Run, key: str) -> Any:
    """Return the value of a key of the scenario; ``policy`` is ``scheduler.kind``; None where it is
    not set.
    """
    if key == "budget_s":
        return delay_budget_s(run)
    return flat(run.scenario).get(SHORT.get(key, key))


def delay_budget_s(run: Run) -> float:
    """Return the mean delay that the constraint (8) allows, in seconds, as the run recorded it."""
    recorded = run.arrays("rounds", "delay_budget_s")["delay_budget_s"]
    if not len(recorded):
        raise TraceError(
            f"{run.path}: has no complete round; let the run go on with airtune resume"
        )
    return float(recorded[0])


def flat(tables: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested tables as dotted keys; a list becomes its text, so that every value can be
    compared.
    """
    found: dict[str, Any] = {}
    for key, entry in tables.items():
        name = f"{above}{key}"
        if isinstance(entry, Mapping):
            found |= flat(entry, f"{name}.")
        else:
            found[name] = str(entry) if isinstance(entry, list) else entry
    return found


def _scenarios(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the scenario of each run as dotted keys.

    Of runs with one setup some may have keys at their defaults that the others' version did not
    know yet: they all get them.
    """
    own = [flat(run.scenario) for run in runs]
    setups = [run.provenance.get("setup_sha256", at) for at, run in enumerate(runs)]
    fullest: dict[Any, dict[str, Any]] = {}
    for setup, scenario in zip(setups, own, strict=True):
        fullest[setup] = max(fullest.get(setup, scenario), scenario, key=len)
    return [fullest[setup] | scenario for setup, scenario in zip(setups, own, strict=True)]


def _union(scenarios: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for scenario in scenarios for key in scenario))
