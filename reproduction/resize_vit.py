"""Resize a vision transformer to smaller images, which cost less.

Usage: ``python -m reproduction.resize_vit MODEL FOLDER``.

CIFAR-10's images have 32 x 32 pixels; at 224 x 224 a transformer with patches of 14 pixels spends
257 tokens on each of them. The copy takes 84 x 84 and spends 37. Its position embeddings are the
model's, resampled to the coarser grid (bicubic, as DINOv2 does for sizes that it was not trained
on); every other weight is the same.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import AutoImageProcessor, ViTConfig, ViTModel

PIXELS = 84


def resize(model: str, folder: Path, pixels: int = PIXELS) -> None:
    """Write a copy of a ViT for square images of ``pixels`` pixels, a multiple of its patch."""
    whole = ViTModel.from_pretrained(
        model,
        add_pooling_layer=False,
        dtype=torch.float32,
        trust_remote_code=False,
        use_safetensors=True,
    )
    config = ViTConfig.from_pretrained(model, image_size=pixels, trust_remote_code=False)
    small = ViTModel(config, add_pooling_layer=False)
    weights = whole.state_dict()
    name = "embeddings.position_embeddings"
    weights[name] = resample(weights[name], pixels // config.patch_size)
    small.load_state_dict(weights)
    small.save_pretrained(folder)
    processor = AutoImageProcessor.from_pretrained(model, trust_remote_code=False)
    processor.size = {"height": pixels, "width": pixels}
    processor.save_pretrained(folder)


def resample(positions: Tensor, side: int) -> Tensor:
    """Return position embeddings resampled to a square grid of another side.

    The first token's embedding stays as it is.
    """
    first = positions[:, :1]
    patches = positions[:, 1:]
    old = int(patches.shape[1] ** 0.5)
    grid = patches.reshape(1, old, old, -1).permute(0, 3, 1, 2)
    fewer = interpolate(
        grid, size=(side, side), mode="bicubic", align_corners=False, antialias=True
    )
    return torch.cat([first, fewer.permute(0, 2, 3, 1).reshape(1, side * side, -1)], dim=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m reproduction.resize_vit", description=__doc__)
    parser.add_argument("model", help="a ViT of the Hugging Face hub, or its directory")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    resize(given.model, given.folder)
