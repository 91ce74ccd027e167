"""Calls of an aggregator by the executors, with its results checked."""

from collections.abc import Sequence, Set

import numpy as np

from learner.aggregation.base import AdapterModel, Aggregator, LinearAggregator, Update
from learner.errors import AggregatorError, one_line
from learner.job import Job


def arrived_weights(
    aggregator: LinearAggregator, jobs: Sequence[Job], arrived: Set[Job], round_number: int
) -> list[float]:
    """Return the relative weight of each job; 0 for jobs that did not arrive.

    Raises:
        AggregatorError: the aggregator fails, or a weight is negative or not finite.
    """
    counted = [job for job in jobs if job in arrived]
    if not counted:
        return [0.0] * len(jobs)
    staleness = np.array([round_number - job.round_number for job in counted])
    try:
        weights = np.asarray(aggregator.weights(counted, staleness), float)
    except (Exception, SystemExit) as error:
        raise _failure(aggregator, error) from error
    if weights.shape != (len(counted),) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise AggregatorError(
            f"{type(aggregator).__name__}.weights returned {weights.tolist()} for {len(counted)} "
            "updates; return one finite number of at least 0 per update"
        )
    weight_of = dict(zip(counted, weights.tolist(), strict=True))
    return [weight_of.get(job, 0.0) for job in jobs]


def apply_updates(
    aggregator: Aggregator,
    updates: Sequence[tuple[Job, Update]],
    round_number: int,
    model: AdapterModel,
) -> None:
    """Hand each arrived update to the aggregator and let it make the server's step.

    Without updates there is no step.

    Raises:
        AggregatorError: the aggregator fails, or its result is no update.
    """
    if not updates:
        return
    try:
        for job, update in updates:
            aggregator.add(job, update, round_number - job.round_number)
        aggregator.apply(model)
    except (Exception, SystemExit) as error:
        raise _failure(aggregator, error) from error


def _failure(aggregator: Aggregator, error: BaseException) -> AggregatorError:
    cause = f"{type(error).__name__}: " if not isinstance(error, AggregatorError) else ""
    return AggregatorError(f"{type(aggregator).__name__} failed: {cause}{one_line(error)}")
