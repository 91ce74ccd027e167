"""Images as encoded files; the model's processor decodes and resizes them per batch."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from PIL import Image
from torch import Tensor
from typing_extensions import override

from learner.architectures import ImageArchitecture
from learner.data.labelled import LabelledDataset, decode
from learner.data.samples import Dataset
from learner.errors import LearnerInputError, one_line


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
        LearnerInputError: the processor leaves images at different sizes or refuses one, or the
            model refuses their size or number of channels.
    """
    channels = getattr(config, "num_channels", 3)
    if channels != 3:
        noun = "channel" if channels == 1 else "channels"
        problem = f"it reads images of {channels} {noun}, and all images are read in RGB, of 3"
        raise LearnerInputError("learner.model", problem)
    height, width = _common_size(labelled, processor)
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


def _common_size(labelled: LabelledDataset, processor: Any) -> tuple[int, int]:
    """Return height and width of all images after the model's processor.

    One image of each size before it is processed.
    """
    first: dict[tuple[int, int], int] = {}
    for sample, content in enumerate(labelled.images):
        first.setdefault(Image.open(io.BytesIO(content)).size, sample)
    sizes: dict[tuple[int, int], int] = {}
    for sample in first.values():
        try:
            height, width = pixels([labelled.images[sample]], processor)["pixel_values"].shape[2:]
        # A processor of other people raises anything.
        except Exception as error:
            problem = f"its image processor refuses {labelled.place(sample)}: {one_line(error)}"
            raise LearnerInputError("learner.model", problem) from error
        sizes.setdefault((height, width), sample)
    if len(sizes) > 1:
        (one, sample), (other, another) = list(sizes.items())[:2]
        problem = (
            f"its image processor leaves images at different sizes: {labelled.place(sample)} at "
            f"{one[0]} x {one[1]} pixels, and {labelled.place(another)} at {other[0]} x "
            f"{other[1]}; set do_resize in preprocessor_config.json"
        )
        raise LearnerInputError("learner.model", problem)
    return next(iter(sizes))


def pixels(encoded: Sequence[bytes], processor: Any) -> dict[str, Tensor]:
    """Return encoded images as the model's input."""
    images = [decode(content) for content in encoded]
    return {"pixel_values": processor(images, return_tensors="pt")["pixel_values"]}
