"""Per-seed statistics of the paper's network for many seeds at once, for the coverage study.

`python -m benchmarks.coverage_network --write` adds the columns of its worlds to
`coverage_seeds.parquet`. Their runs would take hours one by one, so the decisions of all seeds in a
round are one batched call. Gains are those of the scenario's own random streams, and a test
compares the statistics with those of runs of airtune.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import pandas as pd
from numpy import ndarray

from analysis.metrics import ROUNDING, jain
from benchmarks.coverage_seeds import TABLE
from coupling import Scenario
from coupling.simulation.build import build_world
from netsim.scheduling import Objective, RoundState, batch
from netsim.virtual_queue import next_virtual_queue

BASE: Final = Path(__file__).parent.parent / "scenarios" / "paper" / "base.toml"
_CHUNK: Final = 102
"""Seeds whose gains are in memory at once."""


@final
@dataclass(frozen=True)
class NetworkWorld:
    """World of the study: settings of the paper's network, and the lengths of its runs.

    A run of some rounds is the beginning of a longer one, so the longest one has them all.
    """

    lengths: tuple[int, ...]
    policies: tuple[str, ...] = ("algorithm1", "greedy")
    queue_initial_budgets: float = 0.0
    delay_budget_s_per_bit: float = 1e-6

    def scenario(self, seed: int, policy: str, rounds: int | None = None) -> Scenario:
        """Return the scenario of one run, by default of the longest one."""
        settings: dict[str, Any] = {
            "seed": seed,
            "rounds": rounds or max(self.lengths),
            "scheduler.kind": policy,
            "scheduler.queue_initial_budgets": self.queue_initial_budgets,
            "scheduler.delay_budget_s_per_bit": self.delay_budget_s_per_bit,
        }
        return Scenario.load(BASE, settings)


WORLDS: Final = {
    "empty": NetworkWorld((20, 150, 2000, 5000), ("algorithm1", "exact", "greedy")),
    "printed": NetworkWorld((500,), delay_budget_s_per_bit=5e-5),
    "tight": NetworkWorld((40, 500), queue_initial_budgets=5, delay_budget_s_per_bit=2.5e-7),
}
"""Worlds by name: the paper's as shipped, whose queue is empty at first; the budget as printed,
with which the queue is often empty; and a budget so small that a queue of five soon is.
"""


@final
@dataclass(frozen=True)
class NetworkRuns:
    """Runs of some seeds: one row per seed, one column per round."""

    scheduled: ndarray
    """Whether each device was scheduled, of shape (seeds, rounds, devices)."""
    delay_s: ndarray
    queue_s: ndarray
    """Virtual queue after the round, in seconds."""
    budget_s: float

    def statistics(self, seed: int, rounds: int) -> dict[str, float | None]:
        """Return the statistics of the first rounds of a run, as those of ``coverage_seeds``."""
        scheduled = self.scheduled[seed, :rounds]
        count = scheduled.sum(axis=1)
        delay_s = self.delay_s[seed, :rounds]
        return {
            "scheduled_mean": float(count.mean()),
            "delay_mean_s": float(delay_s.mean()),
            "virtual_queue_per_budget": float(self.queue_s[seed, rounds - 1])
            / (rounds * self.budget_s),
            # Every device sends for the delay of the round, at 1 W.
            "energy_j": float((count * delay_s).sum()),
            "jain_fairness": jain(scheduled.sum(axis=0)),
            "over_budget": float((delay_s > self.budget_s * (1 + ROUNDING)).mean()),
            "idle_share": float((count == 0).mean()),
            f"p50@{rounds}": float(np.median(delay_s)),
        }


def run(world: NetworkWorld, policy: str, seeds: range) -> NetworkRuns:
    """Return the runs of some seeds of a world, up to its largest length."""
    scenarios = [world.scenario(seed, policy) for seed in seeds]
    first = scenarios[0]
    rounds = first.rounds
    gains = np.array([_gains(scenario) for scenario in scenarios])
    scheduled = np.zeros((len(seeds), rounds, first.devices.count), bool)
    delay_s = np.zeros((len(seeds), rounds))
    queue_s = np.zeros((len(seeds), rounds + 1))
    queue_s[:, 0] = first.scheduler.queue_initial_budgets * first.delay_budget_s
    for place in range(rounds):
        states = _states(first, place + 1, gains[:, :, place], queue_s[:, place])
        scheduled[:, place], delay_s[:, place] = _decide(policy, states)
        queue_s[:, place + 1] = [
            next_virtual_queue(before_s, spent_s, first.delay_budget_s)
            for before_s, spent_s in zip(queue_s[:, place], delay_s[:, place], strict=True)
        ]
    return NetworkRuns(scheduled, delay_s, queue_s[:, 1:], first.delay_budget_s)


def _gains(scenario: Scenario) -> ndarray:
    """Return the gains of all devices in all rounds, of shape (devices, rounds)."""
    start_s = np.zeros(scenario.rounds)
    blocks = build_world(scenario).blocks_of_run(start_s, start_s)
    return np.concatenate([gain for _, gain in blocks], axis=1)


def _states(
    scenario: Scenario, round_number: int, gain: ndarray, queue_s: ndarray
) -> batch.StateBatch:
    assert scenario.protocol.kind == "aggregate", "equal payloads, in the uplink alone"
    return batch.StateBatch(
        round=np.full(len(gain), round_number),
        gain=gain,
        bits=np.full(gain.shape, float(scenario.protocol.payload_bit)),
        tx_power_w=np.ones(gain.shape),
        present=np.ones(gain.shape, bool),
        bandwidth_hz=scenario.cell.bandwidth_hz,
        noise_psd=scenario.cell.noise_psd_w_per_hz,
        delay_budget_s=np.full(len(gain), scenario.delay_budget_s),
        virtual_queue_s=queue_s,
    )


def _decide(policy: str, states: batch.StateBatch) -> tuple[ndarray, ndarray]:
    """Return the scheduled devices and the delay of each world."""
    if policy in ("algorithm1", "exact"):
        decide = batch.algorithm1 if policy == "algorithm1" else batch.exact
        allocation = decide(states, Objective())
        return allocation.scheduled, allocation.delay_s
    assert policy == "greedy", policy
    # The bandwidth of a device does not depend on the others, so one state holds all worlds.
    budget_s = float(states.delay_budget_s[0])
    together = RoundState(
        round=1,
        gain=states.gain.ravel(),
        bits=states.bits.ravel(),
        tx_power_w=states.tx_power_w.ravel(),
        bandwidth_hz=states.bandwidth_hz,
        noise_psd=states.noise_psd,
        delay_budget_s=budget_s,
        virtual_queue_s=0.0,
    )
    needed_hz = together.bandwidth_for(budget_s).reshape(states.gain.shape)
    order = np.argsort(-states.gain, axis=1, kind="stable")
    fits = np.cumsum(np.take_along_axis(needed_hz, order, axis=1), axis=1) <= states.bandwidth_hz
    scheduled = np.zeros(fits.shape, bool)
    np.put_along_axis(scheduled, order, fits, axis=1)
    return scheduled, np.where(scheduled.any(axis=1), budget_s, 0.0)


def columns(seeds: range) -> Iterator[tuple[str, list[float | None]]]:
    """Yield the name and the values of each statistic, one value per seed."""
    for name, world in WORLDS.items():
        for policy in world.policies:
            rows: dict[str, list[float | None]] = {}
            for start in range(seeds.start, seeds.stop, _CHUNK):
                chunk = range(start, min(start + _CHUNK, seeds.stop))
                runs = run(world, policy, chunk)
                for place in range(len(chunk)):
                    for length in world.lengths:
                        for statistic, value in runs.statistics(place, length).items():
                            column = f"{name}_{length}/{policy}/{statistic}"
                            rows.setdefault(column, []).append(value)
                print(name, policy, chunk, flush=True)
            yield from rows.items()


def main() -> None:
    """Run all worlds, and add their columns to the table if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"add the columns to {TABLE.name}")
    given = parser.parse_args()
    table = pd.read_parquet(TABLE)
    seeds = range(int(table.index.min()), int(table.index.max()) + 1)
    assert list(table.index) == list(seeds), "the table has a row for every seed"
    added = pd.DataFrame(dict(columns(seeds)), index=table.index).astype(np.float32)
    added = added.loc[:, added.nunique() > 1]
    kept = table[[name for name in table if name.split("_")[0] not in WORLDS]]
    if given.write:
        pd.concat([kept, added], axis=1).to_parquet(TABLE, compression="zstd")


if __name__ == "__main__":
    main()
