"""What crosses the link: how it is written as bytes, how many those are, and what the other side reads."""

from learner.codec.base import Codec, Encoded
from learner.codec.link import Link
from learner.codec.registry import create, link_of

__all__ = ["Codec", "Encoded", "Link", "create", "link_of"]
