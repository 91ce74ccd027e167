"""Constants of Theorem 1 from gradients that somebody measured, since a trace holds none."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def gradient_variance(gradients: Float[ndarray, "K M size"]) -> float:
    """Return phi^2: the variance of an entry over the M minibatches of a device, mean over entries
    and devices.

    Unbiased. The bound uses phi^2 Omega, the total variance, so a mean over entries is enough.
    """
    return float(np.var(gradients, axis=1, ddof=1).mean())


def diversity(gradients: Float[ndarray, "K M size"]) -> float:
    """Return delta^2 at one point: how far the devices' gradients lie from their mean, without
    minibatch noise.

    The mean over devices of ``|g_k - g|^2`` of the mean gradients, less what the noise of M
    minibatches adds to it; 0 where the noise explains all. The theorem needs its maximum over the
    points that training visits.
    """
    count, batches = gradients.shape[:2]
    means = gradients.mean(axis=1)
    apart = float(((means - means.mean(axis=0)) ** 2).sum(axis=1).mean())
    noise = float(np.var(gradients, axis=1, ddof=1).sum(axis=1).mean()) / batches
    return max(0.0, apart - (1.0 - 1.0 / count) * noise)


def smoothness(points: Float[ndarray, "n size"], gradients: Float[ndarray, "n size"]) -> float:
    """Return the largest ``|grad f(x) - grad f(y)| / |x - y|`` over pairs of points: at most L,
    rarely L itself.
    """
    first, second = np.triu_indices(len(points), 1)
    apart = np.linalg.norm(points[first] - points[second], axis=1)
    change = np.linalg.norm(gradients[first] - gradients[second], axis=1)
    return float((change[apart > 0] / apart[apart > 0]).max())


def polyak(gradients: Float[ndarray, "n size"], gaps: Float[ndarray, " n"]) -> float:
    """Return the smallest ``|grad F|^2 / (2 (F - F*))`` over points: at least tau, rarely tau
    itself.
    """
    return float(((gradients**2).sum(axis=1) / (2.0 * gaps))[gaps > 0].min())
