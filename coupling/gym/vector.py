"""Vectorised scheduling environment: N worlds whose optima and bands are solved together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import gymnasium
import numpy as np
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from typing_extensions import override

from coupling.gym import spaces
from coupling.gym.actions import ActionKind
from coupling.gym.batch import decide_together
from coupling.gym.environment import SchedulingEnv, draw_world
from coupling.gym.episodes import Decision, Episode, Transition
from coupling.gym.fields import DEFAULT
from coupling.gym.map import draw_map
from coupling.gym.observations import Form
from coupling.gym.rewards import Reward, RewardFunction, build_reward
from coupling.scenario.errors import ScenarioError
from coupling.scenario.scenario import Scenario


@final
class SchedulingVectorEnv(gymnasium.vector.VectorEnv[Any, Any, ndarray]):
    """N scheduling environments of one scenario; each step solves all N states together.

    The arguments are those of ``SchedulingEnv``. A reward object, which has a memory, is refused:
    give its name or a function. ``reset(seed=s)`` gives the worlds s to s + N - 1, and a list of
    seeds its worlds. The autoreset mode is ``SAME_STEP``: an episode that is truncated begins anew
    in the same step, in a world that ``np_random`` draws, and ``info`` has ``final_obs`` and
    ``final_info`` of the one that ended.

    Raises:
        ScenarioError: a scenario or an argument is not valid.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        **SchedulingEnv.metadata,
        "autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        scenario: Scenario | str | Path,
        *,
        num_envs: int = 1,
        overrides: Mapping[str, object] | None = None,
        action: ActionKind = "count",
        observation: Form = "dict",
        fields: Sequence[str] = DEFAULT,
        reward: str | RewardFunction = "objective",
        learning: bool = False,
        render_mode: str | None = None,
    ) -> None:
        if isinstance(reward, Reward):
            raise ScenarioError("reward: N worlds need a name or a function, no object with memory")
        if num_envs < 1:
            raise ScenarioError(f"num_envs = {num_envs} is not at least 1")
        single = SchedulingEnv(
            scenario,
            overrides=overrides,
            action=action,
            observation=observation,
            fields=fields,
            reward=reward,
            learning=learning,
            render_mode=render_mode,
        )
        self._single = single
        self._rewards = [build_reward(reward, learning=learning) for _ in range(num_envs)]
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.single_action_space = single.action_space
        self.single_observation_space = single.observation_space
        self.action_space = batch_space(single.action_space, num_envs)
        self.observation_space = batch_space(single.observation_space, num_envs)
        self._episodes: list[Episode] = []

    @override
    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[spaces.Observation, dict[str, Any]]:
        """Begin an episode in every world, and return the first observations."""
        if isinstance(seed, (int, np.integer)):
            super().reset(seed=int(seed))
            seeds: list[int | None] = [int(seed) + place for place in range(self.num_envs)]
        else:
            seeds = [None] * self.num_envs if seed is None else list(seed)
        if len(seeds) != self.num_envs:
            raise ScenarioError(f"seed: {len(seeds)} seeds for {self.num_envs} worlds")
        worlds = [draw_world(self.np_random) if world is None else world for world in seeds]
        self._episodes = [self._begin(place, world) for place, world in enumerate(worlds)]
        infos = {"world": np.array(worlds), "_world": np.ones(self.num_envs, bool)}
        return self._batched([self._observed(episode) for episode in self._episodes]), infos

    @override
    def step(
        self, actions: Any
    ) -> tuple[
        spaces.Observation,
        Float[ndarray, " N"],
        Bool[ndarray, " N"],
        Bool[ndarray, " N"],
        dict[str, Any],
    ]:
        """Carry an action out in every world."""
        if not self._episodes:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        decisions = decide_together(self._episodes, self._single.actions, np.asarray(actions))
        after = [self._advance(place, decision) for place, decision in enumerate(decisions)]
        truncated = np.array([transition.truncated for transition in after])
        infos: dict[str, Any] = {}
        for place, transition in enumerate(after):
            info = transition.info
            if transition.truncated:
                info = {
                    "final_obs": self._observed(self._episodes[place]),
                    "final_info": info,
                    "world": draw_world(self.np_random),
                }
                self._episodes[place] = self._begin(place, info["world"])
            infos = self._add_info(infos, info, place)
        rewards = np.array([transition.reward for transition in after])
        observations = self._batched([self._observed(episode) for episode in self._episodes])
        return observations, rewards, np.zeros(self.num_envs, bool), truncated, infos

    @override
    def render(self) -> tuple[UInt8[ndarray, "height width 3"], ...] | None:
        """Return the maps of all worlds; None without ``rgb_array``."""
        if self.render_mode is None:
            return None
        return tuple(draw_map(episode) for episode in self._episodes)

    def _begin(self, place: int, world: int) -> Episode:
        single = self._single
        return Episode(single.scenario, world, self._rewards[place], learning=single.learning)

    def _advance(self, place: int, decision: Decision) -> Transition:
        return self._episodes[place].advance(decision)

    def _observed(self, episode: Episode) -> spaces.Observation:
        single = self._single
        mask = single.actions.mask(episode.state, single.observer.count)
        return spaces.observation(single.observer, episode.state, mask, single.form)

    def _batched(self, observations: list[spaces.Observation]) -> spaces.Observation:
        space = self.single_observation_space
        empty: Any = create_empty_array(space, n=self.num_envs)
        return concatenate(space, observations, empty)
