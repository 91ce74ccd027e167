"""Images as encoded files; the model's processor decodes and resizes them per batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

from learner.architectures import ImageArchitecture
from learner.data.labelled import LabelledDataset, decode
from learner.data.samples import Dataset
from learner.errors import LearnerInputError


@final
@dataclass(frozen=True, eq=False)
class ImageDataset(Dataset):
    """Images as PNG, JPEG and the like, all with the same number of tokens."""

    encoded: Sequence[bytes]
    processor: Any
    lengths: Int[ndarray, " S"]
    labels: Int[ndarray, " S"]

    @override
    def batch(self, rows: Int[ndarray, " B"]) -> dict[str, Tensor]:
        """Return the images, resized and normalised as the model's processor does."""
        return pixels([self.encoded[row] for row in rows.tolist()], self.processor)

    @override
    def _input_bits(self, rows: Int[ndarray, " B"]) -> int:
        return 8 * sum(len(self.encoded[row]) for row in rows.tolist())


def prepare(
    labelled: LabelledDataset, processor: Any, architecture: ImageArchitecture, config: Any
) -> ImageDataset:
    """Return the samples for this model.

    Raises:
        LearnerInputError: the model refuses the size of its processor's images.
    """
    height, width = pixels(labelled.images[:1], processor)["pixel_values"].shape[2:]
    tokens = architecture.token_count(config, height, width)
    if not tokens:
        problem = (
            f"its image processor makes images of {height} x {width} pixels, and the model takes "
            f"{config.image_size}"
        )
        raise LearnerInputError("learner.model", problem)
    return ImageDataset(
        encoded=labelled.images,
        processor=processor,
        lengths=np.full(len(labelled), tokens, dtype=np.int64),
        labels=labelled.labels,
    )


def pixels(encoded: Sequence[bytes], processor: Any) -> dict[str, Tensor]:
    """Return encoded images as the model's input."""
    images = [decode(content) for content in encoded]
    return {"pixel_values": processor(images, return_tensors="pt")["pixel_values"]}
