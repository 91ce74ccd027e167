"""Architectures that can be split, one file each, by their Hugging Face ``model_type``."""

from types import MappingProxyType

from learner.architectures.base import (
    CutActivations,
    ImageArchitecture,
    SplitArchitecture,
    TextArchitecture,
)
from learner.architectures.bert import Bert
from learner.architectures.dinov2 import Dinov2
from learner.architectures.distilbert import DistilBert
from learner.architectures.electra import Electra
from learner.architectures.mpnet import MPNet
from learner.architectures.vit import Vit

ARCHITECTURES = MappingProxyType[str, SplitArchitecture](
    {
        "bert": Bert(),
        "roberta": Bert(counts_from_padding=True),
        "distilbert": DistilBert(),
        "electra": Electra(),
        "mpnet": MPNet(),
        "vit": Vit(num_special_tokens=1),
        "deit": Vit(num_special_tokens=2),
        "dinov2": Dinov2(),
    }
)

__all__ = [
    "ARCHITECTURES",
    "CutActivations",
    "ImageArchitecture",
    "SplitArchitecture",
    "TextArchitecture",
]
