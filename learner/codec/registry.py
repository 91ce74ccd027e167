"""How a codec is found by its name, and what it must do before it is believed."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy as np
import torch

from learner.codec.base import Codec
from learner.codec.floats import Floats
from learner.codec.integers import Integers
from learner.codec.link import LegCodec, SplitLink
from learner.codec.low_rank import LowRank
from learner.codec.top_k import TopK
from learner.errors import CodecError, LearnerInputError
from learner.settings import Codecs, Leg, installed

CODECS: Final[dict[str, Callable[..., Codec]]] = {
    "float64": partial(Floats, torch.float64),
    "float32": partial(Floats, torch.float32),
    "float16": partial(Floats, torch.float16),
    "bfloat16": partial(Floats, torch.bfloat16),
    "int8": partial(Integers, 8),
    "int4": partial(Integers, 4),
    "top_k": TopK,
    "low_rank": LowRank,
}


def create(kind: str, **options: Any) -> Codec:  # each codec declares its own
    """Return a codec: a built-in one, one that an installed package offers, or that of
    ``package.module:Class``.

    Raises:
        ValueError: there is no such codec, or it does not take the options; the text is one line.
    """
    maker = CODECS.get(kind) or _class(kind)
    try:
        return maker(**options)
    except TypeError as error:
        raise ValueError(f"codec '{kind}' cannot be created: {error}") from None


def _class(kind: str) -> type[Codec]:
    try:
        if ":" in kind:
            module, _, name = kind.partition(":")
            found = getattr(import_module(module), name)
        else:
            found = installed()[kind].load()
    except KeyError:
        raise ValueError(f"there is no codec '{kind}'") from None
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"codec '{kind}' cannot be imported: {error}") from None
    if isinstance(found, type) and issubclass(found, Codec):
        return found
    raise ValueError(f"codec '{kind}' is not a subclass of learner.codec.Codec")


def build_link(codecs: Codecs, embedding_width: int, feature_width: int) -> SplitLink:
    """Return the link for vectors of these widths; LearnerInputError where a codec cannot be had or does
    not fit them.
    """
    return SplitLink(
        _wire(codecs, "embedding", embedding_width),
        _wire(codecs, "feature", feature_width),
        _wire(codecs, "gradient", feature_width),
        codecs.skip_padding,
    )


def _wire(codecs: Codecs, leg: Leg, width: int) -> LegCodec:
    table = codecs.of(leg)
    if table is None:
        return LegCodec(leg, "", None)
    key = f"learner.codec.{leg if getattr(codecs, leg) else 'default'}"
    try:
        wire = LegCodec(leg, table.kind, create(**table.model_dump()))
        _try(wire, width, several=leg == "embedding")
    except (ValueError, CodecError) as error:
        raise LearnerInputError(key, _line(error)) from error
    # What is wrong with a codec from elsewhere surfaces as anything.
    except Exception as error:
        problem = (
            f"codec '{table.kind}' fails on a trial payload: {type(error).__name__}: {_line(error)}"
        )
        raise LearnerInputError(key, problem) from error
    return wire


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _try(wire: LegCodec, width: int, *, several: bool) -> None:
    """Send three samples, together and each by itself; ValueError where they do not arrive alike.

    Of a codec that looks at more than one sample, the two executors would make different things.
    """
    tokens = np.array([3, 1, 2]) if several else np.ones(3, int)
    # Any numbers do, but for ties, and as long as no two samples are of one size.
    vectors = torch.sin(torch.arange(1.0, tokens.sum() * width + 1)).view(-1, width)
    vectors *= torch.tensor([1.0, 10.0, 100.0]).repeat_interleave(torch.from_numpy(tokens))[:, None]
    together, end = wire.carry(vectors, tokens, None), np.cumsum(tokens)
    for first, last in zip((end - tokens).tolist(), end.tolist(), strict=True):
        alone = wire.carry(vectors[first:last], np.array([last - first]), None)
        if not torch.allclose(alone, together[first:last], rtol=1e-4, atol=1e-6):
            raise ValueError(
                f"codec '{wire.kind}' makes something else of a sample when others travel with it"
            )
