"""Constants of Theorem 1: some follow from a run, the others must be given."""

from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Final, Self, final

import numpy as np
import pandas as pd

from analysis.errors import ConstantError, suggestion
from analysis.run import Run

REMEDIES: Final = {
    "smoothness": "a trace holds losses, not gradients: give it, or see analysis.bound.smoothness",
    "gradient_variance": (
        "a trace holds no gradients: give it, or see analysis.bound.gradient_variance"
    ),
    "diversity": (
        "a trace holds no gradients: give it (0 for identical devices), "
        "or see analysis.bound.diversity"
    ),
    "lora_size": (
        "a trace holds no model: give the number of trained elements of the low-rank matrices"
    ),
    "head_size": "a trace holds no model: give the number of elements of one task module",
    "step": "the run has no learner: give the learning rate",
    "initial_gap": "the run has no evaluation: give F(W(0)) - F(W*)",
    "polyak": "the test loss of the run does not fall: give it, or see analysis.bound.polyak",
}
"""Reason why a run does not determine a constant, and the remedy."""


@final
@dataclass(frozen=True, kw_only=True)
class Constants:
    """Constants of Theorem 1; besides them it needs the number of devices per round.

    In the paper's letters: eta, K, L, phi^2, delta^2, tau, Omega_a, Omega_t, and ``F(W(0)) -
    F(W*)``.
    """

    step: float
    """Learning rate eta of plain SGD."""
    devices: int
    """Number of devices K."""
    smoothness: float
    """L: the gradient of every f_k is L-Lipschitz in the low-rank matrices and the task module."""
    gradient_variance: float
    """phi^2: variance of an entry of a device's minibatch gradient."""
    diversity: float
    """delta^2: upper bound of the mean over the devices of ``|grad_a f_k - grad_a F|^2``."""
    polyak: float
    """tau of the Polyak-Lojasiewicz inequality ``|grad F|^2 / 2 >= tau (F - F*)``."""
    lora_size: int
    """Omega_a: elements of the low-rank matrices."""
    head_size: int
    """Omega_t: elements of one task module."""
    initial_gap: float
    """F(W(0)) - F(W*)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            number = getattr(self, field.name)
            if not isfinite(number) or number < 0:
                raise ConstantError(f"{field.name} = {number} is not a number of at least 0")
        if self.devices < 1:
            raise ConstantError(f"devices = {self.devices} is not at least 1")

    @classmethod
    def from_run(cls, run: Run, *, minimum_loss: float = 0.0, **given: float) -> Self:
        """Return the constants of a run; given values take precedence over those of the run.

        From the run: ``step`` and ``devices`` (its scenario), ``initial_gap`` (first test loss
        minus ``minimum_loss``; a cross-entropy is at least 0, so 0 errs to the safe side),
        ``polyak`` (see ``observed_polyak``). The other constants must be given: a trace holds no
        gradients.

        Raises:
            ConstantError: a constant that neither the run nor the caller gives; an unknown one.
        """
        names = [field.name for field in fields(cls)]
        for name in given:
            if name not in names:
                raise ConstantError(
                    f"{name} is no constant of Theorem 1; {suggestion(name, names)}"
                )
        known = _from_trace(run, minimum_loss) | given
        for name in names:
            if known.get(name) is None:
                raise ConstantError(f"{run.name}: {name} is not known: {REMEDIES[name]}")
        return cls(**{name: _number(name, known[name]) for name in names})


def measured_gap(run: Run, minimum_loss: float = 0.0) -> pd.DataFrame:
    """Return the test loss minus ``minimum_loss`` per evaluation: ``round`` and ``gap``."""
    evaluations = run.arrays("evaluations", "round", "loss")
    gap = evaluations["loss"].astype(float) - minimum_loss
    return pd.DataFrame({"round": evaluations["round"], "gap": gap})


def observed_polyak(run: Run, minimum_loss: float = 0.0) -> float | None:
    """Return the tau whose contraction ``(1 - tau eta)`` is the observed one; None if none is.

    The estimate is the slope of ``log(test loss - minimum_loss)`` over the rounds with devices, by
    least squares. It is a fit to one path: the inequality has to hold everywhere, the step may
    contract faster than the bound says, and noise slows it. A bound drawn with it shows a shape and
    promises nothing.
    """
    gap = measured_gap(run, minimum_loss)
    step = _step(run)
    if step is None or len(gap) < 3 or (gap.gap <= 0).any():
        return None
    rounds = run.arrays("rounds", "round", "arrived")
    active = np.concatenate([[0], np.cumsum(rounds["arrived"] > 0)])
    steps = active[gap["round"].to_numpy()]
    if steps[0] == steps[-1]:
        return None
    slope = float(np.polyfit(steps, np.log(gap.gap.to_numpy()), 1)[0])
    return (1.0 - float(np.exp(slope))) / step if slope < 0 else None


def _from_trace(run: Run, minimum_loss: float) -> dict[str, float | None]:
    gap = measured_gap(run, minimum_loss)
    return {
        "step": _step(run),
        "devices": run.device_count,
        "initial_gap": float(gap.gap.iloc[0]) if len(gap) else None,
        "polyak": observed_polyak(run, minimum_loss),
    }


def _step(run: Run) -> float | None:
    step: Any = run.scenario.get("learner", {}).get("optimizer", {}).get("lr")
    return None if step is None else float(step)


def _number(name: str, value: float | None) -> Any:
    return (
        int(value) if name in ("devices", "lora_size", "head_size") and value is not None else value
    )
