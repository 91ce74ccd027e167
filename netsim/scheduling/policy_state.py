"""Memory of policies: its form in checkpoints, and the detection of memory that is not saved."""

import random
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import Enum
from functools import cached_property
from hashlib import blake2b
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from netsim.scheduling.base import Policy

JsonValue: TypeAlias = bool | int | float | str | None
PolicyArray: TypeAlias = Shaped[ndarray, "..."]

_SAVED_DTYPES: Final = frozenset(
    map(np.dtype, ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"))
)
"""Types of arrays that are saved: bool, integer and float."""
_RESERVED_KEY: Final = "__metadata__"
"""Key that the file format of the arrays keeps for itself."""

_CONTAINERS: Final = (dict, set, frozenset, list, tuple, deque)


class PolicyStateError(ValueError):
    """The state of a policy contains a value that a checkpoint cannot hold."""


def has_memory(policy: Policy) -> bool:
    """Return whether a policy saves its memory: its class overrides ``state_dict``."""
    return type(policy).state_dict is not Policy.state_dict


def pack(state: Mapping[str, Any]) -> tuple[dict[str, PolicyArray], dict[str, JsonValue]]:
    """Return the arrays and the JSON values of a policy's state.

    NumPy scalars become Python numbers. The arrays are copies.

    Raises:
        PolicyStateError: a key that is no string, or a value of another type.
    """
    arrays: dict[str, PolicyArray] = {}
    values: dict[str, JsonValue] = {}
    for key, value in state.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if not isinstance(key, str):
            raise PolicyStateError(f"state_dict() has the key {key!r}; keys must be strings")
        if key == _RESERVED_KEY or not key.isprintable():
            raise PolicyStateError(f"state_dict() has the key {key!r}; use another name")
        if isinstance(plain, ndarray) and plain.dtype in _SAVED_DTYPES:
            arrays[key] = plain.copy()
        elif plain is None or type(plain) in (bool, int, float, str):
            values[key] = plain
        else:
            raise PolicyStateError(
                f"state_dict()[{key!r}] is {_type_text(value)}; "
                "use an array of integers, floats or bools, a number, a string, a bool or None"
            )
    return arrays, values


def unpack(arrays: Mapping[str, PolicyArray], values: Mapping[str, JsonValue]) -> dict[str, Any]:
    """Return the state of a policy from its arrays and its JSON values."""
    return {**values, **arrays}


def fingerprint(policy: object) -> bytes:
    """Return a digest of the attributes of a policy, or another plug-in, and their content.

    Two digests of one object differ if an attribute changed in between. Caches of
    ``functools.cached_property`` do not count: they are functions of the other attributes. Objects
    without readable content count by their type alone.
    """
    return _digest(policy)


def _type_text(value: object) -> str:
    """Return the type of a value for a message."""
    if isinstance(value, ndarray):
        return f"an array of dtype {value.dtype}"
    return f"of type {type(value).__name__}"


def _digest(root: object) -> bytes:
    """Return a digest of a graph of objects, visited in depth-first order."""
    digest = blake2b(digest_size=16)
    visited: dict[int, int] = {}
    alive = []
    pending = [root]
    while pending:
        value = pending.pop()
        leaf = _leaf(value)
        if leaf is not None:
            digest.update(_framed(leaf))
            continue
        if id(value) in visited:
            digest.update(_framed(b"visited %d" % visited[id(value)]))
            continue
        visited[id(value)] = len(visited)
        # An object that is made on the way must live on, or its id could serve another one.
        alive.append(value)
        parts = list(_parts(value))
        digest.update(_framed(f"{_qualified_name(type(value))} {len(parts)}".encode()))
        pending.extend(reversed(parts))
    return digest.digest()


def _framed(content: bytes) -> bytes:
    """Return content with its length in front, so that joined pieces stay distinct."""
    return len(content).to_bytes(8, "little") + content


def _leaf(value: object) -> bytes | None:
    """Return the content of a value without parts, None if the value has parts."""
    kind = type(value)
    if value is None or kind in (bool, int, float, complex, str, bytes):
        return f"{kind.__name__} {value!r}".encode("utf-8", "surrogatepass")
    if isinstance(value, ndarray) and not value.dtype.hasobject and kind is ndarray:
        head = f"array {value.dtype.str} {value.shape} ".encode()
        return head + np.ascontiguousarray(value).tobytes()
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        return f"scalar {value.dtype.str} ".encode() + value.tobytes()
    if isinstance(value, (type, BuiltinFunctionType, ModuleType)):
        return f"name {_qualified_name(value)}".encode()
    if isinstance(value, Enum):
        return f"member {_qualified_name(kind)}.{value.name}".encode()
    if isinstance(value, PurePath):  # its attributes are caches
        return f"path {value}".encode("utf-8", "surrogateescape")
    return None


def _parts(value: object) -> Iterator[object]:
    """Yield the values inside a container or an object, in a fixed order."""
    if isinstance(value, np.random.Generator):
        yield value.bit_generator.state
    elif isinstance(value, (np.random.BitGenerator, random.Random, np.random.RandomState)):
        yield _generator_state(value)
    elif isinstance(value, FunctionType):
        yield _qualified_name(value)
        for cell in value.__closure__ or ():
            with suppress(ValueError):  # a cell may be empty
                yield cell.cell_contents
    elif isinstance(value, MethodType):
        yield value.__func__
        yield value.__self__
    elif isinstance(value, ndarray):
        yield value.tolist()
    else:
        yield from _object_parts(value)


def _generator_state(
    value: np.random.BitGenerator | np.random.RandomState | random.Random,
) -> object:
    """Return the state of a random number generator."""
    if isinstance(value, np.random.BitGenerator):
        return value.state
    return value.get_state() if isinstance(value, np.random.RandomState) else value.getstate()


def _object_parts(value: object) -> Iterator[object]:
    """Yield the elements of a container, then the attributes of any object."""
    if isinstance(value, dict):
        yield from (part for item in value.items() for part in item)
    elif isinstance(value, (set, frozenset)):
        yield from sorted(_digest(element) for element in value)
    elif isinstance(value, (list, tuple, deque)):
        yield from value
    attributes = list(_attributes(value))
    yield from (part for attribute in attributes for part in attribute)
    if not attributes and not isinstance(value, _CONTAINERS):
        yield from _reduced_parts(value)


def _attributes(value: object) -> Iterator[tuple[str, object]]:
    """Yield the attributes of an object, of its ``__dict__`` and its slots, without caches."""
    kind = type(value)
    for name, attribute in getattr(value, "__dict__", {}).items():
        if not isinstance(getattr(kind, name, None), cached_property):
            yield name, attribute
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            stored = f"_{base.__name__.lstrip('_')}{name}" if _is_private(name) else name
            if name not in ("__dict__", "__weakref__") and hasattr(value, stored):
                yield name, getattr(value, stored)


def _is_private(name: str) -> bool:
    """Return whether Python mangles the name of an attribute."""
    return name.startswith("__") and not name.endswith("__")


def _reduced_parts(value: object) -> Iterator[object]:
    """Yield the content of an object as copying it would take it; none if it cannot be copied."""
    try:
        reduced = value.__reduce_ex__(4)
    except Exception:  # noqa: BLE001 (foreign code may raise anything)
        return
    if isinstance(reduced, str):
        yield reduced
        return
    _, arguments, *rest = reduced
    yield arguments
    for part in rest:
        # Elements come as iterators: a deque has them in the fourth place.
        yield list(part) if isinstance(part, Iterator) else part


def _qualified_name(value: object) -> str:
    """Return the name of a class, function or module; no address is part of it."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
    return f"{getattr(value, '__module__', '')}.{name}"
