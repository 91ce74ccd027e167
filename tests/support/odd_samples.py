"""Odd training files with texts: their columns, formats, positions and values."""

import gzip
import io
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from support.odd_inputs import (
    OddInput,
    both_labels,
    groups,
    labels,
    parquet,
    refused,
    samples,
    texts,
)

TEST = "text,label\nt,0\nu,1\n"
BY_WRITER = {"partition": {"kind": "by_column", "column": "writer"}}
COLUMNS = {"text": ["text"], "label": "label"}


def named(*classes: str) -> dict[str, Any]:
    return {"columns": COLUMNS | {"classes": list(classes)}}


def twice_in_parquet() -> bytes:
    table = pa.Table.from_arrays(
        [pa.array(["a"]), pa.array([0]), pa.array([1])], ["text", "label", "label"]
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _csv(train: str, test: str = TEST) -> dict[str, Any]:
    return {"train.csv": train, "test.csv": test}


def _json(train: str | bytes, name: str = "train.jsonl") -> dict[str, Any]:
    return {name: train, "test.csv": TEST}


TWO = '{"text": "x", "label": 1}\n'

GROUPS = [
    OddInput(
        "by_column",
        "null in the first entry of a JSON array",
        samples(
            groups,
            _json(
                '[{"text": "a", "label": 0, "writer": null},'
                '{"text": "b", "label": 1, "writer": "w"}]',
                "train.json",
            ),
            **BY_WRITER,
        ),
        refused("column 'writer' of the train split", "1 of 2 rows", "row 0"),
    ),
    OddInput(
        "by_column",
        "no such key in the last entry",
        samples(
            groups,
            _json('{"text":"a","label":0,"writer":"w"}\n{"text":"b","label":1}\n'),
            **BY_WRITER,
        ),
        refused("column 'writer'", "1 of 2 rows", "row 1"),
    ),
    OddInput(
        "by_column",
        "blanks alone in the middle of a CSV file",
        samples(groups, _csv("writer,label,text\nw,0,a\n   ,1,b\nw,0,c\n"), **BY_WRITER),
        refused("'writer'", "1 of 3 rows", "row 1"),
    ),
    OddInput(
        "by_column",
        "an integer that is missing in Parquet",
        samples(
            groups,
            {
                "train.parquet": parquet(
                    text=["a", "b", "c"], label=[0, 1, 0], writer=pd.array([5, 7, None], "Int64")
                ),
                "test.csv": TEST,
            },
            **BY_WRITER,
        ),
        refused("'writer'", "1 of 3 rows", "row 2"),
    ),
    OddInput(
        "by_column",
        "a date that is missing in Parquet",
        samples(
            groups,
            {
                "train.parquet": parquet(
                    text=["a", "b"],
                    label=[0, 1],
                    writer=pd.to_datetime(pd.Series([None, "2020-01-01"])),
                ),
                "test.csv": TEST,
            },
            **BY_WRITER,
        ),
        refused("'writer'", "1 of 2 rows", "row 0"),
    ),
    OddInput(
        "by_column",
        "numbers written in three ways are three groups",
        samples(
            groups,
            {
                "train.csv.gz": gzip.compress(
                    b"text,label,writer\na,0,1\nb,1,01\nc,0,1.0\nd,1,1\n"
                ),
                "test.csv": TEST,
            },
            **BY_WRITER,
        ),
        [1, 0, 2, 1],
    ),
    OddInput(
        "by_column",
        "words for nothing are groups",
        samples(
            groups, _csv("text,label,writer\na,0,NA\nb,1,None\nc,0,null\nd,1,-\n"), **BY_WRITER
        ),
        [1, 2, 3, 0],
    ),
    OddInput(
        "by_column",
        "truth values are two groups",
        samples(
            groups,
            {
                "train.parquet": parquet(
                    text=list("abc"), label=[0, 1, 0], writer=[True, False, True]
                ),
                "test.csv": TEST,
            },
            **BY_WRITER,
        ),
        [1, 0, 1],
    ),
]

WORDS = [
    OddInput(
        "words",
        "words for nothing and for infinity in a pair",
        samples(
            texts,
            {
                "train.csv": "question1,question2,label\n#N/A,NULL,0\n-inf,,1\n",
                "test.csv": "question1,question2,label\na,b,0\n",
            },
        ),
        [["#N/A", "-inf"], ["NULL", ""]],
    ),
    OddInput(
        "words",
        "classes named NA and nan",
        samples(
            both_labels,
            _csv("text,label\na,nan\nb,NA\n", "text,label\nc,NA\n"),
            **named("NA", "nan"),
        ),
        [[1, 0], [0]],
    ),
    OddInput(
        "words",
        "numbers, truth values and dates stay as written",
        samples(texts, _csv("label,text\n0,1e5\n1,True\n0,2020-01-02\n1,0x10\n")),
        [["1e5", "True", "2020-01-02", "0x10"]],
    ),
    OddInput(
        "words",
        "line breaks in quotes, with those of Windows between rows",
        samples(texts, _csv('text,label\r\n"a\nb, ""c""",0\r\nd,1\r\n')),
        [['a\nb, "c"', "d"]],
    ),
    OddInput(
        "words",
        "strings of JSON that look like other values",
        samples(
            texts,
            _json(
                '{"text":"1e3","label":0}\n{"text":"null","label":1}\n{"text":"12:30","label":0}\n'
            ),
        ),
        [["1e3", "null", "12:30"]],
    ),
    OddInput(
        "words",
        "a number as a text of JSON",
        samples(texts, _json('{"text":"a","label":0}\n{"text":7,"label":1}\n')),
        refused("row 1 in column 'text' of the train split is 7 (int), not text"),
    ),
    OddInput(
        "words",
        "half of a character",
        samples(texts, _json('{"text":"a","label":0}\n{"text":"\\ud800","label":1}\n')),
        refused("train.jsonl' cannot be read: entry 1 has half of a character"),
    ),
    OddInput(
        "words",
        "a text that is missing in the test split of Parquet",
        samples(
            texts,
            {
                "train.csv": TEST,
                "validation.parquet": parquet(text=["a", None], label=[0, 1]),
            },
        ),
        refused("row 1 in column 'text' of the test split has no text"),
    ),
]

CLASSES = [
    OddInput(
        "classes",
        "numbers that match their names, in another order",
        samples(
            labels,
            {
                "train.parquet": parquet(text=["a", "b"], label=[1, 3]),
                "test.csv": "text,label\nc,3\n",
            },
            **named("3", "1"),
        ),
        [1, 0],
    ),
    OddInput(
        "classes",
        "truth values of JSON match true and false",
        samples(
            labels,
            _json('{"text":"a","label":true}\n{"text":"b","label":false}\n')
            | {"test.csv": "text,label\nc,true\n"},
            **named("false", "true"),
        ),
        [1, 0],
    ),
    OddInput(
        "classes",
        "truth values do not match yes",
        samples(
            labels,
            {"train.parquet": parquet(text=["a"], label=[True]), "test.csv": TEST},
            **named("yes", "no"),
        ),
        refused("label 'True' in row 0 of the train split is not one of: yes, no"),
    ),
    OddInput(
        "classes",
        "whole floats match the names of integers",
        samples(
            labels,
            {
                "train.parquet": parquet(text=["a", "b"], label=[2.0, 1.0]),
                "test.csv": "text,label\nc,1\n",
            },
            **named("1", "2"),
        ),
        [1, 0],
    ),
    OddInput(
        "classes",
        "a float without a name",
        samples(
            labels,
            {"train.parquet": parquet(text=["a", "b"], label=[1.5, 1.0]), "test.csv": TEST},
            **named("1", "2"),
        ),
        refused("label '1.5' in row 0 of the train split is not one of: 1, 2"),
    ),
    OddInput(
        "classes",
        "blanks around the number of a CSV file",
        samples(labels, _csv("text,label\na, 1\nb,+0\n")),
        [1, 0],
    ),
    OddInput(
        "classes",
        "digits of another script",
        samples(labels, _csv("text,label\na,0\nb,\u0661\n")),
        refused("row 1 in column 'label' of the train split is", "no class number"),
    ),
    OddInput(
        "classes",
        "a number of 19 digits",
        samples(labels, _csv("text,label\na,9999999999999999999\nb,1\n")),
        refused("row 0 in column 'label'", "no class number"),
    ),
    OddInput(
        "classes",
        "an integer of 5,000 digits in JSON",
        samples(labels, _json('{"text":"a","label":' + "7" * 5000 + "}\n")),
        refused("train.jsonl' cannot be read: line 1", "digits"),
    ),
    OddInput(
        "classes",
        "NaN as a label of JSON",
        samples(labels, _json('{"text":"a","label":0}\n{"text":"b","label":NaN}\n')),
        refused("row 1 in column 'label' of the train split has no label"),
    ),
    OddInput(
        "classes",
        "a gap",
        samples(labels, _csv("text,label\na,0\nb,2\n")),
        refused("the training labels (0, 2) are not two classes or more, numbered from 0"),
    ),
    OddInput(
        "classes",
        "one class alone",
        samples(labels, _csv("text,label\na,0\nb,0\n")),
        refused("the training labels (0) are not two classes or more"),
    ),
    OddInput(
        "classes",
        "a class of the test split alone",
        samples(labels, _csv("text,label\na,0\nb,1\n", "text,label\nc,0\nd,5\n")),
        refused("label 5 in row 1 of the test split is not one of the classes 0 to 1"),
    ),
    OddInput(
        "classes",
        "an empty label in the second of two files",
        samples(
            labels,
            {
                "train-a.csv": "text,label\na,0\nb,1\n",
                "train-b.csv": "text,label\nc,1\nd,\n",
                "test.csv": TEST,
            },
        ),
        refused("row 1 in column 'label' of train-b.csv has no label"),
    ),
]

FILES = [
    OddInput(
        "files",
        "a row with a field too few",
        samples(texts, _csv("text,label\na,0\nb\n")),
        refused("train.csv' cannot be read: ", "Expected 2 columns, got 1"),
    ),
    OddInput(
        "files",
        "a column twice after blanks",
        samples(texts, _csv("text, label,label \na,0,1\n")),
        refused("train.csv' cannot be read: has the column 'label' 2 times"),
    ),
    OddInput(
        "files",
        "a column twice in Parquet",
        samples(texts, {"train.parquet": twice_in_parquet, "test.csv": TEST}),
        refused("train.parquet' cannot be read: has the column 'label' 2 times"),
    ),
    OddInput(
        "files",
        "a name twice in the second line of JSON",
        samples(texts, _json('{"text":"a","label":0}\n{"text":"b","text":"c","label":1}\n')),
        refused("line 2: has the column 'text' 2 times"),
    ),
    OddInput(
        "files",
        "columns that differ between two files",
        samples(
            texts,
            {
                "train-1.csv": "text,label\na,0\n",
                "train-2.csv": "label,words\n1,b\n",
                "test.csv": TEST,
            },
        ),
        refused("train-2.csv has no column 'text'; there are: label, words"),
    ),
    OddInput(
        "files",
        "a number as text in the third of three files, of which the second has no rows",
        samples(
            texts,
            {
                "train-1.jsonl": '{"text":"a","label":0}\n{"text":"b","label":1}\n',
                "train-2.jsonl": "",
                "train-3.jsonl": '{"text":"c","label":0}\n{"text":7,"label":1}\n',
                "test.csv": TEST,
            },
        ),
        refused("row 1 in column 'text' of train-3.jsonl is 7 (int), not text"),
    ),
    OddInput(
        "files",
        "a label that is no class in the first row of the second test file",
        samples(
            labels,
            {
                "train.csv": TEST,
                "test-1.csv": TEST,
                "test-2.csv": "text,label\nt,5\n",
            },
        ),
        refused("label 5 in row 0 of test-2.csv is not one of the classes 0 to 1"),
    ),
    OddInput(
        "files",
        "a writer that is missing in the second file",
        samples(
            groups,
            {
                "train-1.csv": "text,label,writer\na,0,v\nb,1,w\n",
                "train-2.csv": "text,label,writer\nc,0,v\nd,1,\n",
                "test.csv": TEST,
            },
            **BY_WRITER,
        ),
        refused("column 'writer' of the train split", "1 of 4 rows, the first is row 1 of train-2"),
    ),
    OddInput(
        "files",
        "Latin-1 in the last line",
        samples(texts, {"train.csv": b"text,label\na,0\nGr\xfc\xdfe,1\n", "test.csv": TEST}),
        refused("is not UTF-8 text: line 3 has the byte 0xfc"),
    ),
    OddInput(
        "files",
        "UTF-16 of JSON",
        samples(texts, _json(TWO.encode("utf-16-le"))),
        refused("train.jsonl' cannot be read: is not UTF-8 text: line 1 has a NUL"),
    ),
    OddInput(
        "files",
        "a byte order mark before an array, with line breaks of Windows",
        samples(
            texts,
            _json(
                b"\xef\xbb\xbf"
                + '[{"text": "ä", "label": 0},\r\n {"text": "b", "label": 1}]'.encode(),
                "train.json",
            ),
        ),
        [["ä", "b"]],
    ),
    OddInput(
        "files",
        "gzip that is cut off",
        samples(
            texts, {"train.jsonl.gz": gzip.compress(TWO.encode() * 50)[:-12], "test.csv": TEST}
        ),
        refused("train.jsonl.gz' cannot be read: "),
    ),
    OddInput(
        "files",
        "a list in place of the second record",
        samples(texts, _json('[{"text": "a", "label": 0}, ["b", 1]]', "train.json")),
        refused("entry 1 is no object with names and values"),
    ),
    OddInput(
        "files",
        "lists nested 100,000 deep",
        samples(texts, _json("[" * 100_000, "train.json")),
        refused("train.json' cannot be read: "),
    ),
    OddInput(
        "files",
        "an empty file among three",
        samples(
            texts,
            {
                "train-0.jsonl": "",
                "train-1.jsonl": TWO + '{"text": "y", "label": 0}\n',
                "train-2.jsonl": "\n\n",
                "test.csv": TEST,
            },
        ),
        [["x", "y"]],
    ),
    OddInput(
        "files",
        "Parquet without rows, and nothing else",
        samples(texts, {"train.parquet": parquet(text=[], label=[]), "test.csv": TEST}),
        refused("train.parquet' has no rows"),
    ),
    OddInput(
        "files",
        "Parquet that is text",
        samples(texts, {"train.parquet": b"text,label\n", "test.csv": TEST}),
        refused("train.parquet' cannot be read: "),
    ),
    OddInput(
        "files",
        "semicolons for commas",
        samples(texts, _csv("text;label\na;0\nb;1\n")),
        refused("learner.data.columns: cannot be guessed from text;label"),
    ),
    OddInput(
        "files",
        "a path with a NUL",
        samples(texts, _csv(TEST), path="a\0b"),
        refused("learner.data.path: ", "is not a directory"),
    ),
    OddInput(
        "files",
        "a path of 6,000 letters",
        samples(texts, _csv(TEST), path="y" * 60),
        refused("learner.data.path: ", "is not a directory"),
    ),
]


SAMPLES = [*GROUPS, *WORDS, *CLASSES, *FILES]
