"""Tiny random BERT with its tokenizer, and the words and classes of its sentences."""

from pathlib import Path

import pandas as pd
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

WORDS = [f"word{n}" for n in range(60)]
CLASSES = 3
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
TINY = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}


def save_tiny_bert(folder: Path) -> Path:
    """Write the model, with weights so large that every gradient differs from 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(BertConfig(**TINY, initializer_range=0.5)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def save_sentences(folder: Path, test: int = 30) -> Path:
    """Write 120 training sentences, and test sentences, of 1 to 19 words in three classes."""
    folder.mkdir()
    for name, count in (("train", 120), ("validation", test)):
        texts = [" ".join(WORDS[(7 * n + k) % 60] for k in range(1 + n % 19)) for n in range(count)]
        labels = [n % CLASSES for n in range(count)]
        table = pd.DataFrame({"sentence": texts, "label": labels})
        table.to_parquet(folder / f"{name}.parquet")
    return folder
