"""Codec errors: numbers beyond a format, and codecs that violate their interface."""

import numpy as np
import pytest
import torch
from support.tiny_learner import Make, PhiloxStreams, train
from test_split_link import EXACT, LOSSY, linked
from torch import Tensor

from learner.architectures import CutActivations
from learner.codec import Codec, Encoded
from learner.errors import CodecError, LearnerInputError
from learner.split_learner import build


@pytest.mark.parametrize("executor", ["batched", "eager"])
def test_a_number_beyond_a_codec_names_leg_device_and_remedy(
    make_settings: Make, rng: PhiloxStreams, executor: str
) -> None:
    subject = build(
        make_settings(executor=executor, codec={"feature": {"kind": "float16"}}), 6, rng
    )
    pooler = subject.parts.split.model.pooler

    pooler.register_forward_hook(lambda module, args, output: output * 1e6)

    with pytest.raises(
        CodecError,
        match=r"^the feature of device 3 holds -?\d+, which 'float16' cannot carry; take",
    ):
        train(subject, 1, [3])


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", [*LOSSY, *EXACT])
def test_numbers_that_are_not_finite_are_refused(name: str, number: float) -> None:
    link = linked(5, **(LOSSY | EXACT)[name])
    hidden = torch.ones(2, 2, 5, dtype=torch.float64)
    hidden[1, 0, 3] = number

    with pytest.raises(
        CodecError,
        match=rf"^the embedding of device 8 holds {number}, which no codec carries; lower the "
        rf"learning rates$",
    ):
        link.embedding(CutActivations(hidden, torch.tensor([[1, 1], [1, 0]])), np.array([7, 8]))


@pytest.mark.parametrize("skip_padding", [False, True])
def test_numbers_that_are_not_finite_in_padding_do_not_matter(skip_padding: bool) -> None:
    hidden = torch.ones(2, 2, 5)
    hidden[1, 1, 3] = torch.inf

    link = linked(5, default={"kind": "int8"}, skip_padding=skip_padding)

    read = link.embedding(CutActivations(hidden, torch.tensor([[1, 1], [1, 0]])), None)
    assert read.hidden[1, 1].tolist() == [0.0] * 5


class Whole(Codec):
    """Quantisation with one scale per payload: the two executors would disagree."""

    def bits(self, tokens: np.ndarray, width: int) -> int:
        return int(tokens.sum()) * width * 32 + 32

    def encode(self, vectors: Tensor, tokens: np.ndarray) -> Encoded:
        scale = vectors.abs().max().float().reshape(1)
        return (vectors / scale * 10).round().float(), scale

    def decode(self, sent: Encoded, tokens: np.ndarray, width: int) -> Tensor:
        return sent[0] * sent[1] / 10


class Liar(Codec):
    """Codec that announces half of its bits."""

    def bits(self, tokens: np.ndarray, width: int) -> int:
        return int(tokens.sum()) * width * 16

    def encode(self, vectors: Tensor, tokens: np.ndarray) -> Encoded:
        return (vectors.float(),)

    def decode(self, sent: Encoded, tokens: np.ndarray, width: int) -> Tensor:
        return sent[0]


class Flat(Liar):
    """Codec that decodes another shape."""

    def bits(self, tokens: np.ndarray, width: int) -> int:
        return int(tokens.sum()) * width * 32

    def decode(self, sent: Encoded, tokens: np.ndarray, width: int) -> Tensor:
        return sent[0].flatten()


class Crashing(Liar):
    """Codec that raises an error of PyTorch."""

    def encode(self, vectors: Tensor, tokens: np.ndarray) -> Encoded:
        return (vectors @ vectors,)


@pytest.mark.parametrize(
    ("codecs", "key", "problem"),
    [
        (
            {"gradient": {"kind": "test_refusals:Crashing"}},
            "gradient",
            "codec 'test_refusals:Crashing' fails on a trial payload: RuntimeError: mat1 and "
            "mat2 shapes cannot be "
            "multiplied (3x16 and 3x16)",
        ),
        (
            {"default": {"kind": "top_k", "k": 17}},
            "default",
            "k = 17 exceeds the 16 numbers of a vector",
        ),
        (
            {"embedding": {"kind": "low_rank", "rank": 17}},
            "embedding",
            "rank = 17 exceeds the 16 numbers of a vector",
        ),
        (
            {"feature": {"kind": "test_refusals:Whole"}},
            "feature",
            "codec 'test_refusals:Whole' decodes a sample differently when other samples "
            "are sent with it",
        ),
        (
            {"gradient": {"kind": "test_refusals:Liar"}},
            "gradient",
            "codec 'test_refusals:Liar' wrote 1536 bits of gradient and announced 768",
        ),
        (
            {"gradient": {"kind": "test_refusals:Flat"}},
            "gradient",
            "codec 'test_refusals:Flat' read (48,) numbers of gradient where (3, 16) were sent",
        ),
        (
            {"gradient": {"kind": "test_refusals:Liar", "k": 3}},
            "gradient.k",
            "unknown; Liar takes none",
        ),
        (
            {"gradient": {"kind": "test_refusals:Missing"}},
            "gradient",
            "codec 'test_refusals:Missing' cannot be imported: module 'test_refusals' has no "
            "attribute 'Missing'",
        ),
        (
            {"gradient": {"kind": "test_refusals:LOSSY"}},
            "gradient",
            "codec 'test_refusals:LOSSY' is not a subclass of learner.codec.Codec",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_faulty_codec_is_refused_before_the_first_round(
    make_settings: Make, rng: PhiloxStreams, codecs: dict[str, object], key: str, problem: str
) -> None:
    with pytest.raises(LearnerInputError) as refused:
        build(make_settings(codec=codecs), 6, rng)

    assert str(refused.value) == f"learner.codec.{key}: {problem}"
