"""Registration of the environment under the name by which Gymnasium makes it."""

from typing import Final

# Gymnasium loads its entry points while it is imported, and has no other name of its own then.
from gymnasium.envs import registration

SINGLE: Final = "airtune/Scheduling-v0"


def register_environments() -> None:
    """Register ``airtune/Scheduling-v0``, once; Gymnasium calls it by its entry point.

    PettingZoo has no registry: ``airtune/Scheduling-Parallel-v0`` is ``SchedulingParallelEnv``.
    """
    if SINGLE in registration.registry:
        return
    # While an entry point is loaded, Gymnasium adds the namespace itself.
    name = SINGLE.rpartition("/")[2] if registration.current_namespace else SINGLE
    registration.register(
        id=name,
        entry_point="coupling.gym.environment:SchedulingEnv",
        vector_entry_point="coupling.gym.vector:SchedulingVectorEnv",
    )
