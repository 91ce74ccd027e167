"""Learned schedulers: the environments, rewards and trained agents of ``coupling.gym``.

It forwards and decides nothing. ``import airtune.gym`` registers ``airtune/Scheduling-v0`` with
Gymnasium, as the entry point of the installed package does; it needs the extra ``rl``.
``TrainedPolicy`` needs neither Gymnasium nor PyTorch.
"""

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from coupling.gym.agents import Agent, agent_of, load_agent, save_agent
    from coupling.gym.environment import SchedulingEnv
    from coupling.gym.fields import FIELDS
    from coupling.gym.parallel import SchedulingParallelEnv
    from coupling.gym.rewards import BoundReward, Reward
    from coupling.gym.trained_policy import TrainedPolicy
    from coupling.gym.vector import SchedulingVectorEnv

_MODULES: Final = {
    "Agent": "agents",
    "BoundReward": "rewards",
    "FIELDS": "fields",
    "Reward": "rewards",
    "SchedulingEnv": "environment",
    "SchedulingParallelEnv": "parallel",
    "SchedulingVectorEnv": "vector",
    "TrainedPolicy": "trained_policy",
    "agent_of": "agents",
    "load_agent": "agents",
    "save_agent": "agents",
}

__all__ = [
    "FIELDS",
    "Agent",
    "BoundReward",
    "Reward",
    "SchedulingEnv",
    "SchedulingParallelEnv",
    "SchedulingVectorEnv",
    "TrainedPolicy",
    "agent_of",
    "load_agent",
    "register_environments",
    "save_agent",
]


def register_environments() -> None:
    """Register ``airtune/Scheduling-v0`` with Gymnasium.

    Raises:
        ImportError: Gymnasium is not installed.
    """
    from coupling.gym.registration import register_environments as register

    register()


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"coupling.gym.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("gymnasium", "pettingzoo"):
            raise
        raise ImportError(
            f"airtune.gym.{name} needs {error.name}: pip install 'airtune[rl]'"
        ) from None


with suppress(ModuleNotFoundError):  # Gymnasium may be absent
    register_environments()
