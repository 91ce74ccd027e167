"""What an availability model must do."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from netsim.streams import Streams


class AvailabilityProcess(ABC):
    """Which of K devices can be reached at any time from 0 on.

    A function of time: asking twice, out of order or in a resumed run gives the same answer, and
    that of a device depends on nothing but the seed, its number and the model.
    """

    @abstractmethod
    def at(self, time_s: float) -> Bool[ndarray, " K"]:
        """Return whether each device is available."""

    @abstractmethod
    def change_s(
        self, device: Int[ndarray, " n"], time_s: Float[ndarray, " n"]
    ) -> Float[ndarray, " n"]:
        """Return when the state that each of some devices has at a time of its own ends; inf if it
        never does.
        """

    @final
    def changes(
        self, until_s: float
    ) -> Iterator[tuple[Int[ndarray, " n"], Float[ndarray, " n"], Bool[ndarray, " n"]]]:
        """Yield devices, times in seconds and new states: of all devices at time 0, and then of who
        changes.

        Of every device the changes before ``until_s`` come, and the one after them.
        """
        available = self.at(0.0)
        device, time_s = np.arange(len(available)), np.zeros(len(available))
        while device.size:
            yield device, time_s, available
            going = time_s < until_s
            device, available = device[going], ~available[going]
            time_s = self.change_s(device, time_s[going])
            finite = np.isfinite(time_s)
            device, time_s, available = device[finite], time_s[finite], available[finite]


class Availability(ABC):
    """When the devices of a scenario can be reached."""

    @abstractmethod
    def presence(self, count: int, streams: Streams) -> AvailabilityProcess:
        """Return the presence of ``count`` devices.

        Raises:
            NetworkInputError: the model's file does not fit the devices.
        """
