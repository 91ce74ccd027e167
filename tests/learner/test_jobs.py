"""Jobs: the bits of their legs and the samples of their minibatches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_learner import Make, PhiloxStreams, train, write_parquet
from transformers import BertConfig, BertModel

from learner.architectures import ARCHITECTURES
from learner.lora import attach
from learner.precision import Precision
from learner.settings import Lora
from learner.split import Split
from learner.split_learner import build

PLAIN = Precision(torch.device("cpu"), torch.float32, None, deterministic=False)


def test_payloads_are_counted_by_hand(
    make_settings: Make, rng: PhiloxStreams, tmp_path: Path
) -> None:
    texts = ["word1 word2 word3"] * 9 + ["word1 word2 word3 word4 word5"]
    labels = [n % 2 for n in range(10)]
    folder = write_parquet(tmp_path, "train.parquet", text=texts, label=labels)
    write_parquet(folder, "test.parquet", text=texts, label=labels)
    subject = build(make_settings(data={"path": str(folder)}, batch_size=10), 1, rng)

    bits = subject.leg_bits(0, 1)

    # 10 samples padded to [CLS] + 5 words + [SEP], 16 numbers of 32 bits per token; one pooled
    # vector per sample.
    assert bits == {
        "embedding": 10 * 7 * 16 * 32,
        "feature": 10 * 16 * 32,
        "gradient": 10 * 16 * 32,
    }


def test_a_minibatch_does_not_depend_on_who_was_scheduled_before(make_settings: Make) -> None:
    busy, quiet = (build(make_settings(), 6, PhiloxStreams(5)) for _ in range(2))
    for round_number in range(1, 4):
        train(busy, round_number, [0, 1, 2, 5])

    first, second = busy.start(3, 4), quiet.start(3, 4)

    assert np.array_equal(first.rows, second.rows)
    assert not np.array_equal(first.rows, quiet.start(2, 4).rows)


def test_a_minibatch_is_drawn_without_replacement_from_its_share(
    make_settings: Make, rng: PhiloxStreams
) -> None:
    subject = build(make_settings(batch_size=20), 6, rng)
    shares = [set(subject.partition.share(device).tolist()) for device in range(6)]

    rows = subject.start(2, 1).rows

    assert set(rows.tolist()) == shares[2], "20 of the 20 samples"
    assert sum(len(share) for share in shares) == len(set().union(*shares)) == 120


def test_devices_and_rounds_draw_independently(make_settings: Make, rng: PhiloxStreams) -> None:
    partition = build(make_settings(), 6, rng).partition
    drawn = {
        tuple(
            np.flatnonzero(
                np.isin(partition.share(device), partition.minibatch(device, round_number))
            ).tolist()
        )
        for device in range(6)
        for round_number in range(1, 6)
    }

    # 30 draws of 4 places out of 20: of 4,845, so a few may meet by chance.
    assert len(drawn) >= 28


def test_shares_may_overlap_with_the_option(make_settings: Make, rng: PhiloxStreams) -> None:
    data = make_settings().data.model_dump() | {"share": 0.5, "overlap": True}
    subject = build(make_settings(data=data), 6, rng)
    shares = [set(subject.partition.share(device).tolist()) for device in range(6)]

    assert [len(share) for share in shares] == [60] * 6
    assert len(set().union(*shares)) > 60
    assert set(subject.start(0, 1).rows.tolist()) <= shares[0]


def test_twenty_shares_of_five_percent_are_all_samples(
    make_settings: Make, rng: PhiloxStreams
) -> None:
    data = make_settings().data.model_dump() | {"share": 0.05}
    subject = build(make_settings(data=data), 20, rng)

    assert len(set().union(*(subject.partition.share(k).tolist() for k in range(20)))) == 120


def test_steps_out_of_order_are_refused(make_settings: Make, rng: PhiloxStreams) -> None:
    subject = build(make_settings(), 6, rng)
    job = subject.start(0, 1)
    subject.computed(job, "embed")

    with pytest.raises(AssertionError, match="follow each other"):
        subject.computed(job, "head")
    with pytest.raises(AssertionError, match="follow each other"):
        subject.delivered(job, "gradient")
    with pytest.raises(AssertionError, match="one job in a round"):
        subject.start(0, 1)


def test_bert_base_has_the_papers_454656_trainable_numbers(rng: PhiloxStreams) -> None:
    with torch.device("meta"):
        model = BertModel(BertConfig())
    model = model.to_empty(device="cpu").requires_grad_(requires_grad=False)
    architecture = ARCHITECTURES["bert"]

    lora = Lora(rank=8, alpha=16, targets=("query", "key", "value", "pooler.dense"))
    split = Split(
        architecture,
        model,
        "pooler",
        adapters=attach(model, architecture, lora, rng=rng),
        precision=PLAIN,
    )

    # 12 layers of three pairs, and the pooler's: each 8 x 768 + 768 x 8.
    assert split.trainable_parameters == (12 * 3 + 1) * 2 * 8 * 768 == 454_656
    assert split.trainable_parameters == sum(
        p.numel() for p in model.parameters() if p.requires_grad
    )


def test_lora_starts_as_the_identity_with_a_within_its_bound(
    make_settings: Make, rng: PhiloxStreams
) -> None:
    for pair in build(make_settings(), 3, rng).parts.split.adapters:
        assert not pair.up.any()
        assert 0 < pair.down.abs().max() <= 1 / np.sqrt(16)
