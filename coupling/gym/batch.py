"""Decisions of many episodes in one call of the batched solver."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from coupling.gym.actions import Actions
from coupling.gym.episodes import Decision, Episode
from coupling.gym.optimum import Optimum, predicted_objective
from netsim.scheduling import Allocation, RoundState, batch
from netsim.scheduling.batch import AllocationBatch, StateBatch
from netsim.scheduling.round_state import largest_first


def decide_together(
    episodes: Sequence[Episode], actions: Actions, chosen_by: Shaped[ndarray, "..."]
) -> list[Decision]:
    """Return the decisions of the actions ``chosen_by`` in episodes of one scenario.

    They are those of ``Episode.decide``, except for the rounding of delays and bandwidths.
    """
    objective = episodes[0].scenario.scheduler.objective
    count = episodes[0].scenario.devices.count
    states = StateBatch.padded([episode.state for episode in episodes], count)
    best = batch.exact(states, objective)
    optima = [_optimum(episode, best, world) for world, episode in enumerate(episodes)]
    masks = [
        episode.chosen(actions, action) for episode, action in zip(episodes, chosen_by, strict=True)
    ]
    solved = None
    if actions.band == "solved":
        wanted = np.zeros(states.present.shape, bool)
        for world, (episode, mask) in enumerate(zip(episodes, masks, strict=True)):
            if not optima[world].is_set(episode.state, mask):
                wanted[world, episode.state.device[mask]] = True
        solved = batch.min_delay(states, wanted)
    decisions = []
    for world, (episode, mask) in enumerate(zip(episodes, masks, strict=True)):
        if not mask.any():
            allocation = Allocation.empty()
        elif solved is None:
            allocation = actions.allocation(chosen_by[world], episode.state, mask)
        elif optima[world].is_set(episode.state, mask):
            decisions.append(
                Decision(optima[world].allocation, optima[world], optima[world].objective)
            )
            continue
        else:
            allocation = _allocation(episode.state, solved, world)
        value = predicted_objective(allocation, episode.state, objective)
        decisions.append(Decision(allocation, optima[world], value))
    return decisions


def _optimum(episode: Episode, best: AllocationBatch, world: int) -> Optimum:
    allocation = _allocation(episode.state, best, world)
    objective = episode.scenario.scheduler.objective
    return Optimum(allocation, predicted_objective(allocation, episode.state, objective))


def _allocation(state: RoundState, solved: AllocationBatch, world: int) -> Allocation:
    """Return the allocation of one world, strongest device first."""
    position = np.flatnonzero(solved.scheduled[world, state.device])
    if not position.size:
        return Allocation.empty()
    position = position[largest_first(state.gain[position])]
    return Allocation.of(
        state,
        position,
        bandwidth_hz=solved.bandwidth_hz[world, state.device[position]],
        delay_s=float(solved.delay_s[world]),
    )
