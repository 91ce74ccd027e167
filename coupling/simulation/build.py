"""World and learner of a scenario, with the line that tells the user where one of them cannot be
had.
"""

from typing import TYPE_CHECKING

from coupling.scenario.scenario import Scenario
from coupling.simulation.world import ScenarioWorld
from netsim.errors import NetworkInputError
from netsim.streams import Streams

if TYPE_CHECKING:
    from learner.centralised import CentralisedLearner
    from learner.data import Partition
    from learner.split_learner import DeviceLearner


def build_world(scenario: Scenario) -> ScenarioWorld:
    """Return the world that a scenario describes.

    Raises:
        ScenarioError: a file that it names cannot be used, or its devices do not fit into memory.
    """
    try:
        return ScenarioWorld(scenario)
    except NetworkInputError as error:
        raise scenario.problem(error.key, error.problem) from None
    except MemoryError:
        problem = f"{scenario.devices.count} devices do not fit into memory"
        raise scenario.problem("devices.count", problem) from None


def build_learner(scenario: Scenario) -> "DeviceLearner | CentralisedLearner | None":
    """Return the learner of a scenario before its first round; None if it has no ``[learner]``
    table.

    Raises:
        ScenarioError: its model or data cannot be had.
    """
    if scenario.learner is None:
        return None
    from learner.errors import LearnerInputError

    try:
        return scenario.protocol.learner(
            scenario.learner, scenario.devices.count, Streams(scenario.seed)
        )
    except LearnerInputError as error:
        raise scenario.problem(error.key, error.problem) from None


def build_partition(scenario: Scenario) -> "Partition | None":
    """Return which device holds which training samples; None if the scenario has no ``[learner]``
    table.

    Raises:
        ScenarioError: the data cannot be had.
    """
    if scenario.learner is None:
        return None
    from learner.data import Partition, load
    from learner.errors import LearnerInputError

    settings, streams = scenario.learner, Streams(scenario.seed).generator
    try:
        labelled, _, _ = load(settings.data, streams)
        return Partition(
            settings.data,
            labelled,
            device_count=scenario.devices.count,
            batch_size=settings.batch_size,
            local_batches=scenario.protocol.minibatches(settings),
            rng=streams,
        )
    except LearnerInputError as error:
        raise scenario.problem(error.key, error.problem) from None
