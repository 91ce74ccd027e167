"""Cost of a step: forward and backward pass of micro-batches, timed without a step."""

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray

from learner.data import Dataset
from learner.executor import micro_batches
from learner.executor.base import LearnerComponents
from learner.job import LearningCost


def measure(
    parts: LearnerComponents, passes: Sequence[Int[ndarray, " S"]], test: Dataset
) -> LearningCost:
    """Return the cost of a round whose ``passes`` each take samples through the encoder together.

    The longest samples of all, as many as one micro-batch may hold, come first: they need the
    maximum of memory. So do the longest test samples, for the time of an evaluation. Timed for the
    round is the middle micro-batch of the first pass; other samples cost as much per token.
    """
    lengths = parts.samples.lengths
    rows = passes[0]
    learns = parts.lora_optimizer is not None
    budget = parts.micro_batch_tokens
    _step(parts, parts.samples, _longest(lengths, budget, len(rows)), learns=learns)
    tested = _longest(test.lengths, budget, len(test))
    forward_s = _step(parts, test, tested, learns=False) / float(test.lengths[tested].sum())
    batches = list(micro_batches.micro_batches(parts.split, lengths[rows], budget))
    chosen = rows[batches[len(batches) // 2]]
    step_s = _step(parts, parts.samples, chosen, learns=learns) / float(lengths[chosen].sum())
    return LearningCost(
        round_s=step_s * float(sum(lengths[taken].sum() for taken in passes)),
        evaluation_s=forward_s * float(test.lengths.sum()),
    )


def _longest(lengths: Int[ndarray, " S"], budget: int, count: int) -> Int[ndarray, " M"]:
    """Return the longest samples that one micro-batch of up to ``count`` samples may hold."""
    order = np.argsort(-lengths, kind="stable")[:count]
    return order[: max(1, budget // int(lengths[order[0]]))]


def _step(
    parts: LearnerComponents, samples: Dataset, rows: Int[ndarray, " M"], *, learns: bool
) -> float:
    """Return the seconds of a forward pass, and of a backward pass if LoRA learns."""
    start_s = perf_counter()
    nobody = np.zeros(len(rows), np.int64)
    with torch.set_grad_enabled(learns):
        sent = parts.split.embed(samples.batch(rows))
        total = parts.split.encode(parts.link.embedding(sent, nobody)).sum()
        if learns:
            torch.autograd.backward(total)
    # Reading a number waits for the accelerator.
    float(total.detach())
    seconds = perf_counter() - start_s
    parts.take_gradients()
    return seconds
