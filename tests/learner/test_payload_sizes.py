"""Payload sizes of all devices at once: those of each device by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pytest
from numpy import ndarray
from support.tiny_bert import WORDS
from support.tiny_learner import Make, PhiloxStreams, write_parquet
from torch import Tensor

from learner.codec import Codec, Encoded
from learner.executor import payloads
from learner.split_learner import build
from netsim.streams import Streams

DEVICES = 30
OVERLAPPING: Mapping[str, object] = {"data": {"share": 0.4, "overlap": True}}
CASES: dict[str, Mapping[str, object]] = {
    "disjoint": {"data": {"share": 1 / 30}},
    "overlapping": OVERLAPPING,
    "sizes that differ": {
        "data": {"share": 0.4, "overlap": True, "sizes": {"kind": "lognormal", "sigma": 0.3}}
    },
    "several minibatches": {
        **OVERLAPPING,
        "batch_size": 5,
        "local_batches": 3,
        "codec": {"skip_padding": True},
    },
    "skipped padding": {**OVERLAPPING, "codec": {"skip_padding": True}},
    "codecs": {
        **OVERLAPPING,
        "codec": {
            "embedding": {"kind": "low_rank", "rank": 3},
            "feature": {"kind": "top_k", "k": 2},
            "gradient": {"kind": "int4"},
        },
    },
    "floats": {**OVERLAPPING, "codec": {"default": {"kind": "float16"}}},
    "codec that counts payloads": {
        **OVERLAPPING,
        "codec": {"default": {"kind": "test_payload_sizes:Framed"}},
    },
}


@final
@dataclass(frozen=True)
class Framed(Codec):
    """Numbers as they are, after one frame of eight bytes per payload: not additive."""

    def bits(self, tokens: ndarray, width: int) -> int:
        return 64 + int(tokens.sum()) * width * 64

    def encode(self, vectors: Tensor, tokens: ndarray) -> Encoded:
        return vectors.new_zeros(1).double(), vectors.double()

    def decode(self, sent: Encoded, tokens: ndarray, width: int) -> Tensor:
        return sent[1]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("kept_bytes", [payloads._KEPT_BYTES, 10])
def test_sizes_of_all_devices_are_those_of_each_device(
    make_settings: Make,
    monkeypatch: pytest.MonkeyPatch,
    case: Mapping[str, object],
    kept_bytes: int,
) -> None:
    monkeypatch.setattr(payloads, "_KEPT_BYTES", kept_bytes)
    settings = make_settings()
    data = settings.data.model_dump(exclude_unset=True) | case["data"]  # type: ignore[operator]
    streams = Streams(4)
    subject = build(make_settings(**{**case, "data": data}), DEVICES, streams.generator)

    for round_number in (1, 2):
        together = subject.leg_bits_of_all(DEVICES, round_number, streams.subsets)

        alone = [subject.leg_bits(device, round_number) for device in range(DEVICES)]
        assert {leg: bits.tolist() for leg, bits in together.items()} == {
            leg: [float(size[leg]) for size in alone] for leg in alone[0]
        }
        assert len({size["embedding"] for size in alone}) > 1


def test_samples_of_one_length_have_equal_payloads_and_draw_nothing(
    make_settings: Make, tmp_path: Path
) -> None:
    def draw(*_: object) -> ndarray:
        raise AssertionError("no minibatch is needed")

    for name in ("train", "validation"):
        write_parquet(tmp_path, f"{name}.parquet", sentence=[WORDS[0]] * 40, label=[0, 1] * 20)
    subject = build(make_settings(data={"path": str(tmp_path)}), 4, PhiloxStreams(1))

    together = subject.leg_bits_of_all(4, 1, draw)

    assert {leg: bits.tolist() for leg, bits in together.items()} == {
        leg: [float(bits)] * 4 for leg, bits in subject.leg_bits(3, 1).items()
    }
