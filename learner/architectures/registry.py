"""Architecture registry: that of a model type, built in, registered or a user's own class."""

from importlib import import_module
from typing import Final

from learner.architectures import ARCHITECTURES, SplitArchitecture
from learner.errors import LearnerInputError, one_line
from learner.settings.plugins import Load, installed, load_class

ENTRY_POINTS: Final = "airtune.architectures"
"""Entry-point group in which an installed package registers architectures by their model type."""


def create(
    model: str, model_type: str, own: str | None = None, *, load: Load = import_module
) -> SplitArchitecture:
    """Return the architecture of a model: ``own``, or else that of its type.

    A registered architecture never takes the place of a built-in one.

    Raises:
        LearnerInputError: there is none, or the class of the plug-in cannot be had.
    """
    if own is None and model_type in ARCHITECTURES:
        return ARCHITECTURES[model_type]
    registered = installed(ENTRY_POINTS)
    name = model_type if own is None else own
    if own is None and name not in registered:
        raise LearnerInputError(
            "learner.model",
            f"'{model}' is of the type {one_line(model_type, 80)}, for which airtune has no "
            f"architecture; known are: {', '.join([*ARCHITECTURES, *sorted(registered)])}; "
            "'airtune docs adding-a-model' shows how to add one",
        )
    try:
        return load_class(name, SplitArchitecture, load=load, group=ENTRY_POINTS)()  # type: ignore[type-abstract]
    except ValueError as error:
        raise LearnerInputError("learner.architecture", str(error)) from error
    except (Exception, SystemExit) as error:  # foreign code may raise anything
        problem = f"'{name}' cannot be created: {type(error).__name__}: {one_line(error)}"
        raise LearnerInputError("learner.architecture", problem) from error
