"""Centralised training: every device uploads its data once, and the server trains on the data."""

from collections.abc import Generator
from typing import Any, Final, final

import numpy as np
import simpy
from jaxtyping import Int
from numpy import ndarray
from typing_extensions import override

from coupling.simulation.payloads import LegSizes
from coupling.simulation.protocols.base import Outcome, Payload, Protocol, RoundPlan
from coupling.simulation.protocols.exchange import Exchange, Send
from coupling.simulation.protocols.exchange_protocol import ExchangeProtocol
from netsim.cell import UPLINK, Cell
from netsim.clock import wait
from netsim.streams import Streams

UPLOAD: Final[Exchange] = (Send("data", UPLINK),)
"""The device sends its share of the data."""


@final
class Centralised(Protocol):
    """Upload of the data, and at the end of each round one step of the server.

    Without any data the server makes no step.
    """

    def __init__(
        self,
        env: simpy.Environment,
        upload: ExchangeProtocol,
        *,
        cell: Cell,
        streams: Streams,
        operations: float,
    ) -> None:
        self._env = env
        self._upload = upload
        self._cell = cell
        self._streams = streams
        self._operations = operations

    @override
    def payload(self, round_number: int) -> Payload:
        return self._upload.payload(round_number)

    @override
    def leg_bits(self, round_number: int) -> LegSizes:
        return self._upload.leg_bits(round_number)

    @override
    def exchange(self, plan: RoundPlan) -> Generator[simpy.Event, Any, Outcome]:
        return self._upload.exchange(plan)

    @override
    def end_round(
        self, round_number: int, times_arrived: Int[ndarray, " K"]
    ) -> Generator[simpy.Event, Any, None]:
        if not self._cell.has_compute or not times_arrived.any():
            return
        server = np.zeros(1, int)
        service_s = self._cell.service_s(
            self._operations, server, round_number, step="step", streams=self._streams
        )
        yield wait(self._env, float(service_s[0]))
