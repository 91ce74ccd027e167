"""Episodes: one world of a scenario, advanced by actions, with the optimum in every step."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Shaped
from numpy import ndarray

from coupling.gym.actions import ACTIONS, Actions
from coupling.gym.optimum import Optimum, optimum, predicted_objective
from coupling.gym.rewards import Reward
from coupling.scenario import bundled
from coupling.scenario.errors import ScenarioError, unknown
from coupling.scenario.scenario import Scenario
from coupling.simulation.simulation import Simulation
from netsim.scheduling import Allocation, RoundRecord, RoundState

FIRST_TRAINING_SEED = 10_000
"""Worlds with smaller seeds are held out: ``reset()`` without a seed draws none of them."""
LAST_TRAINING_SEED = 2**31


def load_scenario(
    scenario: Scenario | str | Path, overrides: Mapping[str, object] | None = None
) -> Scenario:
    """Return a scenario, the one of a file, or a bundled one by its name, with overrides.

    Raises:
        ScenarioError: there is no such scenario, or it is not valid.
    """
    if isinstance(scenario, Scenario):
        return scenario.with_overrides(overrides) if overrides else scenario
    path = Path(scenario)
    found = None if path.is_file() else bundled.find(str(scenario))
    return Scenario.load(found or path, overrides)


def actions_of(kind: str) -> Actions:
    """Return the actions of a kind.

    Raises:
        ScenarioError: an unknown kind.
    """
    if kind not in ACTIONS:
        raise ScenarioError(unknown("action", kind, list(ACTIONS)))
    return ACTIONS[kind]


@final
@dataclass(frozen=True)
class Decision:
    """Allocation of an action, and the optimum of the state that it answers."""

    allocation: Allocation
    optimum: Optimum
    objective: float
    """J of the allocation at the uplink delay that the state predicts."""


@final
@dataclass(frozen=True)
class Transition:
    """Outcome of one step of an episode."""

    state: RoundState
    """State of the next decision; after the last round, the one that would follow."""
    reward: float
    truncated: bool
    """Whether the last round of the scenario is over."""
    info: dict[str, Any]
    record: RoundRecord


@final
class Episode:
    """One run of a scenario in the world of a seed, whose decisions come from outside.

    Raises:
        ScenarioError: the model, the data or a file of the scenario cannot be had.
    """

    def __init__(self, scenario: Scenario, seed: int, reward: Reward, *, learning: bool) -> None:
        self.scenario = scenario.model_copy(update={"seed": seed})
        self.simulation = Simulation(self.scenario, learning=learning)
        self.simulation.policy_name = "action"
        self._reward = reward
        reward.begin(self.scenario)
        self._time_s = 0.0
        self.state = self._next_state()
        """State that the next action answers."""
        self.record: RoundRecord | None = None
        """Record of the last round; None before the first."""

    def chosen(self, actions: Actions, action: Shaped[ndarray, "..."]) -> Bool[ndarray, " n"]:
        """Return the mask of the offered devices that an action lets take part."""
        if not len(self.state.device):
            return np.zeros(0, bool)
        return actions.chosen(action, self.state)

    def decide(self, actions: Actions, action: Shaped[ndarray, "..."]) -> Decision:
        """Return the decision of an action.

        If the action chooses the devices of the optimum and the solver shares out the band, its
        allocation is that of the optimum, to the last bit.
        """
        state = self.state
        objective = self.scenario.scheduler.objective
        best = optimum(state, objective)
        chosen = self.chosen(actions, action)
        if actions.band == "solved" and best.is_set(state, chosen):
            return Decision(best.allocation, best, best.objective)
        if not chosen.any():
            allocation = Allocation.empty()
        else:
            allocation = actions.allocation(action, state, chosen)
        return Decision(allocation, best, predicted_objective(allocation, state, objective))

    def advance(self, decision: Decision) -> Transition:
        """Carry a decision out.

        Raises:
            RunError: a loss or another number is no longer finite; names the round.
        """
        record = self.simulation.step(decision.allocation)
        self.record = record
        best = decision.optimum
        info = {
            "objective": decision.objective,
            "optimum_objective": best.objective,
            "optimum_scheduled": best.scheduled,
            "gap": best.objective - decision.objective,
            "scheduled": len(record.scheduled),
            "arrived": int(np.count_nonzero(record.arrived)),
            "delay_s": record.delay_s,
            "energy_j": record.energy_j,
            "time_s": record.time_s,
        }
        reward = self._reward.of(record)
        truncated = self.simulation.ended
        self.state = self._next_state()
        return Transition(self.state, reward, truncated, info, record)

    def _next_state(self) -> RoundState:
        state = self.simulation.observe(after_end=True)
        assert state is not None, "there is a state after the end, too"
        return state
