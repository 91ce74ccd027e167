"""Registry of aggregators: ``learner.lora.aggregation`` to an object."""

from collections.abc import Callable
from importlib import import_module
from typing import Final

from learner.aggregation.base import Aggregator, Weighting
from learner.aggregation.mean import MeanAggregator
from learner.errors import LearnerInputError
from learner.settings import LearnerSettings

AGGREGATORS: Final[dict[str, Callable[[Weighting], Aggregator]]] = {"factors": MeanAggregator}


def create(kind: str, weighting: Weighting = "uniform") -> Aggregator:
    """Return an aggregator: a built-in one, or that of ``package.module:Class``.

    Raises:
        ValueError: there is no such aggregator; the text is one line.
    """
    maker = AGGREGATORS.get(kind) or _class(kind)
    try:
        return maker(weighting)
    except TypeError as error:
        raise ValueError(f"aggregator '{kind}' cannot be created: {error}") from None


def build_aggregator(settings: LearnerSettings) -> Aggregator:
    """Return the aggregator that a ``[learner]`` table asks for.

    Raises:
        LearnerInputError: there is no such aggregator.
    """
    try:
        return create(settings.lora.aggregation, settings.weights)
    except ValueError as error:
        raise LearnerInputError("learner.lora.aggregation", str(error)) from None


def _class(kind: str) -> type[Aggregator]:
    module, _, name = kind.partition(":")
    try:
        member = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"aggregator '{kind}' cannot be imported: {error}") from None
    if isinstance(member, type) and issubclass(member, Aggregator):
        return member
    raise ValueError(f"aggregator '{kind}' is not a subclass of learner.aggregation.Aggregator")
