"""The server against queueing theory: Poisson arrivals, one or more workers, constant or
exponential service.
"""

from collections.abc import Generator
from math import factorial
from typing import Any

import numpy as np
import pytest
import simpy

from netsim.clock import wait
from netsim.edge_server import EdgeServer, Service

JOBS = 20_000
REPLICATIONS = 10


def served(
    load: float, workers: int, *, exponential: bool, seed: int, jobs: int = JOBS
) -> list[Service]:
    """Return all services of mean length 1 with Poisson arrivals that keep each worker busy for
    ``load``.
    """
    rng = np.random.default_rng(seed)
    gaps_s = rng.exponential(1 / (load * workers), jobs)
    service_s = rng.exponential(size=jobs) if exponential else np.ones(jobs)
    env = simpy.Environment()
    server, done = EdgeServer(env, workers), list[Service]()

    def job(length_s: float) -> Generator[simpy.Event, Any, None]:
        done.append((yield from server.serve(length_s)))

    def arrivals() -> Generator[simpy.Event, Any, None]:
        for gap_s, length_s in zip(gaps_s, service_s, strict=True):
            yield wait(env, gap_s)
            env.process(job(length_s))

    env.process(arrivals())
    env.run()
    return done


def erlang_c(load: float, workers: int) -> float:
    """Return the probability that a job waits in M/M/c."""
    offered = load * workers
    full = offered**workers / factorial(workers) / (1 - load)
    return full / (sum(offered**n / factorial(n) for n in range(workers)) + full)


@pytest.mark.parametrize(
    ("load", "workers", "exponential", "theory_s"),
    [
        (0.6, 1, False, 0.6 / (2 * (1 - 0.6))),  # M/D/1: rho / (2 (1 - rho))
        (0.8, 1, False, 0.8 / (2 * (1 - 0.8))),
        (0.6, 1, True, 0.6 / (1 - 0.6)),  # M/M/1: rho / (1 - rho)
        (0.7, 3, True, erlang_c(0.7, 3) / (3 * (1 - 0.7))),  # M/M/c: C / (c (1 - rho))
    ],
)
def test_the_mean_wait_is_that_of_theory(
    load: float, workers: int, exponential: bool, theory_s: float
) -> None:
    means_s = []
    for seed in range(REPLICATIONS):
        waits_s = [job.wait_s for job in served(load, workers, exponential=exponential, seed=seed)]
        means_s.append(np.mean(waits_s[JOBS // 10 :]))

    # Independent replications with nearly normal means: 4.3 is Student's t of 0.998 with 9 degrees
    # of freedom.
    half_width = 4.3 * np.std(means_s, ddof=1) / np.sqrt(REPLICATIONS)
    # The other law of service would be off by a factor of 2, another worker by more.
    assert half_width < 0.1 * theory_s
    assert abs(np.mean(means_s) - theory_s) < half_width


def test_jobs_are_served_by_the_workers_in_order_of_arrival() -> None:
    jobs = sorted(served(0.9, 3, exponential=True, seed=1, jobs=500), key=lambda job: job.arrival_s)
    starts_s = [job.start_s for job in jobs]

    assert starts_s == sorted(starts_s)
    for job in jobs:
        assert job.arrival_s <= job.start_s <= job.end_s
        assert sum(other.start_s <= job.start_s < other.end_s for other in jobs) <= 3


def test_a_job_that_is_interrupted_in_the_queue_frees_its_place() -> None:
    env = simpy.Environment()
    server, ends_s = EdgeServer(env, 1), {}

    def job(name: str) -> Generator[simpy.Event, Any, None]:
        try:
            ends_s[name] = (yield from server.serve(10.0)).end_s
        except simpy.Interrupt:
            ends_s[name] = None

    def leave(process: simpy.Process, at_s: float) -> Generator[simpy.Event, Any, None]:
        yield wait(env, at_s)
        process.interrupt()

    processes = [env.process(job(name)) for name in ("first", "second", "third", "fourth")]
    env.process(leave(processes[1], 5.0))
    env.process(leave(processes[2], 15.0))
    env.run()

    assert ends_s == {"first": 10.0, "second": None, "third": None, "fourth": 25.0}


@pytest.mark.parametrize("service_s", [-1.0, float("nan"), float("inf")])
def test_an_impossible_service_time_is_refused(service_s: float) -> None:
    env = simpy.Environment()
    env.process(EdgeServer(env, 1).serve(service_s))

    with pytest.raises(ValueError, match="is neither zero nor a positive finite time"):
        env.run()
