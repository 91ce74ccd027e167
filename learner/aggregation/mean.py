"""Weighted mean of the updates of both low-rank factors (FedAvg; McMahan et al., 2017)."""

from collections.abc import Sequence
from typing import final

from jaxtyping import Float, Int
from numpy import ndarray
from typing_extensions import override

from learner.aggregation.base import LinearAggregator
from learner.job import Job


@final
class MeanAggregator(LinearAggregator):
    """Mean of the updates of A and of B, each factor by itself.

    With ``uniform`` all devices weigh the same, (4) of Wang et al. (2025); with ``samples`` a
    device weighs as its number of training samples. Left out: staleness. The mean of the factors
    is not the factorisation of the mean product B A.
    """

    @override
    def weights(self, jobs: Sequence[Job], staleness: Int[ndarray, " N"]) -> Float[ndarray, " N"]:
        return self.base_weights(jobs)
