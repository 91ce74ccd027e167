"""Agents trained by Stable-Baselines3, taken out of their models."""

from typing import Any

import numpy as np

from coupling.gym.agents import Activation, Agent, AgentError
from coupling.gym.environment import SchedulingEnv


def agent_of(model: Any, environment: SchedulingEnv) -> Agent:
    """Return the agent of a PPO or A2C model with ``MlpPolicy``, trained on ``box`` observations.

    Raises:
        AgentError: the model has other layers than those of ``MlpPolicy``, or other observations.
    """
    actor = getattr(model.policy, "mlp_extractor", None)
    head = getattr(model.policy, "action_net", None)
    if environment.form != "box" or actor is None or head is None:
        raise AgentError("an agent needs MlpPolicy of PPO or A2C, and observation='box'")
    hidden = list(actor.policy_net)
    linear = [layer for layer in hidden if hasattr(layer, "weight")]
    names = {type(layer).__name__ for layer in hidden if not hasattr(layer, "weight")}
    if not names <= {"Tanh"} and not names <= {"ReLU"}:
        raise AgentError(f"activations {', '.join(sorted(names))} are not Tanh or ReLU alone")
    activation: Activation = "relu" if names == {"ReLU"} else "tanh"
    layers = [*linear, head]
    return Agent(
        environment.action,
        environment.observer.count,
        environment.observer.names,
        weights=tuple(np.array(layer.weight.detach().cpu(), float) for layer in layers),
        biases=tuple(np.array(layer.bias.detach().cpu(), float) for layer in layers),
        activation=activation,
    )
