"""What crosses the link: how it is written as bytes, how many those are, and what the other side
reads.
"""

from learner.codec.base import Codec, Encoded
from learner.codec.link import SplitLink
from learner.codec.registry import build_link, create

__all__ = ["Codec", "Encoded", "SplitLink", "build_link", "create"]
