"""Table files: samples in Parquet, CSV or JSON, whose texts stay the texts that are written."""

import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from learner.architectures.regular_files import (
    read_regular,
    readable_bytes,
    require_memory,
)
from learner.errors import one_line

_GZIP: Final = b"\x1f\x8b"
_UNREADABLE: Final = (
    OSError,
    EOFError,
    ValueError,
    RecursionError,
    zlib.error,
    pa.ArrowException,
)
"""Errors of the readers of damaged files."""
_MAXIMUM_COLUMNS: Final = 1_000
_WORD_BYTES: Final = 8
_CHUNK_BYTES: Final = 2**14
"""Memory of a column of a row group beside its values."""


def read_table(file: Path) -> pd.DataFrame:
    """Return the table of a file, which may be compressed with gzip; empty for an empty file.

    Texts of CSV and JSON stay texts: ``007`` is not the number 7, and ``NA`` is not missing.

    Raises:
        ValueError: the file cannot be read; the text is one line without its name.
    """
    try:
        content = _content(file)
        ending = Path(file.name.removesuffix(".gz")).suffix
        return _READERS[ending](content) if content else pd.DataFrame()
    except _UNREADABLE as error:
        raise ValueError(one_line(error, limit=150)) from error


def _content(file: Path) -> bytes:
    """Return the bytes of a file, unpacked if they are compressed with gzip."""
    content = read_regular(file)
    if content.startswith(_GZIP):
        with gzip.open(io.BytesIO(content)) as unpacked:
            content = unpacked.read(readable_bytes() + 1)
        _require_memory(len(content))
    return content


def _require_memory(needed: int) -> None:
    """Refuse a file that would need more than the share of the machine's memory."""
    require_memory(needed, readable_bytes())


def _parquet(content: bytes) -> pd.DataFrame:
    """Return the table of a Parquet file, whose footer is checked before it is read."""
    file = pa.parquet.ParquetFile(io.BytesIO(content))
    metadata = file.metadata
    if metadata.num_columns > _MAXIMUM_COLUMNS:
        raise ValueError(f"has {metadata.num_columns:,} columns, more than {_MAXIMUM_COLUMNS:,}")
    _require_different(file.schema_arrow.names)
    chunks = [
        metadata.row_group(group).column(place)
        for group in range(metadata.num_row_groups)
        for place in range(metadata.num_columns)
    ]
    _require_memory(
        sum(
            _CHUNK_BYTES + max(_WORD_BYTES * chunk.num_values, chunk.total_uncompressed_size)
            for chunk in chunks
        )
    )
    table = file.read()
    # Texts that are no UTF-8 would end in an error where they are used.
    table.validate(full=True)
    # What pandas has written about its index and types may be wrong; the columns suffice.
    return table.replace_schema_metadata(None).to_pandas()


def _csv(content: bytes) -> pd.DataFrame:
    text = _text(content).encode()
    if not text.strip():
        return pd.DataFrame()
    # The first row is read as data, like the others, because all columns are texts.
    columns = text.partition(b"\n")[0].count(b",") + 1
    table = pa.csv.read_csv(
        io.BytesIO(text),
        read_options=pa.csv.ReadOptions(autogenerate_column_names=True, block_size=len(text) + 1),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types={f"f{n}": pa.string() for n in range(columns)}, strings_can_be_null=False
        ),
    )
    names = [column[0].as_py().strip() for column in table.columns]
    _require_different(names)
    return table.slice(1).rename_columns(names).to_pandas()


def _json(content: bytes) -> pd.DataFrame:
    text = _text(content)
    if text.lstrip().startswith("["):
        records = json.loads(text, object_pairs_hook=_record)
    else:
        # No other line break ends a line: texts may contain them.
        records = [
            _parse_line(number, line)
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        ]
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise ValueError(f"entry {number} is no object with names and values")
    try:
        return pd.DataFrame(records)
    except UnicodeEncodeError:
        number = next(number for number, record in enumerate(records) if not _is_utf8(record))
        problem = f"entry {number} has half of a character (a lone surrogate)"
        raise ValueError(problem) from None


def _is_utf8(record: dict[str, Any]) -> bool:
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse_line(number: int, line: str) -> Any:
    try:
        return json.loads(line, object_pairs_hook=_record)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error


def _record(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    _require_different([name for name, _ in pairs])
    return dict(pairs)


def _text(content: bytes) -> str:
    """Return UTF-8 text without a byte order mark."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise ValueError(f"is not UTF-8 text: line {line} has the byte 0x{byte:02x}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"is not UTF-8 text: line {line} has a NUL")
    return text


def _require_different(names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"has the column {name!r} {count} times")


_READERS: Final = MappingProxyType[str, Callable[[bytes], pd.DataFrame]](
    {".parquet": _parquet, ".csv": _csv, ".jsonl": _json, ".json": _json}
)
ENDINGS: Final = tuple(_READERS)
"""Endings of the names of table files, without that of gzip."""
