"""Random-number factory of the learner."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

SubsetFactory: TypeAlias = Callable[..., Int64[ndarray, "n size"]]
"""``subsets(population, size, name, *indices)``: the subsets that many streams choose, at once.

Row i has the numbers of ``rng(name, *indices[i]).choice(population[i], size, replace=False)`` in
another order.
"""

RngFactory: TypeAlias = Callable[..., np.random.Generator]
"""``rng(name, *indices)``: a new generator at the start of this stream.

Equal names and indices give equal numbers, in any order of calls. The learner has no other source
of random numbers. Names, with their indices: ``lora`` (matrix), ``head`` (device; no index where
all heads start equal), ``split``, ``sizes``, ``partition`` (device, for Dirichlet shares and shares
that overlap; no index for the other partitions), ``partition_pools`` and ``partition_order``,
``minibatch`` (device, round), ``server_minibatch`` (round), ``test``, ``panel_devices``, ``panel``
(device). A missing index counts as 0,
so no name is used with and without one in the same run.
"""
