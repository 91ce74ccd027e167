"""Rewards: the numbers by which a round is judged, by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, TypeAlias, final

import numpy as np
from typing_extensions import override

from coupling.scenario.errors import ScenarioError, unknown
from coupling.scenario.scenario import Scenario
from netsim.scheduling import RoundRecord

RewardFunction: TypeAlias = Callable[[RoundRecord], float]


class Reward(ABC):
    """Reward of each round of an episode; it may depend on the rounds before."""

    learns = False
    """Whether it is measured on a model that is trained."""

    def begin(self, scenario: Scenario) -> None:  # noqa: B027 (optional)
        """Begin an episode of a scenario."""

    @abstractmethod
    def of(self, record: RoundRecord) -> float:
        """Return the reward of the next round of the episode."""


@final
class ObjectiveReward(Reward):
    """J of (22) at the delay that the round took, without unit."""

    @override
    def of(self, record: RoundRecord) -> float:
        return record.objective


@final
class DeviceReward(Reward):
    """Updates that arrived per second of the round, in 1/s."""

    def __init__(self) -> None:
        self._time_s = 0.0

    @override
    def begin(self, scenario: Scenario) -> None:
        self._time_s = 0.0

    @override
    def of(self, record: RoundRecord) -> float:
        duration_s = record.time_s - self._time_s
        self._time_s = record.time_s
        return float(np.count_nonzero(record.arrived)) / duration_s if duration_s > 0 else 0.0


@final
class DelayReward(Reward):
    """Delay and queue against the budget: ``-(D + Q(t+1) / t) / budget``, without unit.

    ``Q(t+1) / t`` is the mean excess over the budget so far, which (8) forbids in the limit.
    """

    def __init__(self) -> None:
        self._budget_s = 1.0

    @override
    def begin(self, scenario: Scenario) -> None:
        self._budget_s = scenario.delay_budget_s

    @override
    def of(self, record: RoundRecord) -> float:
        return -(record.delay_s + record.virtual_queue_s / record.round) / self._budget_s


@final
class EnergyReward(Reward):
    """Energy that the devices spent in the round with a negative sign, in J."""

    @override
    def of(self, record: RoundRecord) -> float:
        return -record.energy_j


@final
class BoundReward(Reward):
    """Decrease of the corrected bound of Theorem 1 in the round, without unit.

    The recursion of ``docs/theorem1.md`` with N the updates that arrived:

        gap(t+1) <= (1 - contraction) gap(t) + noise / N + selection (K - N) / (N (K - 1))
                    + heads N / K

    It assumes that the N devices are chosen uniformly, which an agent does not do: the number is
    no bound for its choices. The four constants are ``tau eta``, and ``L eta^2 / 2`` times ``phi^2
    Omega_a``, ``delta^2`` and ``phi^2 Omega_t``; the defaults are of no particular model.
    """

    def __init__(
        self,
        *,
        initial_gap: float = 1.0,
        contraction: float = 0.01,
        noise: float = 0.001,
        selection: float = 0.01,
        heads: float = 0.0,
    ) -> None:
        self._constants = (contraction, noise, selection, heads)
        self._initial_gap = initial_gap
        self._gap = initial_gap
        self._count = 1

    @override
    def begin(self, scenario: Scenario) -> None:
        self._gap = self._initial_gap
        self._count = scenario.devices.count

    @override
    def of(self, record: RoundRecord) -> float:
        number = int(np.count_nonzero(record.arrived))
        if not number:
            return 0.0
        contraction, noise, selection, heads = self._constants
        left_out = (self._count - number) / max(self._count - 1, 1)
        added = (noise + selection * left_out) / number + heads * number / self._count
        before = self._gap
        self._gap = (1.0 - contraction) * before + added
        return before - self._gap


@final
class LossReward(Reward):
    """Decrease of the mean training loss since the last round with an update, without unit.

    It is measured on the model that is trained; 0 in the first round with an update, and in rounds
    without one.
    """

    learns = True

    def __init__(self) -> None:
        self._loss: float | None = None

    @override
    def begin(self, scenario: Scenario) -> None:
        self._loss = None

    @override
    def of(self, record: RoundRecord) -> float:
        before, now = self._loss, record.train_loss
        if now is None:
            return 0.0
        self._loss = now
        return 0.0 if before is None else before - now


@final
class AccuracyReward(Reward):
    """Increase of the test accuracy since the last evaluation; 0 in rounds without evaluation."""

    learns = True

    def __init__(self) -> None:
        self._accuracy: float | None = None

    @override
    def begin(self, scenario: Scenario) -> None:
        self._accuracy = None

    @override
    def of(self, record: RoundRecord) -> float:
        now = None if record.evaluation is None else record.evaluation["accuracy"]
        if now is None:
            return 0.0
        before, self._accuracy = self._accuracy, now
        return 0.0 if before is None else now - before


@final
class FunctionReward(Reward):
    """Any function of the record of a round."""

    def __init__(self, function: RewardFunction) -> None:
        self._function = function

    @override
    def of(self, record: RoundRecord) -> float:
        return float(self._function(record))


REWARDS: Final[dict[str, type[Reward]]] = {
    "objective": ObjectiveReward,
    "devices": DeviceReward,
    "delay": DelayReward,
    "energy": EnergyReward,
    "bound": BoundReward,
    "loss": LossReward,
    "accuracy": AccuracyReward,
}


def build_reward(reward: str | Reward | RewardFunction, *, learning: bool) -> Reward:
    """Return the reward of a name, or that of a function of the round's record.

    Raises:
        ScenarioError: an unknown name, or a reward that is measured on a model without learning.
    """
    if isinstance(reward, str):
        if reward not in REWARDS:
            raise ScenarioError(unknown("reward", reward, list(REWARDS)))
        built = REWARDS[reward]()
    else:
        built = reward if isinstance(reward, Reward) else FunctionReward(reward)
    if built.learns and not learning:
        raise ScenarioError(
            f"reward = {reward!r} is measured on the model that is trained; give learning=True"
        )
    return built
