"""Cost of a step: what it measures, and that it changes nothing."""

from pathlib import Path

import numpy as np
import pytest
from support.tiny_learner import Make, PhiloxStreams
from torch import Tensor

from learner import centralised, fedavg_learner, split_learner
from learner.base import Learner
from learner.data import Dataset
from learner.executor import LearnerComponents, step_cost


def build(kind: str, make_settings: Make, rng: PhiloxStreams) -> Learner:
    settings = make_settings()
    match kind:
        case "split":
            return split_learner.build(settings, 6, rng)
        case "federated":
            return fedavg_learner.build(settings, 6, rng, local_steps=2)
        case _:
            return centralised.build(settings, 6, rng)


def state(learner: Learner, folder: Path) -> dict[str, bytes]:
    learner.save(folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("kind", ["split", "federated", "centralised"])
def test_measuring_the_cost_changes_no_state(
    kind: str, make_settings: Make, rng: PhiloxStreams, tmp_path: Path
) -> None:
    learner = build(kind, make_settings, rng)
    before = state(learner, tmp_path / "before")

    cost = learner.measure(3)

    assert cost is not None
    assert cost.round_s > 0 < cost.evaluation_s
    assert state(learner, tmp_path / "after") == before
    assert all(parameter.grad is None for parameter in learner.parts.matrices)


@pytest.mark.parametrize(("executor", "passes"), [("batched", 2), ("eager", 6)])
def test_federated_devices_pass_the_encoder_together_or_in_turn(
    executor: str, passes: int, make_settings: Make, rng: PhiloxStreams
) -> None:
    learner = fedavg_learner.build(make_settings(executor=executor), 6, rng, local_steps=2)
    rows = np.arange(3 * 8).reshape(3, 2, 4)

    assert len(list(learner._passes(rows))) == passes
    split = split_learner.build(make_settings(executor=executor), 6, rng)
    assert [len(taken.ravel()) for taken in split._passes(rows)] == [12] * 2


def test_a_round_costs_in_proportion_to_its_tokens(
    make_settings: Make, rng: PhiloxStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = split_learner.build(make_settings(), 6, rng)
    lengths = learner.parts.samples.lengths
    seen: list[int] = []

    def step(_: object, samples: Dataset, rows: np.ndarray, *, learns: bool) -> float:
        seen.append(int(samples.lengths[rows].sum()))
        return (2.0 if learns else 0.5) * seen[-1]

    monkeypatch.setattr(step_cost, "_step", step)
    cost = learner.measure(3)

    rows = np.concatenate([learner.parts.partition.minibatch(device, 1) for device in range(3)])
    assert cost.round_s == pytest.approx(2.0 * lengths[rows].sum())
    assert cost.evaluation_s == pytest.approx(0.5 * learner.test.lengths.sum())
    # The first samples are the longest, and need the maximum of memory.
    for total, sizes, count in (
        (seen[0], lengths, len(rows)),
        (seen[1], learner.test.lengths, None),
    ):
        budget = learner.parts.micro_batch_tokens // sizes.max()
        assert total == np.sort(sizes)[::-1][:count][:budget].sum()


def test_a_step_is_a_forward_and_a_backward_pass(
    make_settings: Make, rng: PhiloxStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = split_learner.build(make_settings(), 6, rng)
    gradients: list[float] = []
    take = type(learner.parts).take_gradients

    def taken(parts: LearnerComponents) -> tuple[Tensor, ...]:
        matrices = take(parts)
        gradients.append(sum(float(matrix.abs().sum()) for matrix in matrices))
        return matrices

    monkeypatch.setattr(LearnerComponents, "take_gradients", taken)
    for learns in (True, False):
        step_cost._step(learner.parts, learner.parts.samples, np.arange(4), learns=learns)

    assert gradients[0] > 0 == gradients[1]
