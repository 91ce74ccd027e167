"""Quadratic problem of federated split training with known constants of Theorem 1."""

from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from analysis.bound import Constants


@dataclass(frozen=True)
class Quadratic:
    """Quadratic losses ``f_k = lam/2 |a - a_k|^2 + kappa/2 |t_k - t*_k|^2`` with noisy gradients.

    Every entry of a gradient has Gaussian noise phi. Hence L = max(lam, kappa), tau =
    min(lam, kappa / K) (F has the curvature kappa / K in every head), and delta^2 =
    lam^2 mean |a_k - mean a|^2 everywhere.
    """

    centres: ndarray  # K x Omega_a
    head_size: int
    lam: float
    kappa: float
    noise: float
    step: float
    start: float = 1.0  # distance of every entry from the optimum

    @property
    def constants(self) -> Constants:
        k, size = self.centres.shape
        deviation = self.centres - self.centres.mean(axis=0)
        heads = self.kappa if self.head_size else np.inf
        gap = self.lam / 2 * size * self.start**2 + self.kappa / 2 * self.head_size * self.start**2
        return Constants(
            step=self.step,
            devices=k,
            smoothness=max(self.lam, self.kappa if self.head_size else 0.0),
            gradient_variance=self.noise**2,
            diversity=float(self.lam**2 * (deviation**2).sum(axis=1).mean()),
            polyak=min(self.lam, heads / k),
            lora_size=size,
            head_size=self.head_size,
            initial_gap=gap,
        )

    def gaps(self, counts: list[int], seeds: int, *, biased: bool = False) -> ndarray:
        """Return F - F* after each round of (3) and (4), seeds x (rounds + 1).

        ``biased`` always takes the first devices in place of a uniform choice.
        """
        rng = np.random.Generator(np.random.Philox(2025))
        k, size = self.centres.shape
        lora = np.full((seeds, size), self.start) + self.centres.mean(axis=0)
        heads = np.full((seeds, k, self.head_size), self.start)  # relative to each optimum
        gaps = [self._gap(lora, heads)]
        for count in counts:
            order = np.argsort(rng.random((seeds, k)), axis=1)
            chosen = np.broadcast_to(np.arange(k), (seeds, k)) < count if biased else order < count
            gradient = self.lam * (lora[:, None] - self.centres) + self.noise * rng.normal(
                size=(seeds, k, size)
            )
            noisy = self.kappa * heads + self.noise * rng.normal(size=heads.shape)
            if count:
                lora = lora - self.step * (gradient * chosen[..., None]).sum(axis=1) / count
            heads = heads - self.step * noisy * chosen[..., None]
            gaps.append(self._gap(lora, heads))
        return np.stack(gaps, axis=1)

    def _gap(self, lora: ndarray, heads: ndarray) -> ndarray:
        distance = ((lora - self.centres.mean(axis=0)) ** 2).sum(axis=1)
        gap: ndarray = (
            self.lam / 2 * distance + self.kappa / 2 * (heads**2).sum(axis=(1, 2)) / heads.shape[1]
        )
        return gap
