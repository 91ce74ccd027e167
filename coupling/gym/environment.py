"""Scheduling environment of Gymnasium: one decision per round, and the optimum in every step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

import gymnasium
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from typing_extensions import override

from coupling.gym import spaces
from coupling.gym.actions import ActionKind
from coupling.gym.episodes import (
    FIRST_TRAINING_SEED,
    LAST_TRAINING_SEED,
    Episode,
    actions_of,
    load_scenario,
)
from coupling.gym.fields import DEFAULT
from coupling.gym.map import draw_map
from coupling.gym.observations import Form, Observer
from coupling.gym.rewards import Reward, RewardFunction, build_reward
from coupling.scenario.errors import ScenarioError, unknown
from coupling.scenario.scenario import Scenario

_FORMS: Final = ("dict", "box")


@final
class SchedulingEnv(gymnasium.Env[Any, Any]):
    """Scheduling of a scenario's devices as an environment: a step is a round.

    Args:
        scenario: Scenario, the file of one, or the name of a bundled one such as ``paper/base``.
        overrides: Values of some keys, as ``--set`` gives them.
        action: ``count`` (the N devices of the largest received power), ``subset`` (one bit per
            device), ``scores`` (devices with a score above zero) or ``shares`` (bandwidths in Hz).
            For all but ``shares`` the solver shares out the band for the minimum common delay.
        observation: ``dict`` of named arrays in their units, padded to K, or one normalised
            ``box`` vector.
        fields: Names of the observed fields (``coupling.gym.fields.FIELDS``); ``round`` and
            ``zeta`` are always there.
        reward: ``objective``, ``devices``, ``delay``, ``energy``, ``bound``, ``loss``,
            ``accuracy``, or a function of the round's ``RoundRecord``.
        learning: Whether the model of the scenario is trained.
        render_mode: ``rgb_array`` for a map of the cell.

    ``reset(seed=...)`` gives the world of a seed: equal seeds meet equal worlds, whatever the agent
    does. ``reset()`` draws a world from ``np_random`` that is not held out. ``truncated`` is true
    after the scenario's last round; nothing is ever ``terminated``. There is no thread, no process
    and no directory.

    ``info`` has ``objective`` (J of the action) and ``optimum_objective``, both predicted from the
    state that was observed, their difference ``gap``, ``optimum_scheduled``, ``scheduled``,
    ``arrived``, ``delay_s``, ``energy_j`` and ``time_s``.

    Raises:
        ScenarioError: a scenario or an argument is not valid.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        scenario: Scenario | str | Path,
        *,
        overrides: Mapping[str, object] | None = None,
        action: ActionKind = "count",
        observation: Form = "dict",
        fields: Sequence[str] = DEFAULT,
        reward: str | Reward | RewardFunction = "objective",
        learning: bool = False,
        render_mode: str | None = None,
    ) -> None:
        if observation not in _FORMS:
            raise ScenarioError(unknown("observation", observation, _FORMS))
        if render_mode not in (None, "rgb_array"):
            raise ScenarioError(unknown("render_mode", render_mode, ["rgb_array"]))
        self.scenario = load_scenario(scenario, overrides)
        self.render_mode = render_mode
        self.action: ActionKind = action
        self.actions = actions_of(action)
        self.observer = Observer(
            self.scenario.devices.count, self.scenario.scheduler.objective, fields
        )
        self.form: Form = observation
        self.reward = build_reward(reward, learning=learning)
        self.learning = learning
        count = self.scenario.devices.count
        self.action_space = spaces.action_space(action, count, self.scenario.cell.bandwidth_hz)
        self.observation_space = spaces.observation_space(self.observer, self.actions, observation)
        self._episode: Episode | None = None

    @property
    def episode(self) -> Episode:
        """The present episode.

        Raises:
            gymnasium.error.ResetNeeded: there is none, or it is over.
        """
        if self._episode is None:
            raise gymnasium.error.ResetNeeded("call reset() before step() and render()")
        return self._episode

    @override
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[spaces.Observation, dict[str, Any]]:
        """Begin an episode in the world of a seed, and return its first observation.

        ``info["world"]`` is the seed of the world.
        """
        super().reset(seed=seed)
        world = draw_world(self.np_random) if seed is None else seed
        self._episode = Episode(self.scenario, world, self.reward, learning=self.learning)
        return self._observation(), {"world": world}

    @override
    def step(self, action: Any) -> tuple[spaces.Observation, float, bool, bool, dict[str, Any]]:
        """Carry an action out, and return observation, reward, terminated, truncated and info.

        Raises:
            RunError: a number is no longer finite; names the round.
        """
        episode = self.episode
        if episode.simulation.ended:
            raise gymnasium.error.ResetNeeded("the last round is over; call reset()")
        after = episode.advance(episode.decide(self.actions, np.asarray(action)))
        return self._observation(), after.reward, False, after.truncated, after.info

    @override
    def render(self) -> UInt8[ndarray, "height width 3"] | None:
        """Return the map of the cell after the last round; None without ``rgb_array``."""
        return draw_map(self.episode) if self.render_mode else None

    def _observation(self) -> spaces.Observation:
        state = self.episode.state
        mask = self.actions.mask(state, self.observer.count)
        return spaces.observation(self.observer, state, mask, self.form)


def draw_world(rng: np.random.Generator) -> int:
    """Return the seed of a world that is not held out."""
    return int(rng.integers(FIRST_TRAINING_SEED, LAST_TRAINING_SEED))
