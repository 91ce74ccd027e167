"""Spaces of Gymnasium for the kinds of actions and the forms of observations."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
from gymnasium import spaces
from jaxtyping import Int
from numpy import ndarray

from coupling.gym.actions import Actions, CountActions
from coupling.gym.fields import ObservedField
from coupling.gym.observations import Form, Observer
from netsim.scheduling import RoundState

Observation: TypeAlias = Any
"""An array, or arrays by name."""

_SPACES: Final[dict[str, Callable[[int, float], spaces.Space[Any]]]] = {
    "count": lambda count, _: spaces.Discrete(count + 1),
    "subset": lambda count, _: spaces.MultiBinary(count),
    "scores": lambda count, _: spaces.Box(-1.0, 1.0, (count,), np.float32),
    "shares": lambda count, band_hz: spaces.Box(0.0, band_hz, (count,), np.float64),
}


def action_space(kind: str, count: int, bandwidth_hz: float) -> spaces.Space[Any]:
    """Return the space of a kind of actions over ``count`` devices; shares are in Hz."""
    return _SPACES[kind](count, bandwidth_hz)


def observation_space(observer: Observer, actions: Actions, form: Form) -> spaces.Space[Any]:
    """Return the space of the observations of an observer, with the mask of the actions."""
    mask = observer.count + isinstance(actions, CountActions)
    if form == "box":
        return spaces.Box(-1.0, 1.0, (observer.size(mask),), np.float32)
    fields = {name: _box(field, observer.count) for name, field in observer.fields.items()}
    return spaces.Dict({**fields, "action_mask": spaces.Box(0, 2, (mask,), np.int8)})


def observation(
    observer: Observer, state: RoundState, mask: Int[ndarray, " m"], form: Form
) -> Observation:
    """Return the observation of a state."""
    if form == "box":
        return observer.vector(state, mask)
    return {**observer.arrays(state), "action_mask": mask}


def _box(field: ObservedField, count: int) -> spaces.Box:
    size = 1 if field.of == "cell" else count
    return spaces.Box(field.low, field.high, (size,), np.float64)
