"""Recursions over the rounds for the printed and the corrected bound."""

import numpy as np
import pandas as pd
from numpy import ndarray
from numpy.typing import ArrayLike

from analysis.bound.constants import Constants


def corrected(
    arrived: ArrayLike, constants: Constants, heads: ArrayLike | None = None
) -> pd.DataFrame:
    """Return the bound on the expected optimality gap after each round, and its parts.

    For eta L <= 1, a uniform choice of N >= 1 devices and plain SGD,

        gap(t+1) <= (1 - tau eta) gap(t) + (L eta^2 / 2) [phi^2 Omega_a / N + (K - N) delta^2 / (N
                    (K - 1)) + H phi^2 Omega_t / K]

    with N the devices that arrived and H the heads that stepped (N unless ``heads`` is given).
    N = 0 adds the term of the heads only. The derivation is in ``docs/theorem1.md``; ``Condition``
    checks the conditions. The table has one row per round from 0: round, gap, and the parts
    initial, gradient_noise, selection and task_module, which sum to the gap.
    """
    count = np.asarray(arrived, float)
    stepped = count if heads is None else np.asarray(heads, float)
    k = constants.devices
    scale = constants.smoothness * constants.step**2 / 2
    # In rounds without devices the terms that divide by N are not used.
    positive_count = np.maximum(count, 1.0)
    present = count > 0
    keep = np.where(present, 1.0 - constants.polyak * constants.step, 1.0)
    noise = scale * constants.gradient_variance * constants.lora_size / positive_count
    selection = scale * (k - count) * constants.diversity / (positive_count * max(k - 1, 1))
    task = scale * stepped * constants.gradient_variance * constants.head_size / k
    parts = {
        "initial": _unroll(keep, np.zeros_like(count), constants.initial_gap),
        "gradient_noise": _unroll(keep, np.where(present, noise, 0.0)),
        "selection": _unroll(keep, np.where(present, selection, 0.0)),
        "task_module": _unroll(keep, task),
    }
    return _table(parts)


def printed(scheduled: ArrayLike, constants: Constants) -> pd.DataFrame:
    """Return (13) to (16) as the paper prints them, in its own three parts; this is no bound.

    The reasons: (35) loses the eta^2 of the step, so the (K - N) term of (14) is far too large;
    step (a) subtracts eta phi^2 Omega as if gradient noise helped descent; the last step needs
    twice the (K - N) term of (14).

    The initial gap is read as ``F(W(0)) - F(W*)``; the closing bracket that (13) has after F(W(0))
    is taken as misplaced. For N = 0, where (14) divides by 0, the gap stays. The table has one row
    per round from 0: round, gap, initial, lora, task_module.
    """
    count = np.asarray(scheduled, float)
    present = count > 0
    contracts = contraction(np.maximum(count, 1.0), constants)
    k = constants.devices
    phi2 = constants.gradient_variance
    keep = np.where(present, 1.0 - 2.0 * constants.polyak * contracts, 1.0)
    alpha = phi2 * k**2 * contracts * constants.lora_size
    excess = constants.smoothness * constants.step**2 - constants.step
    beta = np.full_like(count, constants.head_size * excess * phi2)
    parts = {
        "initial": _unroll(keep, np.zeros_like(count), constants.initial_gap),
        "lora": _unroll(keep, np.where(present, -alpha, 0.0)),
        "task_module": _unroll(keep, np.where(present, beta, 0.0)),
    }
    return _table(parts)


def contraction(scheduled: ArrayLike, constants: Constants) -> ndarray:
    """Return (14) for N >= 1 devices; the paper calls it zeta(t), like the parameter of (22)."""
    count = np.asarray(scheduled, float)
    k = constants.devices
    excess = constants.smoothness * constants.step**2 - constants.step
    left_out = (k - count) * constants.smoothness / (2.0 * count * max(k - 1, 1) * k**2)
    result: ndarray = -excess / k**2 - left_out
    return result


def _unroll(keep: ndarray, added: ndarray, start: float = 0.0) -> ndarray:
    """Return x(0) = start and x(t+1) = keep(t) x(t) + added(t); infinite once beyond float64."""
    x = np.empty(len(keep) + 1)
    x[0] = start
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(len(keep)):
            x[t + 1] = keep[t] * x[t] + added[t]
    return x


def _table(parts: dict[str, ndarray]) -> pd.DataFrame:
    with np.errstate(invalid="ignore"):
        gap = sum(parts.values(), np.zeros(1))
    return pd.DataFrame({"round": np.arange(len(gap)), "gap": gap, **parts})
