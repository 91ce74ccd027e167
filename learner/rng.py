"""Where the learner's random numbers come from."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

RngFactory: TypeAlias = Callable[..., np.random.Generator]
"""``rng(name, *indices)``, a fresh generator at the start of the stream of that name and those
indices.

Equal names and indices give equal numbers, in any order of calls; the learner draws from nothing
else. Names: ``lora`` (matrix), ``head`` (device; none where all start equal), ``split``,
``partition`` (device, where shares overlap), ``minibatch`` (device, round), ``server_minibatch``
(round), ``test``.
"""
