"""Split link with codecs: the decoded payloads enter the step, by hand and in both executors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_learner import Make, PhiloxStreams, arrays, train
from test_executors import after_training
from test_keystone import LR, warmed_up
from torch import Tensor

from learner.architectures import CutActivations
from learner.codec import SplitLink, build_link
from learner.executor.batched import LinkBoundary
from learner.settings import Codecs
from learner.split_learner import SplitLearner, build

LOSSY: dict[str, dict[str, object]] = {
    "float16": {"default": {"kind": "float16"}},
    "bfloat16": {"default": {"kind": "bfloat16"}},
    "int8": {"default": {"kind": "int8"}},
    "int4": {"default": {"kind": "int4"}},
    "top_k": {"default": {"kind": "top_k", "k": 5}},
    "low_rank": {"embedding": {"kind": "low_rank", "rank": 3}},
}
EXACT: dict[str, dict[str, object]] = {
    "float32": {"default": {"kind": "float32"}},
    "float64": {"default": {"kind": "float64"}},
}


def linked(width: int = 4, **codecs: object) -> SplitLink:
    return build_link(Codecs.model_validate(codecs), width, width)


def tensor(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


class TestByHand:
    """Two tokens of two numbers each, int4: the largest number is 7 steps."""

    def test_the_server_reads_the_nearest_of_fifteen_steps(self) -> None:
        # Scales 1 and 0.5, which float32 has exactly.
        hidden = tensor([7.0, 3.4], [-3.5, 1.1])[None]

        read = linked(2, embedding={"kind": "int4"}).embedding(
            CutActivations(hidden, torch.ones(1, 2).long()), None
        )

        assert read.hidden.tolist() == [[[7.0, 3.0], [-3.5, 1.0]]]

    def test_the_gradient_is_that_of_the_decoded_values(self) -> None:
        # z = x w; the head squares what it reads: loss = sum(zr^2), so dL/dzr = 2 zr, straight
        # through to z.
        w = tensor([1.0, 1.0], [1.0, 0.5]).requires_grad_()
        x = tensor([7.0, 3.4], [-3.5, 2.2])
        link = linked(2, feature={"kind": "int4"})
        weights = torch.ones(2, dtype=torch.float64)

        read = LinkBoundary.apply(x * w, weights, link, np.array([0, 0]))  # type: ignore[no-untyped-call]
        read.square().sum().backward()

        # z = (7, 3.4), scale 1; and (-3.5, 1.1), scale 0.5.
        assert read.tolist() == [[7.0, 3.0], [-3.5, 1.0]]
        assert w.grad is not None
        # 2 zr x, and not 2 z x.
        assert w.grad.tolist() == [[2 * 7 * 7.0, 2 * 3 * 3.4], [2 * -3.5 * -3.5, 2 * 1 * 2.2]]

    def test_the_server_weighs_the_gradient_that_it_decoded(
        self,
    ) -> None:
        # The device's own gradient (14, 6.8) is encoded before it is weighted: scale 2, steps 7 and
        # 3.
        w = tensor([1.0, 1.0], [1.0, 1.0]).requires_grad_()
        x = tensor([7.0, 3.4], [7.0, 3.4])
        link = linked(2, gradient={"kind": "int4"})
        weights = torch.tensor([0.25, 0.75], dtype=torch.float64)

        read = LinkBoundary.apply(x * w, weights, link, np.array([0, 1]))  # type: ignore[no-untyped-call]
        read.square().sum().backward()

        assert read.tolist() == x.tolist()
        assert w.grad is not None
        assert w.grad.tolist() == [[0.25 * 14 * 7, 0.25 * 6 * 3.4], [0.75 * 14 * 7, 0.75 * 6 * 3.4]]

    def test_top_k_lets_the_largest_number_of_each_gradient_through(self) -> None:
        link = linked(2, gradient={"kind": "top_k", "k": 1})

        assert link.gradient(tensor([1.0, -2.0], [0.5, 0.25]), None).tolist() == [
            [0.0, -2.0],
            [0.5, 0.0],
        ]

    def test_only_transmitted_padding_has_bits(self) -> None:
        lengths = np.array([1, 3])

        padded = linked(default={"kind": "float16"}).bits(lengths, 4, 5)
        skipped = linked(default={"kind": "float16"}, skip_padding=True).bits(lengths, 4, 5)

        assert padded == (2 * 3 * 4 * 16, 2 * 5 * 16, 2 * 5 * 16)
        assert skipped == (4 * 4 * 16, 2 * 5 * 16, 2 * 5 * 16)
        assert linked(skip_padding=True).bits(lengths, 4, 5) == (4 * 4 * 32, 2 * 5 * 32, 2 * 5 * 32)


@pytest.mark.parametrize("skip_padding", [False, True])
@pytest.mark.parametrize("name", LOSSY)
def test_eager_equals_batched_with_every_codec(
    make_settings: Make, name: str, skip_padding: bool
) -> None:
    codec = {**LOSSY[name], "skip_padding": skip_padding}

    batched, batched_losses = after_training(make_settings(codec=codec, executor="batched"))
    eager, eager_losses = after_training(make_settings(codec=codec, executor="eager"))
    plain, _ = after_training(make_settings())

    for first, second in zip(batched_losses, eager_losses, strict=True):
        assert first == pytest.approx(second, rel=1e-9)
    for first, second in zip(arrays(batched), arrays(eager), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-12)
    assert batched.evaluate().loss == pytest.approx(eager.evaluate().loss, rel=1e-9)
    moved = [(a - b).norm() / b.norm() for a, b in zip(arrays(batched), arrays(plain), strict=True)]
    assert max(moved) > 1e-5, "a lossy codec must have lost something"


@pytest.mark.parametrize("name", LOSSY)
def test_transmitted_padding_changes_only_the_bits(make_settings: Make, name: str) -> None:
    padded, skipped = (
        after_training(make_settings(codec={**LOSSY[name], "skip_padding": skip}))[0]
        for skip in (False, True)
    )

    for first, second in zip(arrays(padded), arrays(skipped), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-12)
    assert padded.leg_bits(0, 1)["embedding"] > skipped.leg_bits(0, 1)["embedding"]


@pytest.mark.parametrize("skip_padding", [False, True])
@pytest.mark.parametrize("executor", ["batched", "eager"])
@pytest.mark.parametrize(("kind", "precision"), [("float32", "float32"), ("float64", "float64")])
def test_an_exact_codec_changes_no_bit(
    make_settings: Make, executor: str, kind: str, precision: str, skip_padding: bool
) -> None:
    codec = {"default": {"kind": kind}, "skip_padding": skip_padding}

    plain, losses = after_training(make_settings(executor=executor, precision=precision))
    coded, coded_losses = after_training(
        make_settings(executor=executor, precision=precision, codec=codec)
    )

    assert coded_losses == losses
    for first, second in zip(arrays(coded), arrays(plain), strict=True):
        assert torch.equal(first, second)
    assert coded.evaluate() == plain.evaluate()


def test_float32_under_double_arithmetic_stays_within_float32_s_tolerance(
    make_settings: Make,
) -> None:
    plain, _ = after_training(make_settings())
    coded, _ = after_training(make_settings(codec=EXACT["float32"]))

    moved = [(a - b).norm() / b.norm() for a, b in zip(arrays(coded), arrays(plain), strict=True)]

    assert 0 < max(moved) <= 1e-5


class Reference:
    """Reference step of one device with autograd, each leg rounded by a plain function."""

    def __init__(self, subject: SplitLearner) -> None:
        self.subject = subject

    def gradients(self, device: int, round_number: int) -> tuple[list[Tensor], list[Tensor]]:
        """Return the gradient of every LoRA matrix, and of the head's weight and bias."""
        parts = self.subject.parts
        rows = self.subject.partition.minibatch(device, round_number)
        embedded = parts.split.embed(parts.samples.batch(rows))
        pooled = parts.split.encode(CutActivations(embedded.hidden.half().double(), embedded.mask))
        read = rounded(pooled.detach()).requires_grad_()
        stack = parts.bank.stack([device])
        logits = read @ stack.weight[0].T + stack.bias[0]
        loss = torch.nn.functional.cross_entropy(logits, parts.samples.labels_of(rows))
        loss.backward()
        assert read.grad is not None
        assert stack.weight.grad is not None
        assert stack.bias.grad is not None
        largest = read.grad.abs() == read.grad.abs().amax(1, keepdim=True)
        lora = [matrix for pair in parts.split.adapters for matrix in (pair.down, pair.up)]
        own = torch.autograd.grad(
            pooled, lora, torch.where(largest, read.grad.float().double(), 0.0)
        )
        return list(own), [stack.weight.grad[0], stack.bias.grad[0]]


def rounded(values: Tensor) -> Tensor:
    """Return the int8 round trip in NumPy."""
    scale = (values.abs().amax(1, keepdim=True) / 127).float().double()
    return torch.from_numpy(np.rint((values / scale).numpy())) * scale


@pytest.mark.parametrize("executor", ["batched", "eager"])
def test_a_round_steps_along_the_gradients_of_what_was_decoded(
    make_settings: Make, rng: PhiloxStreams, executor: str
) -> None:
    codec = {
        "embedding": {"kind": "float16"},
        "feature": {"kind": "int8"},
        "gradient": {"kind": "top_k", "k": 1},
    }
    subject = warmed_up(make_settings(executor=executor, codec=codec), rng)
    reference = Reference(subject)
    devices = [4, 1, 3]
    arrived = [4, 3]
    expected = {device: reference.gradients(device, 2) for device in devices}
    before = arrays(subject)

    train(subject, 2, devices, lost=[1])

    after = arrays(subject)
    lora = len(expected[4][0])
    for number, (old, new) in enumerate(zip(before[:lora], after[:lora], strict=True)):
        mean = torch.stack([expected[device][0][number] for device in arrived]).mean(0)
        assert mean.abs().max() > 1e-9, "a gradient of 0 would prove nothing"
        # The scale of int8 is rounded up, and here to nearest: a float32's last place.
        torch.testing.assert_close(
            (old - new) / LR, mean, rtol=1e-5, atol=1e-5 * mean.abs().max().item()
        )
    for device in devices:
        moved = (before[lora + device] - after[lora + device]) / LR
        torch.testing.assert_close(moved, expected[device][1][0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("skip_padding", [False, True])
@pytest.mark.parametrize("name", [*LOSSY, *EXACT])
def test_the_bits_of_the_legs_are_the_bytes_of_their_payloads(
    make_settings: Make, name: str, skip_padding: bool
) -> None:
    codec = {**(LOSSY | EXACT)[name], "skip_padding": skip_padding}
    settings = make_settings(codec=codec)
    subject = build(settings, 6, PhiloxStreams(1))
    job = subject.start(2, 1)
    samples = subject.parts.samples
    split = subject.parts.split
    embedded = split.embed(samples.batch(job.rows))
    pooled = split.encode(embedded).detach()
    lengths = samples.lengths[job.rows]
    assert len(set(lengths.tolist())) > 1, "needs padding"
    present = embedded.mask.bool() if skip_padding else torch.ones_like(embedded.mask).bool()

    expected = []
    for leg, vectors, tokens in (
        ("embedding", embedded.hidden[present], present.sum(1).numpy()),
        ("feature", pooled, np.ones(len(pooled), int)),
        ("gradient", pooled, np.ones(len(pooled), int)),
    ):
        wire = getattr(subject.parts.link, f"_{leg}")
        if wire.codec is None:
            expected.append(32 * vectors.numel())
            continue
        sent = wire.codec.encode(vectors, tokens)
        expected.append(
            8 * len(b"".join(part.view(torch.uint8).numpy().tobytes() for part in sent))
        )

    assert list(subject.leg_bits(2, 1).values()) == expected


def test_evaluation_uses_the_decoded_payloads(make_settings: Make, rng: PhiloxStreams) -> None:
    plain = build(make_settings(), 6, rng).evaluate()
    coded = build(make_settings(codec={"feature": {"kind": "top_k", "k": 1}}), 6, rng).evaluate()

    assert plain.loss != pytest.approx(coded.loss, rel=1e-3)


def test_a_learner_s_state_knows_nothing_of_codecs(make_settings: Make, tmp_path: Path) -> None:
    codec = {"default": {"kind": "int8"}, "skip_padding": True}
    optimizer = {"kind": "adamw", "lr": 0.01}
    straight, stopped, resumed = (
        build(make_settings(codec=codec, optimizer=optimizer), 6, PhiloxStreams(1))
        for _ in range(3)
    )
    for subject in (straight, stopped):
        train(subject, 1, [0, 1])
    stopped.save(tmp_path / "state")
    resumed.load(tmp_path / "state")

    for subject in (straight, resumed):
        train(subject, 2, [1, 2])

    for first, second in zip(arrays(straight), arrays(resumed), strict=True):
        assert torch.equal(first, second)
