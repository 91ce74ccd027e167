"""Image folder: a directory per split, with a directory of pictures per class."""

from pathlib import Path

import pandas as pd
from PIL import Image

from learner.architectures.regular_files import read_regular
from learner.data.tables.origin import Origin, SampleFile
from learner.errors import LearnerInputError


def has_classes(folder: Path) -> bool:
    """Return whether a folder holds a directory per class."""
    return folder.is_dir() and bool(_classes(folder))


def read_split(folder: Path, key: str, split: str) -> tuple[pd.DataFrame, Origin]:
    """Return the pictures of a split in the columns ``image`` (encoded) and ``label`` (class name).

    The origin is the file of each picture; ``split`` is the name of the split in texts.

    Raises:
        LearnerInputError: there is none, or a picture cannot be read.
    """
    endings = Image.registered_extensions()
    files = [
        (file, name)
        for name in _classes(folder)
        for file in sorted((folder / name).rglob("*"))
        if file.suffix.lower() in endings and not file.name.startswith(".")
    ]
    if not files:
        raise LearnerInputError(key, f"'{folder}' has no pictures in its folders of classes")
    try:
        images = [read_regular(file) for file, _ in files]
    except (OSError, ValueError) as error:
        raise LearnerInputError(key, f"a picture cannot be read: {error}") from error
    columns = ("image", "label")
    names = [file.relative_to(folder.parent).as_posix() for file, _ in files]
    origin = Origin(split, [SampleFile(name, 1, columns) for name in names], pictures=True)
    return pd.DataFrame({"image": images, "label": [name for _, name in files]}), origin


def class_names(split: pd.DataFrame) -> tuple[str, ...]:
    """Return the classes of a split that has pictures, in the order of their numbers."""
    return tuple(sorted(set(split["label"])))


def _classes(folder: Path) -> list[str]:
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(".")
    )
