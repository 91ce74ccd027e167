"""Constants of Theorem 1 estimated from measured gradients, which a trace does not hold."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def gradient_variance(gradients: Float[ndarray, "K M size"]) -> float:
    """Return phi^2: variance of an entry over a device's M minibatches, averaged.

    The average is over entries and devices. The estimate is unbiased. The bound uses phi^2 Omega,
    the total variance, so a mean over entries is enough.
    """
    return float(np.var(gradients, axis=1, ddof=1).mean())


def diversity(gradients: Float[ndarray, "K M size"]) -> float:
    """Return delta^2 at one point: the spread of the devices' gradients without minibatch noise.

    It is the mean over devices of ``|g_k - g|^2`` of the mean gradients, minus the part that the
    noise of M minibatches adds; 0 if the noise explains everything. The theorem needs its maximum
    over the points that training visits.
    """
    count, batches = gradients.shape[:2]
    means = gradients.mean(axis=1)
    spread = float(((means - means.mean(axis=0)) ** 2).sum(axis=1).mean())
    noise = float(np.var(gradients, axis=1, ddof=1).sum(axis=1).mean()) / batches
    return max(0.0, spread - (1.0 - 1.0 / count) * noise)


def smoothness(points: Float[ndarray, "n size"], gradients: Float[ndarray, "n size"]) -> float:
    """Return the maximum of ``|grad f(x) - grad f(y)| / |x - y|`` over pairs of points.

    It is a lower bound of L, and rarely L itself.
    """
    first, second = np.triu_indices(len(points), 1)
    distance = np.linalg.norm(points[first] - points[second], axis=1)
    change = np.linalg.norm(gradients[first] - gradients[second], axis=1)
    return float((change[distance > 0] / distance[distance > 0]).max())


def polyak(gradients: Float[ndarray, "n size"], gaps: Float[ndarray, " n"]) -> float:
    """Return the minimum of ``|grad F|^2 / (2 (F - F*))`` over points.

    It is an upper bound of tau, and rarely tau itself.
    """
    return float(((gradients**2).sum(axis=1) / (2.0 * gaps))[gaps > 0].min())
