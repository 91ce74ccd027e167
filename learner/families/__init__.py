"""Architectures that can be split, one file each, by the ``model_type`` of their Hugging Face configuration."""

from types import MappingProxyType

from learner.families.base import Embedded, Family
from learner.families.bert import Bert

FAMILIES = MappingProxyType({"bert": Bert()})

__all__ = ["FAMILIES", "Embedded", "Family"]
