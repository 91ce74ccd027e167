"""Validation: build a run without training, and estimate its legs, memory, delay and time."""

from dataclasses import dataclass
from math import ceil
from time import perf_counter
from typing import Any, final

import numpy as np

from coupling.scenario.scenario import Scenario
from coupling.simulation import feasibility
from coupling.simulation.oracle import fit_oracle
from coupling.simulation.simulation import Simulation
from coupling.validation.process_memory import peak_bytes
from coupling.validation.sample import Sample, sample_rounds


@final
@dataclass(frozen=True)
class LegRange:
    """Smallest and largest size of a leg over the devices and rounds of the sample, in bits."""

    minimum: int
    maximum: int


@final
@dataclass(frozen=True)
class Validation:
    """Result of the validation of a scenario that can be run."""

    warnings: list[str]
    """Lines on settings that are allowed and probably mistakes."""
    leg_bits: dict[str, LegRange]
    """Size of each leg."""
    memory_bytes: int
    """Peak memory of this process, which has built the run and computed one micro-batch."""
    median_delay_s: float
    """Median delay of the sampled rounds; that of the run's own trace in the same rounds."""
    sampled_rounds: int
    """Number of rounds that were simulated, the first ones of the run."""
    wall_time_s: float
    """Estimate of the wall time of the run on this machine."""

    def document(self) -> dict[str, Any]:
        """Return the result as plain values; a leg of one size is a number."""
        legs = {
            leg: size.maximum
            if size.minimum == size.maximum
            else {"minimum": size.minimum, "maximum": size.maximum}
            for leg, size in self.leg_bits.items()
        }
        return {"valid": True} | vars(self) | {"leg_bits": legs}


def validate(scenario: Scenario, *, learning: bool = True) -> Validation:
    """Build the run of a scenario without training it, simulate its first rounds, and report.

    The learner is built and its micro-batches are timed; no weight changes. ``learning`` is that of
    ``run``.

    Raises:
        ScenarioError: the run would be refused, with the same line.
        RunError: one of its first rounds would fail, with the same line.
        MemoryError: the learner has no room for a micro-batch.
    """
    start_s = perf_counter()
    simulation = Simulation(scenario, learning=learning, training=False)
    policy = fit_oracle(scenario.policy(), simulation)
    # Unphysical numbers overflow here; a run with such numbers ends with an error.
    with np.errstate(all="ignore"):
        files = simulation.world.file_warnings()
        warnings = [*scenario.warnings(), *files, *feasibility.warnings(scenario)]
    built_s = perf_counter() - start_s
    sample = sample_rounds(simulation, policy)
    learning_s = _learning_s(simulation, sample)
    rounds_s = sample.wall_s / len(sample.delay_s) * sample.rounds_of_run(scenario.ending)
    return Validation(
        warnings=warnings,
        leg_bits={leg: LegRange(*sizes) for leg, sizes in sample.legs.items()},
        memory_bytes=peak_bytes(),
        median_delay_s=float(np.median(sample.delay_s)),
        sampled_rounds=len(sample.delay_s),
        wall_time_s=built_s + rounds_s + learning_s,
    )


def _learning_s(simulation: Simulation, sample: Sample) -> float:
    """Return the estimated seconds of all training and evaluations of a run."""
    devices = float(np.mean(sample.scheduled))
    settings = simulation.scenario.learner
    cost = simulation.learner.measure(max(1, ceil(devices)))
    if cost is None or settings is None:
        return 0.0
    rounds = sample.rounds_of_run(simulation.scenario.ending)
    evaluations = 1 + ceil(rounds / settings.evaluate_every)
    share = min(1.0, devices / max(1, ceil(devices)))
    return rounds * share * cost.round_s + evaluations * cost.evaluation_s
