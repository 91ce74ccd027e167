"""Registry of aggregators: ``learner.lora.aggregation`` to an object."""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from learner.aggregation.base import Aggregator, Weighting
from learner.errors import LearnerInputError
from learner.settings.learner import AGGREGATORS, LearnerSettings

Load = Callable[[str], ModuleType]
"""Import of a module by its dotted name."""


def create(
    kind: str, weighting: Weighting = "uniform", *, load: Load = import_module
) -> Aggregator:
    """Return an aggregator: a built-in one, or that of ``package.module:Class``.

    Raises:
        ValueError: there is no such aggregator; the text is one line.
    """
    maker = _class(AGGREGATORS[kind]) if kind in AGGREGATORS else _class(kind, load)
    try:
        return maker(weighting)
    except TypeError as error:
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


def _class(kind: str, load: Load = import_module) -> type[Aggregator]:
    module, _, name = kind.partition(":")
    try:
        member = getattr(load(module), name)
    except Exception as error:  # noqa: BLE001 (a plug-in may raise anything)
        text = " ".join(f"{error}".split()) or type(error).__name__
        raise ValueError(f"aggregator '{kind}' cannot be imported: {text}") from None
    if isinstance(member, type) and issubclass(member, Aggregator):
        return member
    raise ValueError(f"aggregator '{kind}' is not a subclass of learner.aggregation.Aggregator")
