"""Probes: the faster side is taken, one answer holds for a machine, and a learner names it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from support.tiny_learner import Make, PhiloxStreams

from learner.architectures.attention_probe import faster_attention
from learner.precision import probe
from learner.split_learner import build

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(probe, "HF_HOME", str(tmp_path))
    return tmp_path / "airtune-probes"


def times(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    monkeypatch.setattr(probe, "minimum_s", lambda sides, device: list(seconds))


@pytest.mark.parametrize(
    ("narrow_s", "chosen"),
    [(0.4, "bfloat16"), (0.5, "bfloat16"), (0.51, "float32"), (2, "float32")],
)
def test_bfloat16_is_taken_from_twice_the_speed_on(
    monkeypatch: pytest.MonkeyPatch, narrow_s: float, chosen: str
) -> None:
    times(monkeypatch, 1.0, narrow_s)

    assert probe.faster_precision(CPU) == chosen


@pytest.mark.parametrize(("plain_s", "chosen"), [(0.9, "plain"), (1.1, "sdpa")])
def test_the_faster_attention_is_taken(
    monkeypatch: pytest.MonkeyPatch, plain_s: float, chosen: str
) -> None:
    times(monkeypatch, 1.0, plain_s)
    config = type("Config", (), {"num_attention_heads": 2, "hidden_size": 16})

    kept = faster_attention(np.arange(4, 40), config, 64, dtype=torch.float32, device="cpu")

    assert kept == chosen


def test_the_first_answer_holds_for_every_later_process(
    monkeypatch: pytest.MonkeyPatch, own_folder: Path
) -> None:
    times(monkeypatch, 1.0, 0.1)
    assert probe.faster_precision(CPU) == "bfloat16"

    times(monkeypatch, 1.0, 0.9)

    assert probe.faster_precision(CPU) == "bfloat16"
    (path,) = own_folder.iterdir()
    path.unlink()
    assert probe.faster_precision(CPU) == "float32"


def test_an_answer_that_another_process_wrote_meanwhile_holds(
    own_folder: Path,
) -> None:
    question = {"question": "which"}

    def measure() -> str:
        probe.answer(question, ("a", "b"), lambda: "b")
        return "a"

    assert probe.answer(question, ("a", "b"), measure) == "b"
    assert len(list(own_folder.iterdir())) == 1


@pytest.mark.parametrize("text", ["", "[]", '{"answer": 3}', '{"answer": "float16"}', "[" * 10**5])
def test_a_damaged_answer_is_measured_again(
    monkeypatch: pytest.MonkeyPatch, own_folder: Path, text: str
) -> None:
    times(monkeypatch, 1.0, 0.1)
    probe.faster_precision(CPU)
    (path,) = own_folder.iterdir()
    path.write_text(text)

    assert probe.faster_precision(CPU) == "bfloat16"
    assert json.loads(path.read_text())["answer"] == "bfloat16"


def test_a_folder_that_cannot_be_written_only_measures_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(probe, "HF_HOME", str(tmp_path / "file"))
    times(monkeypatch, 1.0, 0.1)

    assert probe.faster_precision(CPU) == "bfloat16"


def test_a_probe_measures_both_sides_and_leaves_random_numbers_alone() -> None:
    before = torch.random.get_rng_state()

    assert probe.faster_precision(CPU) in ("float32", "bfloat16")

    assert torch.equal(torch.random.get_rng_state(), before)
    calls = []
    seconds = probe.minimum_s([lambda: calls.append("a"), lambda: calls.append("b")], CPU)
    assert calls == ["a", "b"] * (probe.REPEATS + 1)
    assert all(0 < side_s < 1 for side_s in seconds)


@pytest.mark.parametrize("fused_s", [0.1, 10.0])
def test_a_learner_names_its_numbers_and_computes_with_them(
    monkeypatch: pytest.MonkeyPatch, make_settings: Make, fused_s: float
) -> None:
    times(monkeypatch, fused_s, 1.0)

    subject = build(make_settings(precision="auto", attention="auto"), 6, rng=PhiloxStreams(1))

    split = subject.parts.split
    faster = fused_s > 1.0
    assert split.numerics == {
        "precision": "bfloat16" if faster else "float32",
        "attention": "plain" if faster else "sdpa",
    }
    assert split.packs == faster
    assert (split.precision.autocast_dtype == torch.bfloat16) == faster


@pytest.mark.parametrize("key", ["precision", "attention"])
def test_deterministic_learning_refuses_auto(make_settings: Make, key: str) -> None:
    with pytest.raises(ValidationError, match=f"{key} = 'auto' is measured on each machine"):
        make_settings(deterministic=True, **{key: "auto"})
