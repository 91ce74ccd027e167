"""Where the learner's random numbers come from."""

from typing import Protocol

import numpy as np


class Streams(Protocol):
    """Independent generators by name and index; equal names and indices give equal numbers, in any order.

    The learner draws from nothing else. Names: ``lora`` (matrix), ``head`` (device; none where all start equal),
    ``split``, ``partition`` (device, where shares overlap), ``minibatch`` (device, round), ``test``.
    """

    def __call__(self, name: str, /, *indices: int) -> np.random.Generator:
        """Return a fresh generator at the start of its stream."""
