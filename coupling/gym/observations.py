"""Observations: the fields of a round state as named arrays, or as one normalised vector."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from coupling.gym.fields import ALWAYS, DEFAULT, FIELDS, MISSING, ObservedField
from coupling.scenario.errors import ScenarioError, unknown
from netsim.scheduling import Objective, RoundState

Form: TypeAlias = Literal["dict", "box"]


@final
class Observer:
    """Observer of K devices: it makes observations with chosen fields from round states.

    A vector has the fields of the cell, then K entries per field of the devices, then the action
    mask. ``round`` and ``zeta`` are always among the fields.

    Raises:
        ScenarioError: an unknown field.
    """

    def __init__(self, count: int, objective: Objective, fields: Sequence[str] = DEFAULT) -> None:
        for name in fields:
            if name not in FIELDS:
                raise ScenarioError(unknown("fields", name, list(FIELDS)))
        self.count = count
        self.objective = objective
        chosen = {name: FIELDS[name] for name in dict.fromkeys((*ALWAYS, *fields))}
        self.cell = {name: field for name, field in chosen.items() if field.of == "cell"}
        self.device = {name: field for name, field in chosen.items() if field.of == "device"}
        self.fields: dict[str, ObservedField] = self.cell | self.device

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields, those of the cell first."""
        return tuple(self.fields)

    def size(self, mask: int) -> int:
        """Return the length of a vector with an action mask of ``mask`` entries."""
        return len(self.cell) + len(self.device) * self.count + mask

    def arrays(self, state: RoundState) -> dict[str, Float[ndarray, "..."]]:
        """Return the fields by name, in their units; those of devices are padded to K."""
        arrays = {name: field.natural(state, self.objective) for name, field in self.cell.items()}
        for name, field in self.device.items():
            arrays[name] = self._padded(name, state, field.natural(state, self.objective))
        return arrays

    def vector(self, state: RoundState, mask: Int[ndarray, " m"]) -> Float[ndarray, " size"]:
        """Return the normalised vector: fields and action mask, each within -1 to 1."""
        parts = [field.normalised(state, self.objective) for field in self.cell.values()]
        parts += [
            self._padded(name, state, field.normalised(state, self.objective))
            for name, field in self.device.items()
        ]
        return np.concatenate([*parts, mask > 0]).astype(np.float32)

    def per_device(self, state: RoundState) -> Float[ndarray, "K fields"]:
        """Return one normalised vector per device: the fields of the cell, then its own."""
        cell = [field.normalised(state, self.objective) for field in self.cell.values()]
        rows = np.tile(np.concatenate(cell), (self.count, 1))
        own = [
            self._padded(name, state, field.normalised(state, self.objective))
            for name, field in self.device.items()
        ]
        return np.column_stack([rows, *own]).astype(np.float32)

    def _padded(
        self, name: str, state: RoundState, values: Float[ndarray, " n"]
    ) -> Float[ndarray, " K"]:
        """Return the values of the offered devices at their places among all K devices.

        Ranked values belong to no device and come first.
        """
        padded = np.full(self.count, MISSING)
        if name.startswith("ranked_"):
            padded[: len(values)] = values
        else:
            padded[state.device] = values
        return padded
