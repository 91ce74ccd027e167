"""Tiny random models of every architecture, in the Hugging Face layout."""

import io
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import (
    AutoConfig,
    AutoModel,
    BertTokenizerFast,
    DeiTImageProcessorPil,
    ViTImageProcessorPil,
)

from support.tiny_bert import CLASSES, TINY, WORDS
from support.tiny_learner import write_parquet

SPECIALS = {"pad_token": "[PAD]", "cls_token": "[CLS]"}
# RoBERTa's and MPNet's padding token has the number 1.
ROBERTA_VOCABULARY = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]", *WORDS]
BERT_VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
SHAPE = {
    key: value
    for key, value in TINY.items()
    if key not in ("vocab_size", "max_position_embeddings")
}
PIXELS = {**SHAPE, "image_size": 12, "patch_size": 4}
CONFIGS: dict[str, dict[str, object]] = {
    "bert": TINY,
    "roberta": {**TINY, "pad_token_id": 1, "max_position_embeddings": 42, "type_vocab_size": 1},
    "distilbert": {
        "vocab_size": TINY["vocab_size"],
        "dim": 16,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 32,
        "max_position_embeddings": 40,
    },
    "electra": {**TINY, "embedding_size": 8},
    "mpnet": {**TINY, "pad_token_id": 1, "max_position_embeddings": 42},
    "vit": PIXELS,
    "deit": PIXELS,
    "dinov2": {**PIXELS, "mlp_ratio": 2, "layerscale_value": 0.7},
}
TEXT = ("bert", "roberta", "distilbert", "electra", "mpnet")
IMAGES = ("vit", "deit", "dinov2")
POOLERS = ("bert", "roberta", "mpnet", "vit", "deit")


def save_model(folder: Path, kind: str, **changes: object) -> Path:
    """Write a model with random weights, so large that no gradient is 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModel.from_config(AutoConfig.for_model(kind, **(CONFIGS[kind] | changes)))
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.3 * torch.randn_like(weight))
    model.save_pretrained(folder)
    if kind in TEXT:
        words = ROBERTA_VOCABULARY if kind in ("roberta", "mpnet") else BERT_VOCABULARY
        inputs = ["input_ids", "attention_mask"]
        if kind in ("bert", "electra"):
            inputs.insert(1, "token_type_ids")
        vocabulary = {word: number for number, word in enumerate(words)}
        BertTokenizerFast(vocab=vocabulary, model_input_names=inputs).save_pretrained(folder)
    else:
        make = DeiTImageProcessorPil if kind == "deit" else ViTImageProcessorPil
        crop = {"crop_size": {"height": 12, "width": 12}} if kind == "deit" else {}
        size = {"height": 16, "width": 16} if kind == "deit" else {"height": 12, "width": 12}
        make(size=size, **crop).save_pretrained(folder)
    return folder


def picture(random: np.random.Generator, label: int) -> dict[str, object]:
    """Return a noisy PNG whose brightest channel is the label."""
    pixels = random.integers(0, 128, (8, 8, 3), dtype=np.uint8)
    pixels[:, :, label] += 100
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def save_pictures(folder: Path, train: int = 120, test: int = 30) -> Path:
    """Write images in the layout of CIFAR-10."""
    random = np.random.Generator(np.random.Philox(8))
    for name, count in (("train.parquet", train), ("test.parquet", test)):
        labels = [n % CLASSES for n in range(count)]
        write_parquet(folder, name, img=[picture(random, label) for label in labels], label=labels)
    return folder


def edit_json(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
