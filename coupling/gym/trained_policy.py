"""Trained policy: an agent from a directory as the scheduling policy of any scenario."""

from dataclasses import field
from functools import cached_property
from typing import Literal, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from coupling.gym.actions import ACTIONS
from coupling.gym.agents import Agent, AgentError, load_agent
from coupling.gym.observations import Observer
from netsim.parameters import CONFIG
from netsim.scheduling import Allocation, Objective, Policy, RoundState


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class TrainedPolicy(Policy):
    """Trained agent of a directory with ``agent.json`` and ``model.safetensors``.

    Its decision is a function of the state: the largest output for ``count``, the outputs above
    zero for ``subset`` and ``scores``, the outputs times the band for ``shares``. The agent is read
    when the policy is created. A relative ``path`` is that of the scenario file.

    Raises:
        AgentError: the directory holds no agent that can be used.
    """

    kind: Literal["airtune.gym:TrainedPolicy"] = "airtune.gym:TrainedPolicy"
    path: str
    """Directory of the agent."""
    objective: Objective = field(default_factory=Objective)
    """Objective J, whose zeta(t) the agent observes."""

    def __post_init__(self) -> None:
        _ = self.agent

    @cached_property
    def agent(self) -> Agent:
        """The agent, as its files are when it is first used."""
        return load_agent(self.path)

    @cached_property
    def _observer(self) -> Observer:
        return Observer(self.agent.devices, self.objective, self.agent.fields)

    @override
    def schedule(self, state: RoundState) -> Allocation:
        count = len(state.device) if state.available is None else len(state.available)
        if count != self.agent.devices and state.available is not None:
            raise AgentError(
                f"the agent in {self.path} decides on {self.agent.devices} devices, not on {count}"
            )
        actions = ACTIONS[self.agent.action]
        mask = actions.mask(state, self.agent.devices)
        output = self.agent.output(self._observer.vector(state, mask))
        if self.agent.action == "count":
            output = np.array(np.where(mask > 0, output, -np.inf).argmax())
        elif self.agent.action == "shares":
            output = np.clip(output, 0.0, 1.0) * state.bandwidth_hz
        chosen = actions.chosen(output, state)
        if not chosen.any():
            return Allocation.empty()
        return actions.allocation(output, state, chosen)
