"""Random-number factory of the learner."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

RngFactory: TypeAlias = Callable[..., np.random.Generator]
"""``rng(name, *indices)``: a new generator at the start of the stream of that name and indices.

Equal names and indices give equal numbers, in any order of calls. The learner has no other source
of random numbers. Names: ``lora`` (matrix), ``head`` (device; none where all start equal), ``split``,
``partition`` (device, where shares overlap), ``minibatch`` (device, round), ``server_minibatch``
(round), ``test``.
"""
