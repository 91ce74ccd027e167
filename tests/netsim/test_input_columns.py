import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.odd_inputs import not_utf8

from netsim.errors import NetworkInputError
from netsim.input_columns import as_device_ids, read_columns, require_devices

KEY = "devices.placement.path"
TEXT = "device,x_m\n0,1.5\n"


def write(folder: Path, text: str, name: str = "t.csv") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_csv_and_parquet_with_the_same_rows_read_the_same(tmp_path: Path) -> None:
    rows = pd.DataFrame({"device": [0, 1], "x_m": [1.5, 2.0], "note": ["a", "b"]})
    rows.to_csv(tmp_path / "t.csv", index=False)
    rows.to_parquet(tmp_path / "t.parquet")

    csv = read_columns(str(tmp_path / "t.csv"), ("device", "x_m"), KEY)
    parquet = read_columns(str(tmp_path / "t.parquet"), ("device", "x_m"), KEY)

    assert csv["x_m"].tolist() == parquet["x_m"].tolist() == [1.5, 2.0]
    assert csv["device"].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("device,y_m\n0,1\n", "has no column x_m; needed are device, x_m, it has device, y_m"),
        ("device,x_m\n", "has no rows"),
        ("device,x_m\n0,here\n", "column x_m has string values, not numbers"),
        ("device,x_m\n0,1\n1,\n", "column x_m, row 2 is missing or not finite"),
        ("device,x_m\n0,nan\n", "column x_m, row 1 is missing or not finite"),
        ("device,x_m\n0,inf\n", "column x_m, row 1 is missing or not finite"),
        ("device,x_m\n0,1,2\n", "cannot be read as csv"),
        ("", "cannot be read as csv"),
    ],
)
def test_a_bad_file_is_refused_with_its_key_and_problem(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = write(tmp_path, text)

    with pytest.raises(NetworkInputError) as refused:
        read_columns(path, ("device", "x_m"), KEY)

    assert refused.value.key == KEY
    assert path in refused.value.problem
    assert problem in refused.value.problem
    assert "\n" not in str(refused.value)


def test_a_missing_file_another_kind_of_file_and_a_broken_one_are_refused(tmp_path: Path) -> None:
    for path, problem in (
        (str(tmp_path / "no.csv"), "is not a file"),
        (write(tmp_path, "x", "t.txt"), "must end in .csv or .parquet"),
        (write(tmp_path, "not parquet", "t.parquet"), "cannot be read as parquet"),
    ):
        with pytest.raises(NetworkInputError, match=problem):
            read_columns(path, ("x_m",), KEY)


BYTES: dict[str, tuple[str, bytes, str]] = {
    "UTF-16": ("t.csv", TEXT.encode("utf-16"), "is not UTF-8 text: line 1 has the byte 0xff"),
    "UTF-16 without a mark": (
        "t.csv",
        TEXT.encode("utf-16-le"),
        "is not UTF-8 text: line 1 has the byte 0x00",
    ),
    "Latin-1": (
        "t.csv",
        f"{TEXT}1,2,gr\xfcn\n".encode("latin-1"),
        "is not UTF-8 text: line 3 has the byte 0xfc",
    ),
    "cut gzip": ("t.csv.gz", gzip.compress(TEXT.encode())[:-9], "cannot be read: "),
    "broken gzip": ("t.csv", b"\x1f\x8b" + b"0" * 40, "cannot be read: "),
    "gzip of something else": ("t.gz", gzip.compress(b"x"), "must end in .csv or .parquet"),
    "a column twice": ("t.csv", b"device,x_m,x_m\n0,1,2\n", "has the column x_m 2 times"),
    "another column twice": ("t.csv", b"device,x_m,a,a\n0,1,2,2\n", "has the column a 2 times"),
    "a column twice after blanks": (
        "t.csv",
        b"device, x_m,x_m\n0,1,2\n",
        "has the column x_m 2 times",
    ),
}


@pytest.mark.parametrize(("name", "content", "problem"), BYTES.values(), ids=BYTES)
def test_a_file_that_is_no_utf8_table_is_refused_with_the_place(
    name: str, content: bytes, problem: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(NetworkInputError) as refused:
        read_columns(str(tmp_path / name), ("device", "x_m"), KEY)

    assert problem in refused.value.problem
    assert refused.value.problem.isprintable()


@pytest.mark.parametrize("path", ["a\0b.csv", "x" * 5000 + ".csv", "", "/dev/null/x.csv"])
def test_a_path_that_no_file_can_have_is_no_file(path: str) -> None:
    with pytest.raises(NetworkInputError, match="is not a file"):
        read_columns(path, ("device",), KEY)


def test_a_parquet_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([0]), pa.array([1.0]), pa.array([2.0])], ["a", "b", "b"])
    pq.write_table(table, tmp_path / "t.parquet")

    with pytest.raises(NetworkInputError, match="has the column b 2 times"):
        read_columns(str(tmp_path / "t.parquet"), ("a",), KEY)


def test_compressed_tables_and_blanks_in_a_header_are_read(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbfdevice, x_m , note\n0, 1.5,a\n1, 2.0,b\n"
    (tmp_path / "t.csv").write_bytes(text)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text))
    (tmp_path / "named.csv").write_bytes(gzip.compress(text))

    for name in ("t.csv", "t.csv.gz", "named.csv"):
        columns = read_columns(str(tmp_path / name), ("device", "x_m"), KEY)
        assert columns["x_m"].tolist() == [1.5, 2.0]


def test_a_table_of_many_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({f"c{number}": [1] for number in range(1_001)}), path)

    with pytest.raises(NetworkInputError, match="has 1,001 columns, more than 1,000"):
        read_columns(str(path), ("c1",), KEY)


@pytest.mark.parametrize("bad", ["-1", "0.5", "1e300"])
def test_a_device_number_is_whole_and_not_negative(tmp_path: Path, bad: str) -> None:
    path = write(tmp_path, f"device\n0\n{bad}\n")

    with pytest.raises(
        NetworkInputError, match=r"column device, row 2 is .*, not a number from 0 on"
    ):
        as_device_ids(read_columns(path, ("device",), KEY)["device"], path, KEY)


def test_the_first_missing_device_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "device\n0\n3\n1\n")
    device = as_device_ids(read_columns(path, ("device",), KEY)["device"], path, KEY)

    require_devices(device, 2, path, key=KEY)
    with pytest.raises(
        NetworkInputError, match="has no device 2; 4 devices need the numbers 0 to 3"
    ):
        require_devices(device, 4, path, key=KEY)


def test_parquet_texts_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"device": [0, 1], "x_m": not_utf8(2)}), tmp_path / "t.parquet")

    with pytest.raises(NetworkInputError, match=r"cannot be read as parquet: .*Invalid UTF8"):
        read_columns(str(tmp_path / "t.parquet"), ("device", "x_m"), KEY)
