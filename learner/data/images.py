"""Images, kept as encoded files and brought into the model's form when a batch is put together."""

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
    """Samples as PNG, JPEG and the like; all of them become the same number of tokens."""

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
    labelled: LabelledDataset, processor: Any, family: ImageArchitecture, config: Any
) -> ImageDataset:
    """Return the samples for this model; LearnerInputError where its processor's images are not what it
    takes.
    """
    height, width = pixels(labelled.images[:1], processor)["pixel_values"].shape[2:]
    tokens = family.tokens(config, height, width)
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
