"""Parallel scheduling environment of PettingZoo: the devices are agents that bid."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, final

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import Bool, Int, UInt8
from numpy import ndarray
from pettingzoo import ParallelEnv
from typing_extensions import override

from coupling.gym.environment import draw_world
from coupling.gym.episodes import Decision, Episode, load_scenario
from coupling.gym.fields import DEFAULT
from coupling.gym.map import draw_map
from coupling.gym.observations import Observer
from coupling.gym.optimum import optimum, predicted_objective
from coupling.gym.rewards import Reward, RewardFunction, build_reward
from coupling.scenario.errors import ScenarioError, unknown
from coupling.scenario.scenario import Scenario
from netsim.scheduling import Allocation

_Dict = dict[str, Any]


@final
class SchedulingParallelEnv(ParallelEnv[str, _Dict, int]):  # type: ignore[misc]
    """Devices ``device_0`` to ``device_K-1`` that bid for a place in each round.

    A bid is 0 (abstain) to ``levels``. The server looks at each level as a price: the devices that
    bid at least the price take part, and the price with the largest J holds. The band is shared out
    for their minimum common delay. All agents get the same reward.

    An observation has ``observation``, the normalised fields of the cell and of the device, and
    ``action_mask``. An agent that is absent, or has no gain, stays an agent whose mask only lets it
    abstain; other bids of it are ignored. It is terminated only if its battery is empty for good:
    the battery gives no more than it draws. After the scenario's last round all agents are
    truncated. ``infos`` has the numbers of ``SchedulingEnv`` for each agent, and its ``scheduled``.
    The other arguments are those of ``SchedulingEnv``.

    Raises:
        ScenarioError: a scenario or an argument is not valid.
    """

    metadata: ClassVar[_Dict] = {
        "render_modes": ["rgb_array"],
        "name": "airtune/Scheduling-Parallel-v0",
        "is_parallelizable": True,
        "render_fps": 4,
    }

    def __init__(
        self,
        scenario: Scenario | str | Path,
        *,
        overrides: Mapping[str, object] | None = None,
        levels: int = 4,
        fields: Sequence[str] = DEFAULT,
        reward: str | Reward | RewardFunction = "objective",
        learning: bool = False,
        render_mode: str | None = None,
    ) -> None:
        if levels < 1:
            raise ScenarioError(f"levels = {levels} is not at least 1")
        if render_mode not in (None, "rgb_array"):
            raise ScenarioError(unknown("render_mode", render_mode, ["rgb_array"]))
        self.scenario = load_scenario(scenario, overrides)
        self.render_mode = render_mode
        count = self.scenario.devices.count
        self.observer = Observer(count, self.scenario.scheduler.objective, fields)
        self.levels = levels
        self.reward = build_reward(reward, learning=learning)
        self.learning = learning
        self.possible_agents = [f"device_{device}" for device in range(count)]
        self.agents: list[str] = []
        size = len(self.observer.fields)
        observed: dict[str, spaces.Space[Any]] = {
            "observation": spaces.Box(-1.0, 1.0, (size,), np.float32),
            "action_mask": spaces.Box(0, 1, (levels + 1,), np.int8),
        }
        self.observation_spaces = {agent: spaces.Dict(observed) for agent in self.possible_agents}
        self.action_spaces = {agent: spaces.Discrete(levels + 1) for agent in self.possible_agents}
        self._device = {agent: device for device, agent in enumerate(self.possible_agents)}
        self._rng: np.random.Generator | None = None
        self._episode: Episode | None = None

    @override
    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self.observation_spaces[agent]

    @override
    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self.action_spaces[agent]

    @property
    def episode(self) -> Episode:
        """The present episode.

        Raises:
            gymnasium.error.ResetNeeded: there is none.
        """
        if self._episode is None:
            raise gymnasium.error.ResetNeeded("call reset() before step() and render()")
        return self._episode

    @override
    def reset(
        self, seed: int | None = None, options: _Dict | None = None
    ) -> tuple[dict[str, _Dict], dict[str, _Dict]]:
        """Begin an episode in the world of a seed, or in one that is drawn."""
        if seed is not None or self._rng is None:
            self._rng = np.random.default_rng(seed)
        world = draw_world(self._rng) if seed is None else seed
        self._episode = Episode(self.scenario, world, self.reward, learning=self.learning)
        self.agents = list(self.possible_agents)
        return self._observations(), {agent: {"world": world} for agent in self.agents}

    @override
    def step(
        self, actions: dict[str, int]
    ) -> tuple[
        dict[str, _Dict], dict[str, float], dict[str, bool], dict[str, bool], dict[str, _Dict]
    ]:
        """Carry out the auction of a round; agents without a bid abstain."""
        episode = self.episode
        bids = np.zeros(len(self.possible_agents), int)
        for agent, bid in actions.items():
            bids[self._device[agent]] = bid
        after = episode.advance(self._auction(bids))
        live = self.agents
        scheduled = set(after.record.scheduled.tolist())
        empty = self._empty_for_good()
        terminated = {agent: bool(empty[self._device[agent]]) for agent in live}
        truncated = dict.fromkeys(live, after.truncated)
        infos = {
            agent: {**after.info, "scheduled": self._device[agent] in scheduled} for agent in live
        }
        observations = self._observations()
        rewards = dict.fromkeys(live, after.reward)
        self.agents = [agent for agent in live if not (terminated[agent] or truncated[agent])]
        return observations, rewards, terminated, truncated, infos

    @override
    def render(self) -> UInt8[ndarray, "height width 3"] | None:
        """Return the map of the cell after the last round; None without ``rgb_array``."""
        return draw_map(self.episode) if self.render_mode else None

    @override
    def close(self) -> None:
        """Release nothing: there is no window and no thread."""

    def _auction(self, bids: Int[ndarray, " K"]) -> Decision:
        """Return the decision at the price with the largest J; ties go to the higher price."""
        state = self.episode.state
        objective = self.scenario.scheduler.objective
        own = np.where(state.gain > 0, bids[state.device], 0)
        best, value = Allocation.empty(), -np.inf
        for price in sorted(set(own[own > 0].tolist()), reverse=True):
            allocation = Allocation.equal_finish(state, np.flatnonzero(own >= price))
            objective_value = predicted_objective(allocation, state, objective)
            if objective_value > value:
                best, value = allocation, objective_value
        if not len(best.devices):
            value = 0.0
        return Decision(best, optimum(state, objective), value)

    def _observations(self) -> dict[str, _Dict]:
        state = self.episode.state
        rows = self.observer.per_device(state)
        free = np.zeros(len(self.possible_agents), bool)
        free[state.device[state.gain > 0]] = True
        return {
            agent: {
                "observation": rows[self._device[agent]].copy(),
                "action_mask": self._mask(free=bool(free[self._device[agent]])),
            }
            for agent in self.agents
        }

    def _mask(self, *, free: bool) -> Int[ndarray, " m"]:
        mask = np.full(self.levels + 1, int(free), np.int8)
        mask[0] = 1
        return mask

    def _empty_for_good(self) -> Bool[ndarray, " K"]:
        """Return the mask of the devices that have run empty and will never be recharged."""
        battery: Final = self.scenario.devices.battery
        if battery is None or battery.recharge_w > battery.idle_w:
            return np.zeros(len(self.possible_agents), bool)
        return self.episode.simulation.state.depleted.copy()
