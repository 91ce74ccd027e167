"""Cost of a round of the paper's network, in raw SimPy timeouts and in literal runs of Algorithm 1.

All 5,000 rounds of ``scenarios/paper/base.toml`` without learning, every table written. Processor
times; the timeouts are timed between the rounds, so that whatever slows the machine down slows
both.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Final

import numpy as np
import pandas as pd

import coupling
from benchmarks import common
from benchmarks.common import BASE, Report, TimeoutClock
from benchmarks.literal_algorithm1 import scheduled_count
from netsim.scheduling import RoundState

INITIAL_BUDGETS: Final = 5
MINIMUM_MEAN_N: Final = 6.0
MAXIMUM_TIMEOUTS: Final = 900
MAXIMUM_OF_LITERAL: Final = 1 / 8
ROUNDS_APART: Final = 100


def time_rounds(scenario: coupling.Scenario, out: Path) -> float:
    """Run the scenario into ``out``; return the processor time per round in timeouts."""
    clock = TimeoutClock()
    done = 0

    def between(_: object) -> None:
        nonlocal done
        done += 1
        if done % ROUNDS_APART == 0:
            clock.tick()

    start_s = process_time()
    coupling.run(scenario, out, learning=False, on_round=between)
    round_s = (process_time() - start_s - clock.spent_s) / scenario.rounds
    return round_s / clock.timeout_s


def time_literal(scenario: coupling.Scenario, rounds: pd.DataFrame, devices: pd.DataFrame) -> float:
    """Schedule a sample of the run's rounds literally; return the processor time per round in
    timeouts.
    """
    clock = TimeoutClock()
    gains = devices.gain.to_numpy().reshape(scenario.rounds, scenario.devices.count)
    bits = np.full(scenario.devices.count, float(scenario.protocol.payload_bit))
    power_w = np.ones(scenario.devices.count)
    spent_s = 0.0
    sample = range(0, scenario.rounds, ROUNDS_APART)
    for index in sample:
        state = RoundState(
            round=index + 1,
            gain=gains[index],
            bits=bits,
            tx_power_w=power_w,
            bandwidth_hz=scenario.cell.bandwidth_hz,
            noise_psd=scenario.cell.noise_psd_w_per_hz,
            delay_budget_s=scenario.delay_budget_s,
            virtual_queue_s=rounds.virtual_queue_before_s[index],
        )
        start_s = process_time()
        count = scheduled_count(state)
        spent_s += process_time() - start_s
        clock.tick()
        assert count == rounds.scheduled[index], f"round {index + 1}: literally {count} devices"
    return spent_s / len(sample) / clock.timeout_s


def measure(report: Report) -> None:
    """Report both ratios for the whole run."""
    overrides = {"scheduler.queue_initial_budgets": INITIAL_BUDGETS}
    scenario = coupling.Scenario.load(BASE, overrides)
    with tempfile.TemporaryDirectory() as folder:
        time_rounds(coupling.Scenario.load(BASE, {"rounds": 100}), Path(folder) / "warm-up")
        timeouts = time_rounds(scenario, Path(folder) / "run")
        rounds, devices, transfers = (
            pd.read_parquet(Path(folder) / "run" / table)
            for table in ("rounds", "devices", "transfers")
        )
    mean_n = rounds.scheduled.mean()
    assert len(rounds) == scenario.rounds == 5_000
    assert len(devices) == 5_000 * 20
    assert len(transfers) == rounds.scheduled.sum()
    assert mean_n >= MINIMUM_MEAN_N, f"the mean number of devices is {mean_n}, too few to measure"
    literal = time_literal(scenario, rounds, devices)
    report.maximum(f"SimPy timeouts per round (mean N {mean_n:.2f})", timeouts, MAXIMUM_TIMEOUTS)
    report.maximum("share of literal Algorithm 1", timeouts / literal, MAXIMUM_OF_LITERAL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ratios; return the exit status."""
    given = common.parser(__doc__).parse_args(arguments)
    report = Report("network")
    if given.against:
        common.against(report, given.against, ["network", "phased"], given.pairs)
    else:
        measure(report)
    return report.status


if __name__ == "__main__":
    sys.exit(main())
