"""Documents of a run: bounded reading of regular files, and the schemas that they must meet."""

import os
import stat
from pathlib import Path
from typing import Any, Final, TypeVar, final

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from coupling.scenario.errors import fault_text, first_line, os_error_text, shown

MAXIMUM_BYTES: Final = 8 * 2**20
"""Size of the largest document that is read: scenario, provenance, state or manifest."""
MAXIMUM_ROUNDS: Final = 10**9
MAXIMUM_PARTS: Final = 10**6
MAXIMUM_TEXT: Final = 2**16
"""Number of characters of the longest text of a document."""

Model = TypeVar("Model", bound=BaseModel)


class DocumentError(ValueError):
    """A document cannot be read or does not meet its schema; the text is the reason."""


@final
class NoJsonError(DocumentError):
    """A document is no JSON."""


class Document(BaseModel):
    """Content of a file that airtune reads from a run; no value is converted to another type."""

    model_config = ConfigDict(
        strict=True, frozen=True, allow_inf_nan=False, str_max_length=MAXIMUM_TEXT
    )


def read_bytes(path: Path, maximum: int = MAXIMUM_BYTES) -> bytes:
    """Return the content of a regular file; a pipe or a device is not waited for.

    Raises:
        OSError: the file cannot be read.
        DocumentError: it is no regular file, or larger than ``maximum`` bytes.
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise DocumentError("is no regular file")
        if status.st_size > maximum:
            raise DocumentError(f"has {status.st_size:,} bytes, more than {maximum:,}")
        # Reading allocates the number of bytes that it is asked for.
        return file.read(status.st_size)


def require_bounded(path: Path) -> None:
    """Make sure that a text is a regular file of bounded size, which another function reads.

    Raises:
        DocumentError: it is not.
    """
    try:
        size = require_regular(path)
    except OSError as error:
        raise DocumentError(f"cannot be read: {os_error_text(error)}") from None
    if size > MAXIMUM_BYTES:
        raise DocumentError(f"has {size:,} bytes, more than {MAXIMUM_BYTES:,}")


def require_regular(path: Path) -> int:
    """Return the size of a regular file, in bytes.

    Raises:
        OSError: it cannot be read.
        DocumentError: it is a folder, a pipe or a device.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DocumentError("is no regular file")
    return status.st_size


def read_document(path: Path, model: type[Model]) -> Model:
    """Return the content of a JSON file that meets a schema.

    Raises:
        DocumentError: it cannot be read, is no JSON, or does not meet the schema.
    """
    try:
        content = read_bytes(path)
    except OSError as error:
        raise DocumentError(os_error_text(error)) from None
    return parse_document(content, model)


def parse_document(content: bytes | str, model: type[Model]) -> Model:
    """Return the content of a JSON text that meets a schema.

    Raises:
        DocumentError: it is no JSON, or does not meet the schema.
    """
    try:
        return model.model_validate(parse_json(content))
    except ValidationError as error:
        raise DocumentError(_fault(error)) from None


def parse_json(content: bytes | str) -> Any:
    """Return the values of a JSON text; nesting and the length of numbers are bounded.

    Raises:
        NoJsonError: it is no JSON, as where a write was interrupted.
    """
    if len(content) > MAXIMUM_BYTES:
        raise DocumentError(f"has {len(content):,} bytes, more than {MAXIMUM_BYTES:,}")
    try:
        return from_json(content)
    except ValueError as error:
        raise NoJsonError(f"is no JSON: {shown(first_line(error))}") from None


def _fault(error: ValidationError) -> str:
    """Return the first fault of a document: its key and what is wrong."""
    detail = error.errors(include_url=False)[0]
    if detail["type"] == "model_type" and not detail["loc"]:
        return "is no table of keys"
    key = shown(".".join(map(str, detail["loc"])) or "the document")
    if detail["type"] == "value_error":
        return f"{key}: {shown(detail['ctx']['error'])}"
    return f"{key} {shown(fault_text(detail))}"
