"""Device, precision, compilation and memory: results agree, failures are one line."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.tiny_learner import Make, PhiloxStreams, aggregate, arrays, compute, train
from transformers import PreTrainedModel

from learner.architectures import pretrained
from learner.errors import LearnerInputError, OutOfMemoryError
from learner.precision import Precision
from learner.settings import LearnerSettings
from learner.split_learner import SplitLearner, build

DEVICES = 6


def after_training(settings: LearnerSettings) -> tuple[SplitLearner, list[float]]:
    subject = build(settings, DEVICES, PhiloxStreams(3))
    losses = []
    for round_number, (devices, lost) in enumerate(
        [([0, 1, 2, 5], [2]), ([3, 1], []), ([4, 0], [4])], start=1
    ):
        losses += train(subject, round_number, devices, lost=lost).losses.values()
    return subject, losses


def test_bfloat16_is_close_and_keeps_its_weights_in_float32(make_settings: Make) -> None:
    exact, exact_losses = after_training(make_settings(precision="float32"))
    rough, rough_losses = after_training(make_settings(precision="bfloat16"))

    assert {matrix.dtype for matrix in arrays(rough)} == {torch.float32}
    assert rough_losses == pytest.approx(exact_losses, rel=0.05, abs=0.02)
    assert rough_losses != exact_losses
    for first, second in zip(arrays(rough), arrays(exact), strict=True):
        # Eight bits of mantissa, through two layers and three rounds.
        assert (first - second).norm() <= 0.1 * second.norm() + 1e-3
    assert rough.evaluate().loss == pytest.approx(exact.evaluate().loss, rel=0.05)


def test_bfloat16_batched_is_close_to_eager(make_settings: Make) -> None:
    _, batched = after_training(make_settings(precision="bfloat16"))
    _, eager = after_training(make_settings(precision="bfloat16", executor="eager"))

    assert batched == pytest.approx(eager, rel=0.05, abs=0.02)


PROGRAM = """
import sys
import torch
sys.path[:0] = [sys.argv[1]]
from support.tiny_learner import PhiloxStreams, arrays, train
from learner.split_learner import build
from learner.settings import LearnerSettings
torch.set_num_threads(2)
settings = LearnerSettings.model_validate_json(sys.stdin.read())
subject = build(settings, 6, PhiloxStreams(3))
losses = [loss for n in (1, 2) for loss in train(subject, n, [0, 1, 2, 4], [2]).losses.values()]
print(*[number.hex() for number in [*losses, *(float(matrix.sum()) for matrix in arrays(subject))]])
"""


def losses_elsewhere(settings: LearnerSettings) -> list[float]:
    """Return the losses and sums of weights of a learner in a new process."""
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parents[1])]
    given = settings.model_dump_json(exclude_none=True)
    output = subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout
    return [float.fromhex(number) for number in output.split()]


def test_a_deterministic_run_gives_the_same_bits_in_two_processes(make_settings: Make) -> None:
    settings = make_settings(precision="float32", deterministic=True)

    first, second = (losses_elsewhere(settings) for _ in range(2))

    assert first == second
    assert len(set(first)) > 20


def test_deterministic_algorithms_are_used_while_learning_only(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    settings = make_settings(deterministic=True)

    with Precision.from_settings(settings).execution_context(1):
        inside = torch.are_deterministic_algorithms_enabled()

    assert inside
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.slow
def test_a_compiled_encoder_learns_the_same(make_settings: Make) -> None:
    plain, compiled = (losses_elsewhere(make_settings(compile=which)) for which in (False, True))

    assert compiled == pytest.approx(plain, rel=1e-9)


def test_a_missing_cuda_device_is_refused(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(LearnerInputError) as caught:
        build(make_settings(device="cuda"), DEVICES, PhiloxStreams(1))

    assert str(caught.value) == (
        "learner.device: 'cuda' is set and PyTorch finds no CUDA device here; take 'auto' or 'cpu'"
    )
    with pytest.raises(
        LearnerInputError, match=r"learner.attention: 'flash' runs on a CUDA device"
    ):
        build(make_settings(attention="flash", precision="bfloat16"), DEVICES, PhiloxStreams(1))
    assert Precision.from_settings(make_settings(device="auto")).device.type == "cpu"


def test_flash_attention_without_its_package_is_refused(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(pretrained, "is_flash_attn_2_available", lambda: False)

    with pytest.raises(LearnerInputError) as caught:
        build(make_settings(attention="flash", precision="bfloat16"), DEVICES, PhiloxStreams(1))

    assert str(caught.value) == (
        "learner.attention: 'flash' needs the package flash-attn; install it or take 'sdpa'"
    )


def test_compiling_without_a_compiler_is_refused(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")

    with pytest.raises(LearnerInputError) as caught:
        build(make_settings(compile=True, device="cpu"), DEVICES, PhiloxStreams(1))

    assert (
        str(caught.value)
        == "learner.compile: needs a C++ compiler, and 'no-such-compiler' is not found"
    )

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("CC", "no-such-c-compiler")
    with pytest.raises(LearnerInputError) as caught:
        Precision.from_settings(make_settings(compile=True))
    assert (
        str(caught.value)
        == "learner.compile: needs a C compiler, and 'no-such-c-compiler' is not found"
    )


def test_a_model_that_does_not_fit_onto_the_card_is_refused(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    monkeypatch.setattr(PreTrainedModel, "to", lambda *_: cuda_is_full())

    with pytest.raises(LearnerInputError) as caught:
        build(settings, DEVICES, PhiloxStreams(1))

    assert str(caught.value) == (
        f"learner.device: '{settings.model}' does not fit into the memory of the device (cpu); "
        "take 'cpu'"
    )


def cuda_is_full() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def host_is_full() -> None:
    torch.empty(2**60)


@pytest.mark.parametrize("fail", [cuda_is_full, host_is_full])
@pytest.mark.parametrize("call", ["aggregate", "evaluate"])
def test_a_lack_of_memory_names_the_micro_batch_to_try(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch, fail: object, call: str
) -> None:
    subject = build(make_settings(micro_batch_tokens=64), DEVICES, PhiloxStreams(1))
    compute(subject, 0, 1)
    monkeypatch.setattr(subject.parts.split.model.encoder, "forward", lambda *_, **__: fail())

    with pytest.raises(OutOfMemoryError) as caught:
        aggregate(subject, 1) if call == "aggregate" else subject.evaluate()

    assert str(caught.value) == (
        "out of memory with learner.micro_batch_tokens = 64; try 32, and 1, a sample at a time, "
        "at the least"
    )


def test_memory_follows_the_micro_batch_and_not_the_devices(make_settings: Make) -> None:
    """Compare the maximum count of numbers saved for the backward pass."""
    few, many = (most_saved(make_settings(micro_batch_tokens=40), devices) for devices in (2, 6))

    assert many < 1.3 * few


def most_saved(settings: LearnerSettings, devices: int) -> int:
    subject = build(settings, DEVICES, PhiloxStreams(1))
    waiting = 0
    maximum = 0

    class Saved:
        def __init__(self, tensor: torch.Tensor) -> None:
            nonlocal waiting, maximum
            self.tensor = tensor
            waiting += tensor.numel()
            maximum = max(maximum, waiting)

        def __del__(self) -> None:
            nonlocal waiting
            waiting -= self.tensor.numel()

    with torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.tensor):
        train(subject, 1, range(devices))
    return maximum
