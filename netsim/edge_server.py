"""Edge server: workers and one first-come, first-served queue."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, final

import simpy

from netsim.clock import wait


@final
@dataclass(frozen=True)
class Service:
    """Service of a job: arrival, start and end in simulated seconds."""

    arrival_s: float
    start_s: float
    end_s: float

    @property
    def wait_s(self) -> float:
        """Time between arrival and start of service."""
        return self.start_s - self.arrival_s


@final
class EdgeServer:
    """Edge server with a finite number of workers and one queue, first come, first served."""

    def __init__(self, env: simpy.Environment, workers: int) -> None:
        self._env = env
        self._workers = simpy.Resource(env, workers)

    def serve(self, service_s: float) -> Generator[simpy.Event, Any, Service]:
        """Serve a job of ``service_s`` seconds as soon as a worker is free; return its times.

        A process that is interrupted while it waits or is served leaves the queue and frees its
        worker.
        """
        arrival_s = float(self._env.now)
        with self._workers.request() as request:
            yield request
            start_s = float(self._env.now)
            yield wait(self._env, service_s)
        return Service(arrival_s, start_s, float(self._env.now))
