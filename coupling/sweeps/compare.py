"""Comparison of policies in the same worlds, at equal budgets or at equal mean delays."""

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar, final

import numpy as np

from coupling.files import tables
from coupling.run_directory.input_files import changed_files
from coupling.run_directory.layout import part_paths
from coupling.run_directory.provenance import read_facts
from coupling.run_directory.schema import schema
from coupling.run_directory.status import state_of
from coupling.scenario import file
from coupling.scenario.errors import ScenarioError
from coupling.scenario.scenario import Scenario
from coupling.scenario.tables import SchedulerTable
from coupling.scenario.tables.scheduler import options_of
from coupling.simulation.run import resume, run
from coupling.sweeps.grid import named_options, variant

TOLERANCE: Final = 0.01
"""Maximum relative difference between realised mean delays that count as equal."""
_MAX_TRIALS: Final = 12
_MIN_SCALE: Final = 1e-3
_MAX_SCALE: Final = 1e3

Table = TypeVar("Table")


def _ignore(line: str) -> None:
    """Ignore a line about the progress."""


def compare(
    scenario: Scenario | str | Path,
    policies: Sequence[str],
    seeds: Sequence[int] = range(20),
    *,
    tabulate: Callable[[Sequence[Path]], Table],
    settings: Mapping[str, object] | None = None,
    equal_delay: bool = False,
    learning: bool = True,
    out: str | Path | None = None,
    on_run: Callable[[str], None] = _ignore,
    on_note: Callable[[str], None] = _ignore,
) -> Table:
    """Run policies in the same worlds, and return the table that ``tabulate`` makes of the runs.

    The first policy is the reference. With ``equal_delay`` the budget of every other policy is
    scaled until its realised mean delay is that of the reference. ``tabulate`` gets the run
    directories, which are in ``out``, or else in a directory that is removed afterwards. ``on_run``
    is called with a line before each run, and ``on_note`` with a line about each policy whose mean
    delay could not be reached.

    Raises:
        ScenarioError: a policy is unknown or named twice, or a setting is not valid.
        RunError: as ``run``.
    """
    if len(set(policies)) < len(policies) or not policies:
        names = ",".join(policies)
        raise ScenarioError(f"--policies {names}: needs at least one policy, each once")
    base = scenario if isinstance(scenario, Scenario) else Path(scenario)
    own = settings_per_policy(base, policies, settings or {})

    def load(policy: str, overrides: Mapping[str, object]) -> Scenario:
        with named_options({"--policies": ["scheduler.kind"], "--seeds": ["seed"]}):
            return variant(base, {**own[policy], "scheduler.kind": policy, **overrides})

    for policy in policies:
        load(policy, {})
    with _folder(out) as folder:
        comparison = Comparison(load, seeds, folder, learning=learning, on_run=on_run)
        if equal_delay:
            runs = comparison.at_equal_delay(policies)
        else:
            runs = comparison.at_equal_budget(policies)
        table = tabulate(runs)
    for note in comparison.notes:
        on_note(note)
    return table


@final
@dataclass
class Comparison:
    """Runs of several policies with the same seeds.

    ``load`` returns the scenario with a policy and the values of some keys replaced. Each run has
    its own directory in ``out``; ``on_run`` is called with a line before each run.
    """

    load: Callable[[str, Mapping[str, object]], Scenario]
    seeds: Sequence[int]
    out: Path
    learning: bool = False
    on_run: Callable[[str], None] = _ignore
    notes: list[str] = field(default_factory=list)
    """One line per policy whose mean delay could not be reached."""

    def at_equal_budget(self, policies: Sequence[str]) -> list[Path]:
        """Run all policies with the scenario's budget."""
        for policy in policies:
            for seed in self.seeds:
                self._planned(policy, seed, 1.0)  # refused before any run begins
        return [folder for policy in policies for folder in self._runs(policy, 1.0)]

    def at_equal_delay(self, policies: Sequence[str]) -> list[Path]:
        """Run all policies, each with its budget scaled until its mean delay is that of the first
        policy.

        The mean is over all rounds and seeds. A policy whose delay does not reach the target at any
        budget keeps the nearest budget, and a note reports it.
        """
        reference = self._runs(policies[0], 1.0)
        target_s = _mean_delay_s(reference)
        return reference + [
            folder for policy in policies[1:] for folder in self._matched(policy, target_s)
        ]

    def _matched(self, policy: str, target_s: float) -> list[Path]:
        """Return the runs whose mean delay is nearest to the target: bisection over the logarithm
        of the scale.
        """
        low, high = np.log(_MIN_SCALE), np.log(_MAX_SCALE)
        scale = 0.0
        best = list[Path]()
        best_miss = np.inf
        before_s = np.nan
        for _ in range(_MAX_TRIALS):
            folders = self._runs(policy, float(np.exp(scale)))
            delay_s = _mean_delay_s(folders)
            miss = abs(delay_s / target_s - 1)
            if miss < best_miss:
                best, best_miss = folders, miss
            if miss <= TOLERANCE:
                return best
            if delay_s == before_s:
                break
            before_s = delay_s
            low, high = (scale, high) if delay_s < target_s else (low, scale)
            # The delay is about proportional to the budget: try that scale first, and bisect where
            # it leaves the bracket.
            guess = scale + float(np.log(target_s / delay_s)) if delay_s > 0 else np.nan
            scale = guess if low < guess < high else (low + high) / 2
        self.notes.append(
            f"{policy}: no budget brings its mean delay to {target_s:.4g} s; "
            f"the nearest is {best_miss:.1%} off"
        )
        return best

    def _runs(self, policy: str, scale: float) -> list[Path]:
        """Return the run directories of a policy, one per seed, with its budget scaled."""
        planned = [self._planned(policy, seed, scale) for seed in self.seeds]
        for scenario, folder, state in planned:
            self.on_run(f"{policy}, seed {scenario.seed}, budget x {scale:.4g}")
            match state:
                case "absent":
                    run(scenario, folder, learning=self.learning)
                case "finished":
                    self._note_changes(scenario, folder)
                case _:
                    self._note_changes(scenario, folder)
                    resume(folder, scenario=scenario)
        return [folder for _, folder, _ in planned]

    def _planned(self, policy: str, seed: int, scale: float) -> tuple[Scenario, Path, str]:
        """Return the scenario of a run, its directory, and the state of the run there.

        Raises:
            ScenarioError: another run is there.
        """
        scenario = self.load(policy, {"seed": seed} | self._budget(policy, scale))
        folder = self.out / f"{policy.replace(':', '.')}-{seed}-x{scale:.6g}"
        learns = self.learning and scenario.learner is not None
        return scenario, folder, state_of(folder, scenario, learning=learns)

    def _note_changes(self, scenario: Scenario, folder: Path) -> None:
        """Note the input files that have changed since a run met them."""
        for path in changed_files(scenario, read_facts(folder).get("input_files") or {}):
            note = f"{path}: has changed since runs in {self.out} met it"
            if note not in self.notes:
                self.notes.append(note)

    def _budget(self, policy: str, scale: float) -> dict[str, object]:
        if scale == 1.0:
            return {}
        scheduler = self.load(policy, {}).scheduler
        name = (
            "delay_budget_s" if scheduler.delay_budget_s is not None else "delay_budget_s_per_bit"
        )
        return {f"scheduler.{name}": getattr(scheduler, name) * scale}


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of ``0:20`` (20 not included), ``3`` or ``1,5,7``.

    Raises:
        ScenarioError: the text has none of these forms, or no seed.
    """
    try:
        if ":" in text:
            first, end = text.split(":")
            seeds = list(range(int(first), int(end)))
        else:
            seeds = [int(entry) for entry in text.split(",")]
    except ValueError:
        raise ScenarioError(
            f"--seeds {text}: is not FIRST:END, one seed, or seeds with commas"
        ) from None
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ScenarioError(f"--seeds {text}: needs at least one seed, each once and not negative")
    return seeds


def settings_per_policy(
    base: Scenario | Path, policies: Sequence[str], settings: Mapping[str, object]
) -> dict[str, dict[str, object]]:
    """Return the settings of each policy, without the options that only other policies have.

    Raises:
        ScenarioError: a policy is unknown, or the file cannot be read.
    """
    source = base.source if isinstance(base, Scenario) else file.read(base)
    try:
        options = {policy: options_of(policy, source.plugin_folders) for policy in policies}
    except ScenarioError as error:
        raise ScenarioError(f"--policies: {error}") from None
    own_keys = set().union(*options.values()) - set(SchedulerTable.model_fields)
    written: Collection[str] = source.raw.get("scheduler", {})
    result = {}
    for policy, own in options.items():
        foreign = {f"scheduler.{key}" for key in own_keys - own}
        kept = {key: value for key, value in settings.items() if key not in foreign}
        removed = {key: None for key in foreign if key.removeprefix("scheduler.") in written}
        result[policy] = kept | removed
    return result


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    """Yield the directory of the runs, by default one that is removed afterwards."""
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="airtune-") as folder:
        yield Path(folder)


def _mean_delay_s(folders: Sequence[Path]) -> float:
    """Return the mean delay over all rounds of some runs, in seconds."""
    column = schema("rounds").field("delay_s")
    parts = [part for folder in folders for part in part_paths(folder, "rounds")]
    delays = [tables.read(part, [column])["delay_s"].to_numpy() for part in parts]
    return float(np.concatenate(delays).mean())
