"""Odd pictures, in columns of tables and in folders of classes."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from learner.data import LabelledDataset
from learner.data.labelled import decode
from support.odd_inputs import OddInput, both_labels, labels, parquet, refused, samples


def encoded(pixels: np.ndarray, mode: str | None = None, form: str = "PNG", **info: Any) -> bytes:
    """Return a picture in a file format."""
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image if mode is None else image.convert(mode)).save(buffer, form, **info)
    return buffer.getvalue()


def pixels_of(content: bytes) -> Callable[[Any], list[list[int]]]:
    """Return the reader of a picture; its value is the RGB of each pixel, row by row."""
    return lambda folder: np.asarray(decode(content)).reshape(-1, 3).tolist()


def bomb() -> bytes:
    """Return a PNG whose head names 100,000 x 100,000 pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


GREY16 = np.array([[0, 128, 129, 255], [257, 32_896, 65_406, 65_535]], np.uint16)
LEVELS = [0, 0, 1, 1, 1, 128, 254, 255]
DOT = encoded(np.array([[[10, 20, 30]]], np.uint8))


def pictures(take: Any, *contents: Any, **files: Any) -> Any:
    """Return the reader of pictures in a column of Parquet, two classes in turn."""
    numbers = [n % 2 for n in range(len(contents))]
    table = parquet(photo=list(contents), kind=numbers)
    columns = {"columns": {"image": "photo", "label": "kind"}}
    return samples(take, {"train.parquet": table, "test.parquet": table}, **columns)


def count(train: LabelledDataset, test: LabelledDataset) -> list[int]:
    return [len(train.images), len(test.images)]


PICTURES = [
    OddInput("pictures", "PNG of 16 bits", pixels_of(encoded(GREY16)), [[n] * 3 for n in LEVELS]),
    OddInput(
        "pictures",
        "TIFF of 16 bits, most significant byte first",
        pixels_of(encoded(GREY16.astype(">u2"), form="TIFF")),
        [[n] * 3 for n in LEVELS],
    ),
    OddInput(
        "pictures",
        "one bit per pixel",
        pixels_of(encoded(np.array([[0, 255]], np.uint8), "1")),
        [[0] * 3, [255] * 3],
    ),
    OddInput(
        "pictures",
        "grey with transparency",
        pixels_of(encoded(np.array([[7, 200]], np.uint8), "LA")),
        [[7] * 3, [200] * 3],
    ),
    OddInput(
        "pictures",
        "a palette with a transparent colour",
        pixels_of(encoded(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8), "P", transparency=0)),
        [[255, 0, 0], [0, 0, 255]],
    ),
    OddInput(
        "pictures",
        "four colours of a printer",
        pixels_of(encoded(np.full((1, 1, 3), 255, np.uint8), "CMYK", form="TIFF")),
        [[255, 255, 255]],
    ),
    OddInput(
        "pictures",
        "TIFF of 32-bit integers in row 1",
        pictures(count, DOT, encoded(np.array([[70_000]], np.int32), form="TIFF")),
        refused(
            "row 1 in column 'photo' of the train split is no image: mode I has no fixed range"
        ),
    ),
    OddInput(
        "pictures",
        "TIFF of floats in row 2",
        pictures(count, DOT, DOT, encoded(np.array([[0.5]], np.float32), form="TIFF")),
        refused(
            "row 2 in column 'photo' of the train split is no image: mode F has no fixed range"
        ),
    ),
    OddInput(
        "pictures",
        "a picture that is missing",
        pictures(count, DOT, None),
        refused("row 1 in column 'photo' of the train split holds no bytes of an image"),
    ),
    OddInput(
        "pictures",
        "no bytes",
        pictures(count, DOT, b""),
        refused("row 1 in column 'photo' of the train split is no image"),
    ),
    OddInput(
        "pictures",
        "a picture that is cut off",
        pictures(count, DOT, encoded(np.zeros((64, 64, 3), np.uint8))[:-40]),
        refused("row 1 in column 'photo' of the train split is no image"),
    ),
    OddInput(
        "pictures",
        "a head that names 10 thousand million pixels",
        pictures(count, bomb(), DOT),
        refused("row 0 in column 'photo' of the train split is no image"),
    ),
]

FOLDERS = [
    OddInput(
        "folders",
        "classes in the order of their names, endings in capitals, hidden files left out",
        samples(
            both_labels,
            {
                "train/zebra/1.PNG": DOT,
                "train/ant/deep/2.JPeG": encoded(np.zeros((2, 2, 3), np.uint8), form="JPEG"),
                "train/ant/.hidden.png": b"nothing",
                "train/ant/notes.txt": b"text",
                "train/.cache/3.png": b"nothing",
                "validation/zebra/1.png": DOT,
                "test/ant/1.png": DOT,
            },
        ),
        [[0, 1], [1]],
    ),
    OddInput(
        "folders",
        "a class of the test pictures alone",
        samples(labels, {"train/a/1.png": DOT, "train/b/1.png": DOT, "test/c/1.png": DOT}),
        refused("label 'c' in file test/c/1.png is not one of: a, b"),
    ),
    OddInput(
        "folders",
        "a damaged picture",
        samples(labels, {"train/a/1.png": DOT, "train/b/1.png": DOT[:30], "test/a/1.png": DOT}),
        refused("learner.data.path: file train/b/1.png is no image"),
    ),
    OddInput(
        "folders",
        "classes without pictures",
        samples(labels, {"train/a/notes.txt": b"", "train/b/notes.txt": b"", "test/a/1.png": DOT}),
        refused("learner.data.path: ", "train' has no pictures in its folders of classes"),
    ),
    OddInput(
        "folders",
        "pictures of one class",
        samples(labels, {"train/a/1.png": DOT, "test/a/1.png": DOT}),
        refused("the only class is 'a'; two or more are needed"),
    ),
]
PICTURES_AND_FOLDERS = [*PICTURES, *FOLDERS]
