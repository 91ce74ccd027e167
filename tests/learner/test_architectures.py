"""Split models of every architecture against their unsplit models."""

import os
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.tiny_learner import CLASSES, Make, PhiloxStreams, sentence, train, write_parquet
from support.tiny_models import CONFIGS, IMAGES, POOLERS, TEXT, save_model, save_pictures
from support.unsplit_model import Unsplit, lora_values
from transformers import AutoConfig, AutoModel, ViTConfig

from learner import fedavg_learner
from learner.architectures import ARCHITECTURES
from learner.architectures.pretrained import quiet
from learner.lora import attach
from learner.precision import Precision
from learner.settings import LearnerSettings, Lora
from learner.split import Split
from learner.split_learner import SplitLearner, build

LR = 0.1
PLAIN = Precision(torch.device("cpu"), torch.float32, None, deterministic=False)
MakeOf = Callable[..., LearnerSettings]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("families")
    return {kind: save_model(folder / kind, kind) for kind in CONFIGS}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of sentence pairs of very different lengths."""
    folder = tmp_path_factory.mktemp("pairs")
    random = PhiloxStreams(5)("pairs")
    for name, count in (("train.parquet", 120), ("validation.parquet", 30)):
        labels = [n % CLASSES for n in range(count)]
        first, second = ([sentence(random, label) for label in labels] for _ in range(2))
        write_parquet(folder, name, sentence1=first, sentence2=second, label=labels)
    return folder


@pytest.fixture
def make_of(make_settings: Make, models: dict[str, Path], pictures: Path, pairs: Path) -> MakeOf:
    """Return a factory of settings of an architecture, with pairs or images and small batches."""

    def make(kind: str, **changes: object) -> LearnerSettings:
        data = {"path": str(pictures if kind in IMAGES else pairs)}
        return make_settings(
            **{
                "model": str(models[kind]),
                "pooling": "pooler" if kind in POOLERS else "mean",
                "lora": {"rank": 2, "alpha": 4},
                "data": data | {"sizes": {"kind": "lognormal", "sigma": 0.4}},
                "weights": "samples",
                "batch_size": 3,
                "max_tokens": 24,
            }
            | changes,
        )

    return make


def compare_with_unsplit(settings: LearnerSettings, devices: list[int], lost: list[int]) -> None:
    """Assert that a round moves LoRA along the gradient of the unsplit model."""
    subject = build(settings, 6, PhiloxStreams(1))
    # After the first round B is no longer 0, so that A has a gradient too.
    train(subject, 1, [0, 1, 2])
    unsplit = Unsplit(subject, settings, devices)
    before = lora_values(subject)
    rows = {device: subject.partition.minibatch(device, 2) for device in devices}
    arrived = [device for device in devices if device not in lost]
    total = sum(subject.partition.sizes[device] for device in arrived)
    loss = torch.zeros((), dtype=torch.float64)
    for device in arrived:
        batch = subject.parts.samples.batch(rows[device])
        own = unsplit.loss(device, batch, subject.parts.samples.labels_of(rows[device]))
        loss = loss + subject.partition.sizes[device] / total * own
    loss.backward()

    train(subject, 2, devices, lost=lost)

    assert len({int(subject.partition.sizes[device]) for device in arrived}) > 1, (
        "weights must differ"
    )
    for name, pair in lora_values(subject).items():
        for old, new, reference in zip(before[name], pair, unsplit.pairs[name], strict=True):
            assert reference.grad is not None
            assert reference.grad.abs().max() > 1e-9, "a gradient of 0 would prove nothing"
            torch.testing.assert_close((old - new) / LR, reference.grad, rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize(
    ("executor", "attention"), [("batched", "sdpa"), ("eager", "sdpa"), ("batched", "plain")]
)
@pytest.mark.parametrize("kind", CONFIGS)
def test_lora_steps_along_the_gradient_of_the_unsplit_model(
    make_of: MakeOf, kind: str, executor: str, attention: str
) -> None:
    settings = make_of(kind, executor=executor, attention=attention)
    compare_with_unsplit(settings, [4, 1, 3, 5, 0], lost=[4])


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_split_model_pools_as_the_unsplit_one(make_of: MakeOf, kind: str) -> None:
    poolings = ["cls", "mean", "cls_mean", *(["pooler"] if kind in POOLERS else [])]
    for pooling in poolings:
        settings = make_of(kind, pooling=pooling)
        subject = build(settings, 6, PhiloxStreams(1))
        rows = subject.partition.minibatch(0, 1)
        batch = subject.parts.samples.batch(rows)

        pooled = subject.parts.split.encode(subject.parts.split.embed(batch))

        expected = Unsplit(subject, settings, []).pooled(batch)
        torch.testing.assert_close(pooled, expected, rtol=1e-9, atol=1e-11)
        assert pooled.shape[1] == (32 if pooling == "cls_mean" else 16)
        assert subject.leg_bits(0, 1)["feature"] == 3 * pooled.shape[1] * 32


@pytest.mark.parametrize("kind", TEXT)
def test_padding_changes_nothing(make_of: MakeOf, kind: str) -> None:
    subject = build(make_of(kind), 6, PhiloxStreams(1))
    split = subject.parts.split
    samples = subject.parts.samples
    rows = subject.partition.minibatch(0, 1)
    assert len(set(samples.lengths[rows])) > 1

    together = split.encode(split.embed(samples.batch(rows)))

    alone = torch.cat(
        [split.encode(split.embed(samples.batch(rows[n : n + 1]))) for n in range(len(rows))]
    )
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_embedding_has_the_bits_that_are_counted(make_of: MakeOf, kind: str) -> None:
    subject = build(make_of(kind), 6, PhiloxStreams(1))
    rows = subject.partition.minibatch(2, 1)

    hidden = subject.parts.split.embed(subject.parts.samples.batch(rows)).hidden

    assert subject.leg_bits(2, 1)["embedding"] == hidden.numel() * 32
    assert hidden.shape[2] == (8 if kind == "electra" else 16), "ELECTRA sends its narrow embedding"


@pytest.mark.parametrize("kind", CONFIGS)
def test_by_default_query_and_value_of_every_layer_learn(make_of: MakeOf, kind: str) -> None:
    subject: SplitLearner = build(make_of(kind), 6, PhiloxStreams(1))

    # Two layers, query and value, 2 x 16 and 16 x 2.
    assert subject.trainable_parameters == 2 * 2 * (2 * 16 + 16 * 2)
    assert len(subject.parts.split.adapters) == 4
    for part in ("key", "k_", ".k"):
        assert not any(part in pair.module for pair in subject.parts.split.adapters)


def test_electra_may_adapt_its_projection(make_of: MakeOf) -> None:
    lora = {"rank": 2, "alpha": 4, "targets": ["embeddings_project", "query"]}

    compare_with_unsplit(make_of("electra", lora=lora), [0, 1, 2], lost=[])


@pytest.mark.parametrize("kind", CONFIGS)
def test_federated_devices_together_equal_one_after_another(make_of: MakeOf, kind: str) -> None:
    losses = {}
    for executor in ("batched", "eager"):
        settings = make_of(kind, executor=executor, attention="plain")
        subject = fedavg_learner.build(settings, 6, PhiloxStreams(1), local_steps=2)
        rounds = [train(subject, number, [0, 1, 2, 4], lost=[1]) for number in (1, 2)]
        losses[executor] = [loss for result in rounds for loss in result.losses.values()]

    assert losses["batched"] == pytest.approx(losses["eager"], rel=1e-9)


@pytest.mark.parametrize("kind", ["bert", "vit"])
def test_rank_stabilised_lora_scales_by_the_root_of_the_rank(make_of: MakeOf, kind: str) -> None:
    settings = make_of(kind, lora={"rank": 3, "alpha": 4, "rslora": True})

    compare_with_unsplit(settings, [0, 1, 2], lost=[])


def test_dinov2_takes_images_of_another_size_than_it_was_trained_on(
    tmp_path: Path, make_of: MakeOf
) -> None:
    folder = save_model(tmp_path, "dinov2", image_size=28)

    subject = build(make_of("dinov2", model=str(folder)), 6, PhiloxStreams(1))

    # 3 x 3 patches of the processor's 12 x 12 pixels, and [CLS].
    assert set(subject.parts.samples.lengths) == {10}
    compare_with_unsplit(make_of("dinov2", model=str(folder)), [0, 1, 2], lost=[])


def test_a_half_precision_checkpoint_is_loaded_in_full_precision(
    tmp_path: Path, make_of: MakeOf
) -> None:
    folder = save_model(tmp_path, "vit")
    AutoModel.from_pretrained(folder, dtype=torch.float16, trust_remote_code=False).save_pretrained(
        folder
    )

    subject = build(make_of("vit", model=str(folder), precision="float32"), 6, PhiloxStreams(1))

    assert {weight.dtype for weight in subject.parts.split.model.parameters()} == {torch.float32}
    assert train(subject, 1, [0, 1]).train_loss is not None


def test_vit_base_has_the_papers_663552_trainable_numbers(rng: PhiloxStreams) -> None:
    with torch.device("meta"):
        model = AutoModel.from_config(ViTConfig(), add_pooling_layer=False)
    model = model.to_empty(device="cpu").requires_grad_(requires_grad=False)
    architecture = ARCHITECTURES["vit"]
    file = Path(__file__).parents[2] / "scenarios" / "paper" / "cifar10.toml"
    lora = Lora.model_validate(tomllib.loads(file.read_text())["learner"]["lora"])

    split = Split(
        architecture,
        model,
        "cls",
        adapters=attach(model, architecture, lora, rng=rng),
        precision=PLAIN,
    )

    # 12 layers of query and value, 8 x 768 + 768 x 8, and the first MLP layer, 8 x 768 + 3072 x 8.
    assert split.trainable_parameters == 12 * (2 * 2 * 8 * 768 + 8 * (768 + 3072)) == 663_552


def test_every_architecture_is_a_model_type_of_transformers() -> None:
    for kind in ARCHITECTURES:
        assert AutoConfig.for_model(kind).model_type == kind


def test_nothing_reaches_standard_output_while_files_of_a_model_are_read(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with quiet():
        os.write(1, b"\x1b[2J")
    assert capfd.readouterr().out == ""
    os.write(1, b"later")
    assert capfd.readouterr().out == "later"
