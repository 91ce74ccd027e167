"""Compute times of devices and server: a model, never a measurement."""

from typing import Annotated, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from netsim.parameters import CONFIG, Count, NonNegative, Positive, Probability
from netsim.streams import Streams, normal_pairs, uniform


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class DeviceClass:
    """Class of devices of one speed."""

    share: Probability
    """Probability that a device is of this class."""
    speed_per_s: Positive
    """Operations per second."""


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class DeviceCompute:
    """Service time of a device: operations over speed, times a jitter of mean 1.

    The jitter is ``exp(sigma w - sigma^2 / 2)``, w standard normal, drawn per device, round and
    step of the protocol. Left out: memory, batching and throttling.
    """

    speed_per_s: Positive | None = None
    """Operations per second of every device. Excludes ``classes``."""
    classes: Annotated[tuple[DeviceClass, ...], Field(min_length=1)] | None = None
    """Classes of devices; each device is in one of them at random, by their shares. Excludes
    ``speed_per_s``.
    """
    jitter: NonNegative = 0.0
    """Standard deviation sigma of the logarithm of the service time."""

    @model_validator(mode="after")
    def _one_source(self) -> "DeviceCompute":
        if (self.speed_per_s is None) == (self.classes is None):
            raise ValueError("needs speed_per_s or classes, and not both")
        if self.classes is not None and abs(sum(entry.share for entry in self.classes) - 1) > 1e-9:
            total = sum(entry.share for entry in self.classes)
            raise ValueError(f"the shares of the classes sum to {total:g} instead of 1")
        return self

    def speeds(self, count: int, streams: Streams) -> Float[ndarray, " count"]:
        """Return the speed per device in operations/s; that of device k is independent of K."""
        if self.classes is None:
            assert self.speed_per_s is not None, "validated"
            return np.full(count, self.speed_per_s)
        bounds = np.cumsum([entry.share for entry in self.classes])[:-1]
        draw = uniform(streams.words(count, "device class"))
        index = np.searchsorted(bounds, draw, side="right")
        return np.array([entry.speed_per_s for entry in self.classes])[index]

    def service_s(
        self,
        operations: Float[ndarray, " n"],
        speed_per_s: Float[ndarray, " n"],
        device: Int[ndarray, " n"],
        round_number: int,
        step: str,
        streams: Streams,
    ) -> Float[ndarray, " n"]:
        """Return the service time of each device for a step of a round, in seconds."""
        name = f"device compute/{step}"
        jitter = _jitter(self.jitter, device, round_number, name=name, streams=streams)
        return operations / speed_per_s * jitter


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ServerCompute:
    """Service time of the edge server: operations over a worker's speed, times a jitter of mean 1.

    The jitter is that of ``DeviceCompute``; a job belongs to a device and round and runs on one
    worker.
    """

    workers: Count = 1
    """Number of jobs served at a time; the other jobs wait in order of arrival."""
    speed_per_s: Positive
    """Operations per second of a worker."""
    jitter: NonNegative = 0.0
    """Standard deviation sigma of the logarithm of the service time."""

    def service_s(
        self,
        operations: Float[ndarray, " n"],
        device: Int[ndarray, " n"],
        round_number: int,
        step: str,
        streams: Streams,
    ) -> Float[ndarray, " n"]:
        """Return the service time of each device's job in a step of a round, in seconds."""
        name = f"server compute/{step}"
        jitter = _jitter(self.jitter, device, round_number, name=name, streams=streams)
        return operations / self.speed_per_s * jitter


def _jitter(
    sigma: float, device: Int[ndarray, " n"], round_number: int, *, name: str, streams: Streams
) -> Float[ndarray, " n"]:
    """Return log-normal factors of mean 1."""
    if not sigma:
        return np.ones(len(device))
    words = streams.first_words(name, device, round_number)
    normal, _ = normal_pairs(words[0], words[1])
    return np.exp(sigma * normal - sigma**2 / 2)
