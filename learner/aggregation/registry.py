"""Registry of aggregators: ``learner.lora.aggregation`` to an object."""

from importlib import import_module

from learner.aggregation.base import Aggregator, Weighting
from learner.errors import LearnerInputError
from learner.settings.learner import AGGREGATORS, LearnerSettings
from learner.settings.plugins import Load, load_class


def create(
    kind: str, weighting: Weighting = "uniform", *, load: Load = import_module
) -> Aggregator:
    """Return an aggregator: a built-in one, or that of ``package.module:Class``.

    Raises:
        ValueError: there is no such aggregator; the text is one line.
    """
    place, finder = (AGGREGATORS[kind], import_module) if kind in AGGREGATORS else (kind, load)
    try:
        maker = load_class(place, Aggregator, load=finder)  # type: ignore[type-abstract]
    except ValueError as error:
        raise ValueError(f"aggregator {error}") from None
    try:
        return maker(weighting)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (a plug-in may raise anything)
        raise ValueError(f"aggregator '{kind}' cannot be created: {error}") from None


def build_aggregator(settings: LearnerSettings, *, load: Load = import_module) -> Aggregator:
    """Return the aggregator that a ``[learner]`` table asks for.

    Raises:
        LearnerInputError: there is no such aggregator.
    """
    try:
        return create(settings.lora.aggregation, settings.weights, load=load)
    except ValueError as error:
        raise LearnerInputError("learner.lora.aggregation", str(error)) from None
