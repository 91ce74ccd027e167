"""Agents as files: a multilayer perceptron in ``agent.json`` and ``model.safetensors``.

Both files are data of unknown origin: their sizes and shapes are checked, and no code is in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import Field
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from coupling.files import documents
from coupling.gym.actions import ActionKind
from coupling.gym.fields import FIELDS
from coupling.scenario.errors import first_line, os_error_text, shown, unknown

FACTS: Final = "agent.json"
WEIGHTS: Final = "model.safetensors"
MAXIMUM_BYTES: Final = 256 * 2**20
"""Size of the largest file of weights that is read."""

Activation = Literal["tanh", "relu"]


class AgentError(ValueError):
    """A directory holds no agent that can be used; the text is one line."""


@final
class AgentFacts(documents.Document):
    """Content of ``agent.json``: the form of the agent's input and output."""

    format: Literal["airtune-agent-1"]
    action: ActionKind
    devices: Annotated[int, Field(ge=1, le=10**6)]
    fields: Annotated[list[str], Field(max_length=64)]
    layers: Annotated[int, Field(ge=1, le=64)]
    activation: Activation


@final
@dataclass(frozen=True, eq=False)
class Agent:
    """Agent: a multilayer perceptron from a ``box`` observation to an action.

    The last layer gives, for ``count``, K + 1 numbers of which the largest is the choice; for
    ``subset`` and ``scores``, one number per device, which takes part if it is above zero; for
    ``shares``, one share of the band per device, from 0 to 1.
    """

    action: ActionKind
    devices: int
    """Number of devices K."""
    fields: tuple[str, ...]
    """Observed fields."""
    weights: tuple[Float[ndarray, "out in"], ...]
    """Matrices of the layers, in the order of their use."""
    biases: tuple[Float[ndarray, " out"], ...]
    activation: Activation = "tanh"
    """Function between two layers."""

    @property
    def outputs(self) -> int:
        """Number of outputs that the kind of action needs."""
        return self.devices + (self.action == "count")

    @property
    def inputs(self) -> int:
        """Length of the ``box`` observation of the fields, with its action mask."""
        known = [FIELDS[name] for name in dict.fromkeys(("round", "zeta", *self.fields))]
        cell = sum(field.of == "cell" for field in known)
        return cell + (len(known) - cell) * self.devices + self.outputs

    def output(self, observation: Float[ndarray, " size"]) -> Float[ndarray, " outputs"]:
        """Return the output for a ``box`` observation, in float64."""
        value = np.asarray(observation, float)
        last = len(self.weights) - 1
        for place, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            # One row at a time: the order of the sums does not depend on the number of threads.
            value = np.einsum("oi,i->o", weight, value) + bias
            if place < last:
                value = np.tanh(value) if self.activation == "tanh" else np.maximum(value, 0.0)
        return value


def save_agent(folder: str | Path, agent: Agent) -> Path:
    """Write an agent into a directory, and return the directory.

    Raises:
        AgentError: the shapes of its layers do not fit.
    """
    if problem := _problem(agent):
        raise AgentError(f"the agent cannot be saved: {problem}")
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    facts = AgentFacts(
        format="airtune-agent-1",
        action=agent.action,
        devices=agent.devices,
        fields=list(agent.fields),
        layers=len(agent.weights),
        activation=agent.activation,
    )
    arrays = {}
    for place, (weight, bias) in enumerate(zip(agent.weights, agent.biases, strict=True)):
        arrays[f"{place}.weight"] = np.ascontiguousarray(weight, np.float32)
        arrays[f"{place}.bias"] = np.ascontiguousarray(bias, np.float32)
    (path / FACTS).write_text(facts.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (path / WEIGHTS).write_bytes(safetensors.save(arrays))
    return path


def load_agent(folder: str | Path) -> Agent:
    """Return the agent of a directory.

    Raises:
        AgentError: there is none, or a file of it is damaged; one line.
    """
    path = Path(folder)
    try:
        facts = documents.read_document(path / FACTS, AgentFacts)
    except documents.DocumentError as error:
        raise AgentError(f"{path / FACTS}: {error}") from None
    try:
        arrays = safetensors.load(documents.read_bytes(path / WEIGHTS, MAXIMUM_BYTES))
    except OSError as error:
        raise AgentError(f"{path / WEIGHTS}: {os_error_text(error)}") from None
    except documents.DocumentError as error:
        raise AgentError(f"{path / WEIGHTS}: {error}") from None
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = shown(first_line(error))
        raise AgentError(f"{path / WEIGHTS}: is no file of weights: {reason}") from None
    names = {f"{place}.{part}" for place in range(facts.layers) for part in ("weight", "bias")}
    if set(arrays) != names or any(array.dtype != np.float32 for array in arrays.values()):
        raise AgentError(
            f"{path / WEIGHTS}: does not have {facts.layers} layers of float32, "
            "'0.weight', '0.bias' and so on"
        )
    agent = Agent(
        facts.action,
        facts.devices,
        tuple(facts.fields),
        weights=tuple(arrays[f"{place}.weight"].astype(float) for place in range(facts.layers)),
        biases=tuple(arrays[f"{place}.bias"].astype(float) for place in range(facts.layers)),
        activation=facts.activation,
    )
    if problem := _problem(agent):
        raise AgentError(f"{path}: {problem}")
    return agent


def agent_of(model: Any, environment: Any) -> Agent:
    """Return the agent of a PPO or A2C model with ``MlpPolicy``, trained on ``box`` observations.

    ``environment`` is the ``SchedulingEnv`` in which it was trained.

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


def _problem(agent: Agent) -> str | None:
    """Return the first reason why an agent cannot be used; None if there is none."""
    for name in agent.fields:
        if name not in FIELDS:
            return unknown("fields", name, list(FIELDS))
    width = agent.inputs
    for place, (weight, bias) in enumerate(zip(agent.weights, agent.biases, strict=True)):
        if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
            return (
                f"layer {place} has the shapes {_shapes(weight, bias)}, which do not take "
                f"{width} numbers"
            )
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            return f"layer {place} has a weight that is not finite"
        width = len(bias)
    if width != agent.outputs:
        return f"the last layer has {width} outputs; action {agent.action!r} needs {agent.outputs}"
    return None


def _shapes(*arrays: Float[ndarray, "..."]) -> str:
    return " and ".join(str(_plain(array.shape)) for array in arrays)


def _plain(shape: Sequence[int]) -> list[int]:
    return list(shape)
