"""Bounds of training files: a small file that needs much memory is refused before it is read."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.odd_inputs import not_utf8

from learner.data.tables import table_files
from learner.data.tables.table_files import read_table


def test_a_table_of_many_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({f"c{number}": [1] for number in range(1_001)}), path)

    with pytest.raises(ValueError, match="has 1,001 columns, more than 1,000"):
        read_table(path)


@pytest.mark.parametrize("name", ["train.csv.gz", "train.parquet"])
def test_a_small_file_that_unpacks_to_much_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(b"text,label\n" + b"word,0\n" * 100_000))
    else:
        pq.write_table(pa.table({"label": np.zeros(100_000, int)}), path, compression="zstd")
    monkeypatch.setattr(table_files, "readable_bytes", lambda: 200_000)

    assert path.stat().st_size < 20_000
    with pytest.raises(ValueError, match="of memory; 200,000 are allowed"):
        read_table(path)


def test_texts_that_are_no_utf8_are_refused_when_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"text": not_utf8(3), "label": [0, 1, 0]}), path)

    with pytest.raises(ValueError, match="Invalid UTF8"):
        read_table(path)


@pytest.mark.parametrize(
    "notes",
    [
        "[]",
        '{"columns": []}',
        '{"index_columns": ["absent"], "columns": [], "column_indexes": []}',
        '{"index_columns": [{"kind": "range", "name": null, "start": 0, "stop": 1e40, "step": 1}], '
        '"columns": [], "column_indexes": []}',
    ],
)
def test_wrong_notes_of_pandas_in_a_file_are_not_read(tmp_path: Path, notes: str) -> None:
    path = tmp_path / "train.parquet"
    table = pa.table({"text": ["a", "b"], "label": [0, 1]})
    pq.write_table(table.replace_schema_metadata({"pandas": notes}), path)

    assert read_table(path)["text"].tolist() == ["a", "b"]
