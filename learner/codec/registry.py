"""Registry of codecs, and the self-test of each codec before the first round."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final, get_args

import numpy as np
import torch

from learner.codec.base import Codec
from learner.codec.floats import Floats
from learner.codec.integers import Integers
from learner.codec.link import LegCodec, SplitLink
from learner.codec.low_rank import LowRank
from learner.codec.top_k import TopK
from learner.errors import CodecError, LearnerInputError, one_line
from learner.settings import Codecs, Leg
from learner.settings.codec import ENTRY_POINTS
from learner.settings.plugins import Load, load_class, require_options

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


def create(
    kind: str,
    load: Load = import_module,
    *,
    table_key: str = "learner.codec",
    **options: Any,  # each codec declares its own
) -> Codec:
    """Return a codec: built in, of an installed package, or of ``package.module:Class``.

    Raises:
        ValueError: there is no such codec, or it does not take the options; the text is one line.
        LearnerInputError: a plug-in does not have an option, whose key is below ``table_key``.
    """
    maker = CODECS.get(kind)
    if maker is None:
        try:
            plugin: type[Codec] = load_class(kind, Codec, load=load, group=ENTRY_POINTS)  # type: ignore[type-abstract]
        except ValueError as error:
            raise ValueError(f"codec {error}") from None
        require_options(plugin, options, table_key)
        maker = plugin
    try:
        return maker(**options)
    except TypeError as error:
        raise ValueError(f"codec '{kind}' cannot be created: {error}") from None


def build_link(
    codecs: Codecs, embedding_width: int, feature_width: int, load: Load = import_module
) -> SplitLink:
    """Return the link for vectors of these widths; ``load`` imports the module of a plug-in.

    Raises:
        LearnerInputError: a codec cannot be loaded, or it fails its self-test.
    """
    return SplitLink(
        _embedding=_leg_codec(codecs, "embedding", embedding_width, load=load),
        _feature=_leg_codec(codecs, "feature", feature_width, load=load),
        _gradient=_leg_codec(codecs, "gradient", feature_width, load=load),
        skip_padding=codecs.skip_padding,
    )


def require_codecs(codecs: Codecs, load: Load = import_module) -> None:
    """Check that each codec of the legs exists and takes its options, before a model is loaded.

    Raises:
        LearnerInputError: one does not.
    """
    for leg in get_args(Leg):
        _leg_codec(codecs, leg, None, load=load)


def _leg_codec(codecs: Codecs, leg: Leg, width: int | None, *, load: Load) -> LegCodec:
    """Return the codec of a leg, tested on vectors of a width if that is known."""
    table = codecs.of(leg)
    if table is None:
        return LegCodec(leg, "", None)
    key = f"learner.codec.{leg if getattr(codecs, leg) else 'default'}"
    try:
        leg_codec = LegCodec(
            leg, table.kind, create(load=load, table_key=key, **table.model_dump())
        )
        if width is not None:
            _self_test(leg_codec, width, several=leg == "embedding")
    except LearnerInputError:
        raise
    except (ValueError, CodecError) as error:
        raise LearnerInputError(key, one_line(error)) from error
    # A plug-in codec may raise anything.
    except (Exception, SystemExit) as error:
        problem = (
            f"codec '{table.kind}' fails on a trial payload: {type(error).__name__}: "
            f"{one_line(error)}"
        )
        raise LearnerInputError(key, problem) from error
    return leg_codec


def _self_test(leg_codec: LegCodec, width: int, *, several: bool) -> None:
    """Send three samples, together and one by one.

    With a codec that depends on the other samples, the two executors would disagree.

    Raises:
        ValueError: the decoded samples differ.
    """
    tokens = np.array([3, 1, 2]) if several else np.ones(3, int)
    # Test vectors without ties, the magnitude different in each sample.
    vectors = torch.sin(torch.arange(1.0, tokens.sum() * width + 1)).view(-1, width)
    vectors *= torch.tensor([1.0, 10.0, 100.0]).repeat_interleave(torch.from_numpy(tokens))[:, None]
    together = leg_codec.round_trip(vectors, tokens, None)
    end = np.cumsum(tokens)
    for first, last in zip((end - tokens).tolist(), end.tolist(), strict=True):
        alone = leg_codec.round_trip(vectors[first:last], np.array([last - first]), None)
        if not torch.allclose(alone, together[first:last], rtol=1e-4, atol=1e-6):
            raise ValueError(
                f"codec '{leg_codec.kind}' decodes a sample differently when other samples are "
                "sent "
                "with it"
            )
