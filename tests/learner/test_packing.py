"""Packed micro-batches: same numbers as padded ones, in every architecture, and no padding."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.tiny_learner import Make, PhiloxStreams, arrays, train
from torch import Tensor
from torch.nn import functional

from learner.architectures import CutActivations
from learner.architectures.packing import Packing, plain_attention
from learner.executor.micro_batches import by_tokens
from learner.settings import LearnerSettings
from learner.split import Split
from learner.split_learner import SplitLearner, build

LENGTHS = st.lists(st.integers(1, 21), min_size=1, max_size=9)


def mask_of(lengths: list[int]) -> Tensor:
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()


@given(lengths=LENGTHS)
def test_a_packed_batch_unpacks_to_itself_without_its_padding(lengths: list[int]) -> None:
    mask = mask_of(lengths)
    batch = torch.randn(*mask.shape, 3, generator=torch.Generator().manual_seed(1))

    packing = Packing.from_mask(mask)

    if len(set(lengths)) == 1:
        assert packing is None
        return
    assert packing is not None
    row = packing.pack(batch)
    assert row.shape == (1, sum(lengths), 3)
    assert torch.equal(packing.unpack(row), batch * mask[:, :, None])
    assert sum(bucket.count for bucket in packing.buckets) == len(lengths)


@given(lengths=LENGTHS.filter(lambda lengths: len(set(lengths)) > 1))
def test_packed_attention_is_that_of_each_sequence_alone(lengths: list[int]) -> None:
    mask = mask_of(lengths)
    packing = Packing.from_mask(mask)
    assert packing is not None
    random = torch.Generator().manual_seed(2)
    padded = [
        torch.randn(*mask.shape, 2 * 4, generator=random, dtype=torch.float64, requires_grad=True)
        for _ in range(3)
    ]
    cotangent = torch.randn(*mask.shape, 8, generator=random, dtype=torch.float64)

    row = [packing.pack(states).view(1, -1, 2, 4).transpose(1, 2) for states in padded]
    output, _ = plain_attention(None, *row, attention_mask=packing)
    packed = packing.unpack(output.flatten(2))
    gradients = torch.autograd.grad((packed * cotangent).sum(), padded)

    for sample, length in enumerate(lengths):
        alone = [states[sample, :length].detach().requires_grad_() for states in padded]
        heads = [states.view(length, 2, 4).transpose(0, 1) for states in alone]
        expected = functional.scaled_dot_product_attention(*heads).transpose(0, 1).flatten(1)
        torch.testing.assert_close(packed[sample, :length], expected, rtol=1e-12, atol=1e-13)
        wanted = torch.autograd.grad((expected * cotangent[sample, :length]).sum(), alone)
        for gradient, reference in zip(gradients, wanted, strict=True):
            torch.testing.assert_close(gradient[sample, :length], reference, rtol=1e-11, atol=1e-13)
            assert not gradient[sample, length:].any(), "padding has no gradient"


@given(lengths=st.lists(st.integers(1, 9), max_size=12), budget=st.integers(1, 40))
def test_packed_micro_batches_hold_every_sample_once_within_the_budget(
    lengths: list[int], budget: int
) -> None:
    array = np.array(lengths, dtype=np.int64)

    batches = list(by_tokens(array, budget))

    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or array[batch].sum() <= budget
    in_order = array[[row for batch in batches for row in batch.tolist()]]
    assert (np.diff(in_order) >= 0).all(), "shortest first"


def after_training(settings: LearnerSettings) -> tuple[SplitLearner, list[float]]:
    subject = build(settings, 6, PhiloxStreams(3))
    losses = []
    for round_number, lost in ((1, [2]), (2, [])):
        losses += train(subject, round_number, [0, 1, 2, 5], lost=lost).losses.values()
    return subject, losses


def count_tokens(
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    counts: list[int],
    count: Callable[[CutActivations], int],
) -> None:
    """Record a count of the activations of each call of ``encode``."""
    encode = owner.encode

    def counted(*arguments: Any) -> Tensor:
        counts.extend(count(given) for given in arguments if isinstance(given, CutActivations))
        return encode(*arguments)

    monkeypatch.setattr(owner, "encode", counted)


def test_packed_rounds_equal_padded_ones_and_compute_no_padding(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    padded, padded_losses = after_training(make_settings(attention="sdpa"))
    real: list[int] = []
    computed: list[int] = []
    count_tokens(monkeypatch, Split, real, lambda embedded: int(embedded.mask.sum()))
    architecture = type(padded.parts.split.architecture)
    count_tokens(monkeypatch, architecture, computed, lambda row: row.hidden.shape[:2].numel())

    packed, packed_losses = after_training(make_settings(attention="plain"))

    assert packed.parts.split.packs
    assert not padded.parts.split.packs
    assert packed_losses == pytest.approx(padded_losses, rel=1e-10)
    for first, second in zip(arrays(packed), arrays(padded), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-8, atol=1e-11)
    packed_loss = packed.evaluate().loss
    assert real
    assert computed == real
    assert packed_loss == pytest.approx(padded.evaluate().loss, rel=1e-10)


def test_frozen_weights_in_bfloat16_give_the_bits_of_autocast(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, losses = after_training(make_settings(precision="bfloat16"))
    monkeypatch.setattr(Split, "store_frozen_weights", lambda self: None)
    converted, converted_losses = after_training(make_settings(precision="bfloat16"))

    name = "encoder.layer.0.output.dense.weight"
    assert stored.parts.split.model.get_parameter(name).dtype == torch.bfloat16
    assert converted.parts.split.model.get_parameter(name).dtype == torch.float32
    assert losses == converted_losses
    for first, second in zip(arrays(stored), arrays(converted), strict=True):
        assert torch.equal(first, second)
        assert first.dtype == torch.float32
