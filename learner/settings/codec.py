"""Codec table: the encoding of each leg over the air."""

from typing import Annotated, Final, Literal, TypeAlias, final

from pydantic import ConfigDict, Field, Tag, field_validator, model_validator

from learner.settings.base import Count, Settings
from learner.settings.plugins import PLUG_IN, by_kind, require_known

ENTRY_POINTS: Final = "airtune.codecs"
"""Entry-point group in which an installed package registers its codecs by name."""
KINDS: Final = ("float64", "float32", "float16", "bfloat16", "int8", "int4", "top_k", "low_rank")
Leg: TypeAlias = Literal["embedding", "feature", "gradient"]


@final
class FloatsSettings(Settings):
    """Rounding of each number to a floating-point format."""

    kind: Literal["float64", "float32", "float16", "bfloat16"]
    """Name of the codec: the format."""


@final
class IntegersSettings(Settings):
    """Integer quantisation: integers times one scale per token (after the encoder, per sample)."""

    kind: Literal["int8", "int4"]
    """Name of the codec: the format; a scale has 32 bits."""


@final
class TopKSettings(Settings):
    """Top-k sparsification: the largest numbers of each token or sample; the others become 0.

    A number has 32 bits, and its position 16 bits.
    """

    kind: Literal["top_k"]
    """Name of the codec."""
    k: Count
    """Numbers that are kept per token or sample."""


@final
class LowRankSettings(Settings):
    """Low-rank factors: T x r and r x E 32-bit numbers per sample of T tokens; embeddings only."""

    kind: Literal["low_rank"]
    """Name of the codec."""
    rank: Count
    """Rank r of the approximation."""


@final
class PlugIn(Settings):
    """Plug-in codec; its own options stand beside ``kind``."""

    model_config = ConfigDict(extra="allow")

    kind: Annotated[str, Field(json_schema_extra={"not": {"enum": list(KINDS)}})]
    """``package.module:ClassName``, or a name that an installed package registers."""

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        return require_known(kind, KINDS, ENTRY_POINTS)


_TAGS: Final = {
    **dict.fromkeys(("float64", "float32", "float16", "bfloat16"), "floats"),
    **dict.fromkeys(("int8", "int4"), "integers"),
    "top_k": "top_k",
    "low_rank": "low_rank",
}


AnyCodec: TypeAlias = Annotated[
    Annotated[FloatsSettings, Tag("floats")]
    | Annotated[IntegersSettings, Tag("integers")]
    | Annotated[TopKSettings, Tag("top_k")]
    | Annotated[LowRankSettings, Tag("low_rank")]
    | Annotated[PlugIn, Tag(PLUG_IN)],
    by_kind(_TAGS),
]


@final
class Codecs(Settings):
    """Codec of each leg; the receiver computes with the decoded numbers."""

    default: AnyCodec | None = None
    """Codec of all other legs; by default numbers are transmitted unchanged, with 32 bits each."""
    embedding: AnyCodec | None = None
    """Codec of the embedded tokens, device to server."""
    feature: AnyCodec | None = None
    """Codec of the pooled outputs, server to device."""
    gradient: AnyCodec | None = None
    """Codec of the gradients with respect to the pooled outputs, device to server."""
    skip_padding: bool = False
    """Whether only real tokens are transmitted, without padding up to the longest sample."""

    def of(self, leg: Leg) -> AnyCodec | None:
        """Return the codec of a leg; None if its numbers are transmitted unchanged."""
        own: AnyCodec | None = getattr(self, leg)
        return own or self.default

    @model_validator(mode="after")
    def _ranked(self) -> "Codecs":
        legs: tuple[Leg, ...] = ("feature", "gradient")
        for leg in legs:
            codec = self.of(leg)
            if codec is not None and codec.kind == "low_rank":
                key = leg if getattr(self, leg) else "default"
                raise ValueError(
                    f"{key}.kind = 'low_rank' needs the many tokens of an embedded sample; its "
                    f"{leg} is one vector"
                )
        return self
