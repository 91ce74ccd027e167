"""Architectures that can be split, one file each, by the ``model_type`` of their Hugging Face configuration."""

from types import MappingProxyType

from learner.families.base import Embedded, Family, ImageFamily, TextFamily
from learner.families.bert import Bert
from learner.families.dinov2 import Dinov2
from learner.families.distilbert import DistilBert
from learner.families.electra import Electra
from learner.families.mpnet import MPNet
from learner.families.vit import Vit

FAMILIES = MappingProxyType[str, Family](
    {
        "bert": Bert(),
        "roberta": Bert(counts_from_padding=True),
        "distilbert": DistilBert(),
        "electra": Electra(),
        "mpnet": MPNet(),
        "vit": Vit(special=1),
        "deit": Vit(special=2),
        "dinov2": Dinov2(),
    }
)

__all__ = ["FAMILIES", "Embedded", "Family", "ImageFamily", "TextFamily"]
