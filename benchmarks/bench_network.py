"""What a round of the paper's network costs, in raw SimPy timeouts and in literal runs of Algorithm
1.

All 5,000 rounds of ``scenarios/paper/base.toml`` without learning, every table written. CPU times;
the timeouts are timed between the rounds, so that whatever slows the machine down slows both.
"""

import sys
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

if (here := str(Path(__file__).resolve().parent)) in sys.path:
    sys.path.remove(here)  # another file's name there would hide a package

import numpy as np
import pandas as pd
import simpy
from coupling.simulation.round_loop import RoundReport
from scipy.special import lambertw

import coupling
from netsim.link import shannon

SCENARIO = Path(__file__).resolve().parent.parent / "scenarios" / "paper" / "base.toml"
INITIAL_BUDGETS = 5
LEAST_MEAN_N = 6.0
MOST_TIMEOUTS = 900
MOST_OF_LITERAL = 1 / 8
BISECTIONS = 60
TIMEOUTS_AT_ONCE = 5_000
ROUNDS_APART = 100


@dataclass
class Stopwatch:
    """CPU time of raw SimPy timeouts, taken a few at a time between other work."""

    spent_s: float = 0.0
    timeouts: int = 0

    def tick(self) -> None:
        """Time some timeouts now."""
        env = simpy.Environment()
        start_s = process_time()
        env.run(env.process(_wait(env)))
        self.spent_s += process_time() - start_s
        self.timeouts += TIMEOUTS_AT_ONCE

    @property
    def timeout_s(self) -> float:
        """Mean CPU time of one timeout."""
        return self.spent_s / self.timeouts


def _wait(env: simpy.Environment) -> Generator[simpy.Event, Any, None]:
    for _ in range(TIMEOUTS_AT_ONCE):
        yield env.timeout(1.0)


def time_rounds(scenario: coupling.Scenario, out: Path) -> float:
    """Run the scenario into ``out``; return a round's CPU time in timeouts."""
    watch = Stopwatch()

    def between(report: RoundReport) -> None:
        if report.round % ROUNDS_APART == 0:
            watch.tick()

    start_s = process_time()
    coupling.run(scenario, out, learning=False, on_round=between)
    round_s = (process_time() - start_s - watch.spent_s) / scenario.rounds
    return round_s / watch.timeout_s


def time_literal(scenario: coupling.Scenario, rounds: pd.DataFrame, devices: pd.DataFrame) -> float:
    """Schedule a sample of the run's rounds literally; return a round's CPU time in timeouts."""
    watch = Stopwatch()
    gains = devices.gain.to_numpy().reshape(scenario.rounds, scenario.devices.count)
    spent_s, sample = 0.0, range(0, scenario.rounds, ROUNDS_APART)
    for index in sample:
        queue_s = rounds.virtual_queue_before_s[index]
        start_s = process_time()
        count = literal_algorithm1(scenario, index + 1, gains[index], queue_s)
        spent_s += process_time() - start_s
        watch.tick()
        assert count == rounds.scheduled[index], f"round {index + 1}: literally {count} devices"
    return spent_s / len(sample) / watch.timeout_s


def literal_algorithm1(
    scenario: coupling.Scenario, round_number: int, gain: np.ndarray, virtual_queue_s: float
) -> int:
    """Return how many devices Algorithm 1 schedules: one more as long as J does not fall, in order
    of gain.
    """
    budget_s = scenario.delay_budget_s
    zeta = 1.0 / np.sqrt(round_number)
    strongest = np.sort(gain)[::-1]
    before = 0.0
    for count in range(1, len(gain) + 1):
        delay_s = literal_delay_s(scenario, strongest[:count])
        objective = count - zeta * (virtual_queue_s / budget_s) * (delay_s / budget_s)
        if objective < before:
            return count - 1
        before = objective
    return len(gain)


def literal_delay_s(scenario: coupling.Scenario, gain: np.ndarray) -> float:
    """Return the least common delay of a set: bisection on (25), its misprint corrected, until the
    band is full.
    """
    bits, noise_psd = scenario.protocol.payload_bit, scenario.cell.noise_psd_w_per_hz
    band_hz = scenario.cell.bandwidth_hz
    floor_s = bits * noise_psd * np.log(2) / gain
    low_s = float(floor_s.max())
    high_s = float((bits / shannon.rate(band_hz / len(gain), gain, noise_psd)).max())
    for _ in range(BISECTIONS):
        delay_s = (low_s + high_s) / 2
        x = floor_s / delay_s
        u = -lambertw(-x * np.exp(-x), k=-1).real
        needed_hz = (bits * np.log(2) / (delay_s * (u - x))).sum()
        if needed_hz <= band_hz:
            high_s = delay_s
        else:
            low_s = delay_s
    return high_s


def main() -> int:
    scenario = coupling.Scenario.load(
        SCENARIO, {"scheduler.queue_initial_budgets": INITIAL_BUDGETS}
    )
    with tempfile.TemporaryDirectory() as folder:
        time_rounds(coupling.Scenario.load(SCENARIO, {"rounds": 100}), Path(folder) / "warm-up")
        timeouts = time_rounds(scenario, Path(folder) / "run")
        rounds, devices, transfers = (
            pd.read_parquet(Path(folder) / "run" / table)
            for table in ("rounds", "devices", "transfers")
        )
        mean_n = rounds.scheduled.mean()
        assert len(rounds) == scenario.rounds == 5_000
        assert len(devices) == 5_000 * 20
        assert len(transfers) == rounds.scheduled.sum()
        assert mean_n >= LEAST_MEAN_N, f"the mean number of devices is {mean_n}, too few to measure"
        literal = time_literal(scenario, rounds, devices)
    share = timeouts / literal
    print(
        f"network: a round (mean N {mean_n:.2f}) costs {timeouts:.0f} SimPy timeouts; at most {MOST_TIMEOUTS}"
    )
    print(
        f"network: a round costs 1/{1 / share:.1f} of literal Algorithm 1; at most 1/{1 / MOST_OF_LITERAL:.0f}"
    )
    return int(timeouts > MOST_TIMEOUTS or share > MOST_OF_LITERAL)


if __name__ == "__main__":
    sys.exit(main())
