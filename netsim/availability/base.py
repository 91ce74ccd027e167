"""Availability model: the interface, and that of the process it creates."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from netsim.input_columns import Coverage
from netsim.streams import Streams


class AvailabilityProcess(ABC):
    """Availability process of K devices: a function of time, from 0 on.

    Calls may repeat or come out of order or in a resumed run: the states are the same. The state of
    a device depends on the seed, its id and the model alone.
    """

    coverage: Coverage | None = None
    """Time that the file of recorded states covers; None for models."""

    @abstractmethod
    def at(self, time_s: float) -> Bool[ndarray, " K"]:
        """Return whether each device is available."""

    @abstractmethod
    def next_change_s(
        self, device: Int[ndarray, " n"], time_s: Float[ndarray, " n"]
    ) -> Float[ndarray, " n"]:
        """Return the end of each device's state at its time; infinite if the state never ends."""

    @final
    def events(
        self, until_s: float
    ) -> Iterator[tuple[Int[ndarray, " n"], Float[ndarray, " n"], Bool[ndarray, " n"]]]:
        """Yield devices, times in seconds and new states.

        First the state of every device at time 0, then each change before ``until_s`` and the first
        one after it.
        """
        available = self.at(0.0)
        device = np.arange(len(available))
        time_s = np.zeros(len(available))
        while device.size:
            yield device, time_s, available
            before = time_s < until_s
            device, available = device[before], ~available[before]
            time_s = self.next_change_s(device, time_s[before])
            finite = np.isfinite(time_s)
            device, time_s, available = device[finite], time_s[finite], available[finite]


class Availability(ABC):
    """Availability model of the devices of a scenario."""

    @abstractmethod
    def process(self, count: int, streams: Streams) -> AvailabilityProcess:
        """Return the availability process of ``count`` devices.

        Raises:
            NetworkInputError: the model's file does not fit the devices.
        """
