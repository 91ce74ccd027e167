"""Mutations of documents, texts and bytes, drawn by a ``random.Random``.

Hypothesis and the long fuzz run share them: Hypothesis gives a generator that it can shrink.
"""

import copy
import json
import math
from collections.abc import Callable
from random import Random
from typing import Any

LONG = "x" * 150_000
RICH = "[red]red[/red] [/nothing] [link=http://example.org]x[/link]"
NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2, 3, 7, 13, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**12, 10**40),
    *(0.5, -0.0, 1e-320, 1e15, 1e308, -1e308, math.nan, math.inf, -math.inf),
)
TEXTS = (
    *("", "x", "8", "nan", "true", ".", "..", "/", "~", "*", "rounds", "finished", "running"),
    *("../../canary/victim.txt", "../canary", "/proc/self/mem", "/dev/zero", "/dev/stdin"),
    *("\x1b[2J\x1b[31m", "\x00", "\r", "\n\n", "\u202e", "\u2028", "\xa0", "\ud800", "\U0001f600"),
    *("nothing://u:secret@host/x", "file://victim", "http://127.0.0.1:9/x", "//host/share"),
    *(LONG, RICH, "<script>alert(1)</script>", "<!--<script>", "%s %d {0} {x}", "$x^2$"),
    *("extends", "kind", "path", "model", "small.toml", "moving.toml", "rounds/../rounds"),
    *("evil:Policy", "evil", ".evil:P", "os:system", "idlelib.idle:x", "a.b.c:D", "unittest:x"),
)
VALUES: tuple[Any, ...] = (
    *NUMBERS,
    *TEXTS,
    *(None, True, False, [], {}, [[]], [1, "x"], {"kind": "x"}, {"path": "/dev/zero"}, [0.0] * 3),
)
_DEEP = (10, 100, 1_000, 100_000)
_LARGEST = 2**25
"""Largest number of characters of a document; repeats of repeats would exhaust the memory."""


def document(random: Random, tables: Any) -> Any:
    """Return a document with one to three edits at random places."""
    changed = copy.deepcopy(tables)
    for _ in range(random.randint(1, 3)):
        edited = _edited(random, copy.deepcopy(changed))
        if _length(edited, {}) <= _LARGEST:
            changed = edited
    return changed


def _length(value: Any, known: dict[int, int]) -> int:
    """Return about the number of characters of a document, whose parts may be shared."""
    if not isinstance(value, dict | list):
        return len(value) if isinstance(value, str) else 8
    if id(value) not in known:
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 2 + sum(_length(part, known) for part in parts)
    return known[id(value)]


def json_text(random: Random, content: bytes) -> bytes:
    """Return a JSON text with edits of its values, and rarely of its bytes."""
    if random.random() < 0.3:
        return raw(random, content)
    changed = document(random, json.loads(content))
    text = json.dumps(changed, ensure_ascii=random.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")


def raw(random: Random, content: bytes) -> bytes:
    """Return bytes with one to three random edits."""
    for _ in range(random.randint(1, 3)):
        content = random.choice(_RAW)(random, content)
    return content


def _edited(random: Random, tables: Any) -> Any:
    """Return a document with one edit; the places above it are walked at random."""
    holders = _holders(tables)
    if not holders:
        return random.choice(VALUES)
    holder = random.choice(holders)
    key = random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    edit = random.choice(_EDITS)
    edit(random, holder, key)
    return tables


def _holders(tables: Any) -> list[Any]:
    """Return the tables and lists of a document that have entries."""
    found, waiting = [], [tables]
    while waiting:
        holder = waiting.pop()
        if isinstance(holder, dict | list) and holder:
            found.append(holder)
            waiting += holder.values() if isinstance(holder, dict) else holder
    return found


def _replace(random: Random, holder: Any, key: Any) -> None:
    holder[key] = copy.deepcopy(random.choice(VALUES))


def _number(random: Random, holder: Any, key: Any) -> None:
    """Replace a number by one near to it or far from it; any other value by a number."""
    value = holder[key]
    if isinstance(value, int | float) and not isinstance(value, bool):
        holder[key] = random.choice((value + 1, value - 1, -value, value * 1000, float(value)))
    else:
        holder[key] = random.choice(NUMBERS)


def _text(random: Random, holder: Any, key: Any) -> None:
    """Put a hostile text into a text; any other value becomes its text."""
    value = str(holder[key])
    place = random.randint(0, len(value))
    holder[key] = value[:place] + random.choice(TEXTS) + value[place:]


def _delete(random: Random, holder: Any, key: Any) -> None:
    del holder[key]


def _rename(random: Random, holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        holder[random.choice(TEXTS)] = holder.pop(key)
    else:
        holder.append(holder[key])


def _add(random: Random, holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        holder[random.choice(TEXTS)] = copy.deepcopy(random.choice(VALUES))
    else:
        holder.insert(key, copy.deepcopy(random.choice(VALUES)))


def _wrap(random: Random, holder: Any, key: Any) -> None:
    """Put a value into lists or tables of its own."""
    for _ in range(random.choice((1, 2, 50))):
        holder[key] = [holder[key]] if random.random() < 0.5 else {"x": holder[key]}


def _repeat(random: Random, holder: Any, key: Any) -> None:
    """Repeat a value, or give its table many keys."""
    count = random.choice((2, 100, 20_000))
    if isinstance(holder, dict) and random.random() < 0.5:
        holder |= dict.fromkeys((f"k{number}" for number in range(count)), 1)
    else:
        holder[key] = [holder[key]] * count


_Edit = Callable[[Random, Any, Any], None]
_EDITS: tuple[_Edit, ...] = (
    *(_replace, _replace, _replace, _number, _number, _text, _delete, _rename, _add, _wrap),
    _repeat,
)


def _flip(random: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 2, 8))):
        if changed:
            changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _truncate(random: Random, content: bytes) -> bytes:
    return content[: random.randint(0, len(content))]


def _cut(random: Random, content: bytes) -> bytes:
    place = random.randint(0, len(content))
    return content[:place] + content[place + random.choice((1, 4, 100)) :]


def _insert(random: Random, content: bytes) -> bytes:
    place = random.randint(0, len(content))
    more = random.choice(TEXTS).encode("utf-8", "surrogatepass")
    return content[:place] + more + content[place:]


def _twice(random: Random, content: bytes) -> bytes:
    return content * 2


def _integer(random: Random, content: bytes) -> bytes:
    """Overwrite four or eight bytes by a number that is often a bound."""
    width = random.choice((4, 8))
    place = random.randint(0, max(0, len(content) - width))
    number = random.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)) % 256**width
    return content[:place] + number.to_bytes(width, "little") + content[place + width :]


def _deep(random: Random, content: bytes) -> bytes:
    """Put a deeply nested value into a text."""
    depth = random.choice(_DEEP)
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"{a=", b"}")))
    place = random.choice((0, random.randint(0, len(content)), len(content)))
    return content[:place] + opening * depth + b"1" + closing * depth + content[place:]


def _digits(random: Random, content: bytes) -> bytes:
    """Put a number of many digits in the place of a digit."""
    places = [place for place, byte in enumerate(content) if 48 <= byte <= 57]
    if not places:
        return b"9" * 10_000
    place = random.choice(places)
    count = random.choice((20, 400, 5_000))
    return content[:place] + b"9" * count + content[place + 1 :]


def _other(random: Random, content: bytes) -> bytes:
    choices = (b"", b"\xef\xbb\xbf" + content, b"PAR1", b"[]", b"{}", b"null", b"\x80\x04.", b" ")
    return random.choice(choices)


_RAW: tuple[Callable[[Random, bytes], bytes], ...] = (
    *(
        _flip,
        _flip,
        _truncate,
        _cut,
        _insert,
        _insert,
        _twice,
        _integer,
        _deep,
        _deep,
        _digits,
        _other,
    ),
)
