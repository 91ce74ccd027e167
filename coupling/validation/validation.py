"""Validation: build a run without training, and estimate its legs, memory, delay and time."""

from dataclasses import dataclass
from math import ceil
from time import perf_counter
from typing import Any, final

import numpy as np

from coupling.scenario.errors import ScenarioError
from coupling.scenario.scenario import Scenario
from coupling.simulation import feasibility
from coupling.simulation.build import build_aggregator, build_partition, build_world
from coupling.simulation.oracle import fit_oracle
from coupling.simulation.simulation import Simulation
from coupling.simulation.world import ScenarioWorld
from coupling.validation.process_memory import peak_bytes
from coupling.validation.sample import Sample, sample_rounds
from learner.base import NoLearner


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
    """Size of each leg; none where it follows from a model or data that were not looked at."""
    memory_bytes: int | None
    """Peak memory of this process, which has built the run and computed one micro-batch;
    None where model or data were not looked at."""
    median_delay_s: float | None
    """Median delay of the sampled rounds; that of the run's own trace in the same rounds."""
    sampled_rounds: int
    """Number of rounds that were simulated, the first ones of the run."""
    wall_time_s: float | None
    """Estimate of the wall time of the run on this machine; None as ``memory_bytes``."""

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
    ``run``. A model or data set of a hub that gives no answer is warned of, and the other parts
    are validated.

    Raises:
        ScenarioError: the run would be refused, with the same line.
        RunError: one of its first rounds would fail, with the same line.
        MemoryError: the learner has no room for a micro-batch.
    """
    start_s = perf_counter()
    try:
        simulation = Simulation(scenario, learning=learning, training=False)
    except ScenarioError as error:
        if error.unreached is None:
            raise
        return _validate_rest(scenario, error)
    policy = fit_oracle(scenario.policy(), simulation)
    warnings = _warnings(scenario, simulation.world)
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


def _validate_rest(scenario: Scenario, error: ScenarioError) -> Validation:
    """Validate the parts of a run that need no model or data set of a hub without an answer.

    Raises:
        ScenarioError: one of them would be refused.
        RunError: one of the first rounds would fail.
    """
    unseen, partition = [_unseen(error)], None
    if error.unreached == "learner.model":
        # The data come after the model.
        try:
            partition = build_partition(scenario)
        except ScenarioError as other:
            if other.unreached is None:
                raise
            unseen.append(_unseen(other))
    build_aggregator(scenario)
    policy = scenario.policy()
    sample = Sample()
    # Where the learner counts the bits, no round can be simulated without it.
    if scenario.protocol.fixed_bits is None:
        world = build_world(scenario)
    else:
        simulation = Simulation(scenario, learner=NoLearner(partition=partition))
        world = simulation.world
        sample = sample_rounds(simulation, fit_oracle(policy, simulation))
    return Validation(
        warnings=[*unseen, *_warnings(scenario, world)],
        leg_bits={leg: LegRange(*sizes) for leg, sizes in sample.legs.items()},
        memory_bytes=None,
        median_delay_s=float(np.median(sample.delay_s)) if sample.delay_s else None,
        sampled_rounds=len(sample.delay_s),
        wall_time_s=None,
    )


def _unseen(error: ScenarioError) -> str:
    """Return the warning about a model or data set that could not be looked at."""
    parts = "the model with its layers and targets"
    if error.unreached != "learner.model":
        parts = "the data with their columns, classes and shares"
    return f"{error}; the hub gives no answer: {parts} were not looked at, and run refuses this"


def _warnings(scenario: Scenario, world: ScenarioWorld) -> list[str]:
    """Return the lines on settings and files that are allowed and probably mistakes."""
    # Unphysical numbers overflow here; a run with such numbers ends with an error.
    with np.errstate(all="ignore"):
        return [*scenario.warnings(), *world.file_warnings(), *feasibility.warnings(scenario)]


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
