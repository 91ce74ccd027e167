"""Codecs one by one: bytes written, bits announced, and error of the decoded numbers."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy import ndarray
from torch import Tensor

from learner.codec import Codec, create

SUBNORMAL = 1e-42
PRECISION = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
"""Significant bits, the hidden one included."""
SMALLEST = {"float64": 5e-324, "float32": 2.0**-149, "float16": 2.0**-24, "bfloat16": 2.0**-133}
"""Smallest positive number."""
KINDS: list[dict[str, object]] = [
    {"kind": "float64"},
    {"kind": "float32"},
    {"kind": "float16"},
    {"kind": "bfloat16"},
    {"kind": "int8"},
    {"kind": "int4"},
    {"kind": "top_k", "k": 3},
    {"kind": "low_rank", "rank": 2},
]
MIN_WIDTH = 3


def names(table: dict[str, object]) -> str:
    return str(table["kind"])


def sent_bits(codec: Codec, vectors: Tensor, tokens: ndarray) -> int:
    """Return the number of encoded bytes, by writing them."""
    return 8 * sum(
        len(part.view(torch.uint8).numpy().tobytes()) for part in codec.encode(vectors, tokens)
    )


def round_trip(codec: Codec, vectors: Tensor, tokens: ndarray | None = None) -> Tensor:
    tokens = np.ones(len(vectors), int) if tokens is None else tokens
    return codec.decode(codec.encode(vectors, tokens), tokens, vectors.shape[1]).to(vectors)


@st.composite
def payloads(draw: st.DrawFn, largest: float = 1e4) -> tuple[Tensor, ndarray]:
    """Draw samples of one to five tokens with zeros, subnormals and large numbers."""
    tokens = np.array(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    width = draw(st.integers(MIN_WIDTH, 9))
    number = st.one_of(
        st.sampled_from([0.0, -0.0, SUBNORMAL, -SUBNORMAL, 2.0**-149, 1e-38, largest, -largest]),
        st.floats(-largest, largest, width=32),
        st.floats(-1, 1, width=32),
    )
    count = int(tokens.sum()) * width
    drawn = draw(st.lists(number, min_size=count, max_size=count))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    return torch.tensor(drawn, dtype=dtype).view(-1, width), tokens


@pytest.mark.parametrize("table", KINDS, ids=names)
@settings(deadline=None)
@given(payload=payloads())
def test_the_bytes_written_are_the_bits_announced(
    table: dict[str, object], payload: tuple[Tensor, ndarray]
) -> None:
    codec = create(**table)
    (vectors, tokens) = payload

    assert sent_bits(codec, vectors, tokens) == codec.bits(tokens, vectors.shape[1])


@pytest.mark.parametrize(
    ("table", "bits"),
    [
        ({"kind": "float64"}, 6 * 5 * 64),
        ({"kind": "float32"}, 6 * 5 * 32),
        ({"kind": "float16"}, 6 * 5 * 16),
        ({"kind": "bfloat16"}, 6 * 5 * 16),
        ({"kind": "int8"}, 6 * (5 * 8 + 32)),
        # Three bytes hold five numbers of 4 bits.
        ({"kind": "int4"}, 6 * (3 * 8 + 32)),
        ({"kind": "top_k", "k": 3}, 6 * 3 * (32 + 16)),
        # Samples of 1, 2 and 3 tokens: ranks 1, 2 and 2.
        ({"kind": "low_rank", "rank": 2}, 32 * (1 * (1 + 5) + 2 * (2 + 5) + 2 * (3 + 5))),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_the_bits_of_six_tokens_of_five_numbers_are_counted_by_hand(
    table: dict[str, object], bits: int
) -> None:
    codec = create(**table)
    tokens = np.array([1, 2, 3])
    vectors = torch.linspace(-1, 1, 30).view(6, 5)

    assert codec.bits(tokens, 5) == bits
    assert sent_bits(codec, vectors, tokens) == bits


@pytest.mark.parametrize("kind", PRECISION)
@settings(deadline=None)
@given(payload=payloads())
def test_the_error_of_a_float_is_at_most_half_its_last_digit(
    kind: str, payload: tuple[Tensor, ndarray]
) -> None:
    vectors, tokens = payload

    read = round_trip(create(kind), vectors, tokens)

    error = (read.double() - vectors.double()).abs()
    exact = vectors.double().abs()
    # PyTorch rounds a double to 16 bits by way of float32, which may round a tie the other way.
    bound = exact * 2.0 ** -PRECISION[kind] * (1 + 2.0**-12) + SMALLEST[kind] / 2 * (1 + 2.0**-12)
    assert (error <= bound).all()


def quantum(vectors: Tensor, steps: int) -> Tensor:
    """Return the maximum of each vector over the steps: the scale before its rounding."""
    return vectors.double().abs().amax(1, keepdim=True) / steps


@pytest.mark.parametrize(("kind", "steps"), [("int8", 127), ("int4", 7)])
@settings(deadline=None)
@given(payload=payloads(largest=2.0**126))
def test_the_error_of_an_integer_is_at_most_half_a_scale(
    kind: str, steps: int, payload: tuple[Tensor, ndarray]
) -> None:
    vectors, tokens = payload
    codec = create(kind)

    scale = codec.encode(vectors, tokens)[1].double()
    read = round_trip(codec, vectors, tokens)

    # The transmitted scale is that of theory, rounded up to the next float32.
    ideal = quantum(vectors, steps)
    assert (scale >= ideal * (1 - 1e-15)).all()
    assert (scale <= ideal * (1 + 2.0**-22) + 2.0**-149).all()
    error = (read.double() - vectors.double()).abs()
    # Quotient and product are each rounded to float32, by at most 2^-24 of themselves.
    assert (error <= scale / 2 + 2 * steps * 2.0**-24 * scale).all()


def test_int8_uses_the_whole_of_its_bound() -> None:
    # Scale 1: 127 is on the grid, 63.5 half way between two of its points, 10.25 a quarter.
    vectors = torch.tensor([[127.0, 63.5, -10.25, 0.0]])

    read = round_trip(create("int8"), vectors)

    assert (read - vectors).abs().tolist() == [[0.0, 0.5, 0.25, 0.0]]


@pytest.mark.parametrize("table", KINDS, ids=names)
def test_zeros_stay_zeros(table: dict[str, object]) -> None:
    codec = create(**table)  # type: ignore[arg-type]

    assert not round_trip(codec, torch.zeros(3, 4), np.array([1, 2])).any()


@settings(deadline=None)
@given(payload=payloads(largest=2.0**126), k=st.integers(1, MIN_WIDTH))
def test_top_k_keeps_the_largest_numbers_as_float32_and_no_others(
    payload: tuple[Tensor, ndarray], k: int
) -> None:
    vectors, tokens = payload

    read = round_trip(create("top_k", k=k), vectors, tokens)

    for before, after in zip(vectors.float().numpy(), read.float().numpy(), strict=True):
        kept = after != 0
        assert kept.sum() <= k
        np.testing.assert_array_equal(after[kept], before[kept])
        magnitude = np.sort(np.abs(before))[::-1]
        np.testing.assert_array_equal(np.sort(np.abs(after))[::-1][:k], magnitude[:k])


def test_top_k_names_places_beyond_32767() -> None:
    vectors = torch.zeros(1, 2**16)
    vectors[0, [0, 2**15 - 1, 2**15, 2**16 - 1]] = torch.tensor([1.0, -2.0, 3.0, -4.0])

    assert torch.equal(round_trip(create("top_k", k=4), vectors), vectors)
    with pytest.raises(ValueError, match="65537 numbers has more places than 16 bits can name"):
        create("top_k", k=4).bits(np.array([1]), 2**16 + 1)


@settings(deadline=None)
@given(payload=payloads(largest=1e4), rank=st.integers(1, MIN_WIDTH))
def test_low_rank_is_off_by_the_singular_values_left_out(
    payload: tuple[Tensor, ndarray], rank: int
) -> None:
    vectors, tokens = payload
    exact = vectors.double()

    read = round_trip(create("low_rank", rank=rank), vectors, tokens)

    for before, after in zip(
        exact.split(tokens.tolist()), read.double().split(tokens.tolist()), strict=True
    ):
        left_out = np.linalg.svd(before.numpy(), compute_uv=False)[rank:]
        error = np.linalg.norm((after - before).numpy())
        # Eckart-Young; what float32 adds is small against the sample's own norm.
        assert error == pytest.approx(
            np.linalg.norm(left_out), abs=1e-5 * before.norm().item() + 1e-30
        )


@pytest.mark.parametrize("table", KINDS, ids=names)
@settings(deadline=None)
@given(payload=payloads(), padding=st.integers(0, 3))
def test_other_samples_and_padding_do_not_change_a_decoded_sample(
    table: dict[str, object], payload: tuple[Tensor, ndarray], padding: int
) -> None:
    codec = create(**table)
    (vectors, tokens) = payload
    if table["kind"] == "low_rank":
        # The choice between equal singular values is not defined; near them, errors are amplified.
        for sample in vectors.double().split(tokens.tolist()):
            values = np.linalg.svd(sample.numpy(), compute_uv=False)
            assume(len(values) <= 2 or values[1] == 0 or values[2] < 0.9 * values[1])

    together = round_trip(codec, vectors, tokens).split(tokens.tolist())

    for sample, read in zip(vectors.split(tokens.tolist()), together, strict=True):
        padded = torch.cat([sample, sample.new_zeros(padding, sample.shape[1])])
        alone = round_trip(codec, padded, np.array([len(padded)]))[: len(sample)]
        scale = sample.abs().max().item()
        torch.testing.assert_close(alone, read, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize(("kind", "options"), [("int9", {}), ("top_k", {}), ("int8", {"k": 3})])
def test_a_codec_that_cannot_be_created_is_refused_in_one_line(
    kind: str, options: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=f"codec '{kind}'"):
        create(kind, **options)
