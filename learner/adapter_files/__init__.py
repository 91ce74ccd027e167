"""Adapter files: the trained adapter in peft's format, the heads, and a loader of both."""

from learner.adapter_files.head_file import HeadFile, read_heads, write_heads
from learner.adapter_files.peft_format import LowRankUpdate, read_adapter, write_adapter

__all__ = [
    "HeadFile",
    "LowRankUpdate",
    "read_adapter",
    "read_heads",
    "write_adapter",
    "write_heads",
]
