"""Features that a frozen encoder, or an unchanged one, need not compute again."""

from collections.abc import Sequence
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from learner.codec import SplitLink
from learner.data import Dataset
from learner.executor import micro_batches
from learner.split import Split

MAXIMUM_BYTES: Final = 2**30
"""Memory of the features of all training samples beyond which none are kept."""


@final
class FrozenFeatures:
    """Features of the training samples behind a frozen encoder, each computed once.

    A feature's last bits depend on the samples that pass the encoder beside it. Those that are
    met for the first time in the same round pass it together, and the number of that round is
    part of the learner's state. A resumed run so computes each of them in the same company again.
    """

    def __init__(self, split: Split, link: SplitLink, samples: Dataset, token_budget: int) -> None:
        self.first_round = np.zeros(len(samples), np.int32)
        """Round in which each sample was first met; 0 if it was not."""
        self._split = split
        self._link = link
        self._samples = samples
        self._token_budget = token_budget
        self._known = np.zeros(len(samples), bool)
        # Pages that are never written take no memory.
        self._features = torch.empty(
            len(samples),
            split.feature_width,
            dtype=split.precision.dtype,
            device=split.precision.device,
        )

    @staticmethod
    def fit(split: Split, link: SplitLink, samples: Dataset) -> bool:
        """Return whether features may be kept: they have room, and no codec acts on them.

        A codec of a user's own may draw random numbers each time.
        """
        size = len(samples) * split.feature_width * split.precision.dtype.itemsize
        return link.passes_features_unchanged and size <= MAXIMUM_BYTES

    def meet(self, rows: Int[ndarray, "..."], round_number: int) -> None:
        """Count samples as met in this round, unless they were met before."""
        new = rows[self.first_round[rows] == 0]
        self.first_round[new] = round_number

    def restore(self, first_round: Int[ndarray, " S"]) -> None:
        """Go back to the samples that were met at another time."""
        self.first_round[:] = first_round
        self._known[:] = False

    @torch.no_grad()
    def of(self, rows: Int[ndarray, " S"]) -> Float[Tensor, "S H"]:
        """Return the features of samples that were met, in the order of ``rows``."""
        assert self.first_round[rows].all(), "samples are met before their features are read"
        for round_number in np.unique(self.first_round[rows[~self._known[rows]]]).tolist():
            together = np.flatnonzero(self.first_round == round_number)
            self._features[torch.from_numpy(together)] = micro_batches.encode(
                self._split,
                self._link,
                self._samples,
                rows=together,
                token_budget=self._token_budget,
            )
            self._known[together] = True
        return self._features[torch.from_numpy(rows)]


@final
class EvaluationFeatures:
    """Features of fixed samples, computed again only when a LoRA matrix has changed."""

    def __init__(
        self,
        split: Split,
        link: SplitLink,
        sets: Sequence[tuple[Dataset, Int[ndarray, " S"]]],
        token_budget: int,
    ) -> None:
        self._split = split
        self._link = link
        self._sets = sets
        self._token_budget = token_budget
        self._matrices: list[Tensor] = []
        self._features: list[Tensor] = []

    @torch.no_grad()
    def now(self) -> list[Float[Tensor, "S H"]]:
        """Return the features of each set of samples as devices read them."""
        matrices = [matrix for pair in self._split.adapters for matrix in (pair.down, pair.up)]
        if self._features and all(map(torch.equal, matrices, self._matrices)):
            return self._features
        features = [
            micro_batches.encode(
                self._split, self._link, samples, rows=rows, token_budget=self._token_budget
            )
            for samples, rows in self._sets
        ]
        if self._link.passes_features_unchanged:
            self._features = features
            self._matrices = [matrix.clone() for matrix in matrices]
        return features
