"""Codecs: compression of the legs of the split step."""

from learner.codec.base import AdditiveCodec, Codec, Encoded
from learner.codec.link import SplitLink
from learner.codec.registry import build_link, create, require_codecs

__all__ = [
    "AdditiveCodec",
    "Codec",
    "Encoded",
    "SplitLink",
    "build_link",
    "create",
    "require_codecs",
]
