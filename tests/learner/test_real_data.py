"""The paper's four tasks on real models and data, for three rounds."""

from pathlib import Path

import pytest
from support.tiny_learner import PhiloxStreams, train

from learner.settings import LearnerSettings
from learner.split_learner import build

ADAMW = {"kind": "adamw", "lr": 1e-3}


def three_rounds(table: dict[str, object]) -> list[float]:
    """Return the test losses before and after."""
    common = {"lora": {"rank": 8, "alpha": 16}, "optimizer": ADAMW, "evaluate_every": 1}
    subject = build(LearnerSettings.model_validate(common | table), 20, PhiloxStreams(1))
    before = subject.evaluate()
    for round_number in (1, 2, 3):
        result = train(subject, round_number, [3, 7], lost=[7] if round_number == 2 else [])
        assert set(result.losses) == {3, 7}
    after = subject.evaluate()
    assert after.heads_trained == 2
    assert all(pair.up.any() for pair in subject.parts.split.adapters)
    return [before.loss, after.loss]


@pytest.mark.parametrize("task", ["sst2", "mrpc", "qnli"])
def test_glue_runs(shared_data: Path, task: str) -> None:
    data = {"path": str(shared_data / "glue" / task), "test_size": 20}

    losses = three_rounds(
        {"model": "minilm", "pooling": "mean", "data": data, "batch_size": 4, "max_tokens": 48}
    )

    assert losses[0] == pytest.approx(0.69, abs=0.05)
    assert losses[1] != losses[0]


def test_vit_on_cifar10_runs(shared_data: Path) -> None:
    data = {
        "path": str(shared_data / "cifar10"),
        "test_size": 10,
        "partition": {"kind": "dirichlet", "alpha": 1.0},
    }

    losses = three_rounds(
        {
            "model": str(shared_data / "models" / "vit-small-patch14-saliency"),
            "pooling": "cls",
            "data": data,
            "batch_size": 2,
            "weights": "samples",
        }
    )

    assert losses[0] == pytest.approx(2.3, abs=0.5)
    assert losses[1] != losses[0]
