"""Timed workloads of one checkout, driven by ``common.against`` over standard input and output.

A program of its own that keeps to the public surface of airtune, so that it runs over any commit:
``coupling.Scenario.load``, ``coupling.run`` and the command ``sweep``. ``PYTHONPATH`` selects the
commit. The argument names the workload; every line of standard input runs it once, and the answer
is its time in seconds: processor time, except for the sweep, whose work is done by other processes.
"""

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

import coupling

TABLE_WRITERS: Final = (
    ("coupling.run_directory.writer", "TableWriter"),
    ("coupling.recorder", "Recorder"),
)
"""Classes that have written the tables of a run, newest first."""
WRITER_METHODS: Final = ("write", "add", "end_round", "flush")
"""Methods through which a run has given them its rows; each class has some of them."""

PHASED: Final[Mapping[str, object]] = {
    "cell.downlink_bandwidth_hz": 10e6,
    "cell.server_tx_power_w": 20.0,
    "protocol": {
        "kind": "phased",
        "payload_bit": {"embedding": 5e6, "feature": 1e5, "gradient": 1e5},
    },
}
CROWD: Final[Mapping[str, object]] = PHASED | {
    "scheduler": {"kind": "random", "count": 20, "delay_budget_s": 10.0},
    "devices.placement": {"kind": "disc", "center_m": [300.0, 0.0], "radius_m": 50.0},
    "devices.mobility": {"kind": "random_waypoint", "speed_mps": [0.5, 2.0]},
    "channel.fading": {"kind": "rayleigh", "correlation": {"carrier_hz": 2e9, "waves": 8}},
    "channel.coherence": 0.05,
    # At the paper's noise a device drawn in a deep fade would delay its round by simulated days.
    "cell.noise_psd_w_per_hz": 1e-16,
    "trace.devices": "scheduled",
}
MOVING: Final[Mapping[str, object]] = {
    "devices.mobility": {
        "kind": "gauss_markov",
        "sigma_mps": 1.5,
        "correlation_time_s": 60.0,
        "step_s": 10.0,
    },
    "scheduler": {"kind": "aaba", "delay_budget_s": 52.0},
    "world_clock": "round",
    "round_period_s": 52.0,
}
LITTLE_EVALUATION: Final[Mapping[str, object]] = {
    "learner.data.test_size": 20,
    "learner.evaluate_every": 5,
}


def base(root: Path, overrides: Mapping[str, object]) -> coupling.Scenario:
    """Return the scenario ``paper/base.toml`` of the checkout with overrides."""
    return coupling.Scenario.load(root / "scenarios" / "paper" / "base.toml", dict(overrides))


def time_run(scenario: coupling.Scenario, learning: bool = False) -> float:
    """Return the processor time of the rounds of a run, without its first and its last round.

    The first round is the warm-up, the last one includes the final evaluation. The clock is read
    twice only: on some machines a reading takes as long as a round.
    """
    marks: list[float] = []
    rounds = 0

    def mark(report: Any) -> None:
        nonlocal rounds
        rounds += 1
        if report.round in (1, scenario.rounds - 1):
            marks.append(process_time())

    with tempfile.TemporaryDirectory() as folder:
        coupling.run(scenario, Path(folder) / "run", learning=learning, on_round=mark)
    assert rounds == scenario.rounds, "every round is reported"
    return marks[1] - marks[0]


def network(root: Path) -> float:
    """Time the paper's 20 devices under ``algorithm1``, network only."""
    return time_run(base(root, {"rounds": 2000, "scheduler.queue_initial_budgets": 5}))


def scale(root: Path) -> float:
    """Time rounds of 100,000 walking devices of which 20 send."""
    return time_run(base(root, {**CROWD, "devices.count": 100_000, "rounds": 20}))


def phased(root: Path) -> float:
    """Time rounds in which the paper's 20 devices send three legs each."""
    return time_run(base(root, {**PHASED, "rounds": 400, "scheduler.kind": "all_in"}))


def learner(root: Path) -> float:
    """Time learning rounds of the quickstart with its real model and data."""
    path = root / "scenarios" / "quickstart.toml"
    scenario = coupling.Scenario.load(path, {"rounds": 5, **LITTLE_EVALUATION})
    return time_run(scenario, learning=True)


def sweep(root: Path) -> float:
    """Time a sweep of four network-only runs in two worker processes."""
    main: Callable[[list[str]], int] = importlib.import_module("coupling.cli").main
    scenario = str(root / "scenarios" / "paper" / "base.toml")
    with tempfile.TemporaryDirectory() as folder:
        arguments = [scenario, "--seeds", "0:4", "--jobs", "2", "--set", "rounds=1500"]
        arguments += ["--no-learning", "--out", f"{folder}/sweep"]
        start_s = perf_counter()
        status = main(["sweep", *arguments])
        taken_s = perf_counter() - start_s
        assert status == 0, "the sweep failed"
        assert len([*Path(folder).glob("sweep/*/rounds")]) == 4, "every run was made"
    return taken_s


def trace(root: Path) -> float:
    """Time the table writer in a run of 2,000 moving devices, all of which are rows."""
    spent = TimedWriter()
    scenario = base(root, {**MOVING, "rounds": 300, "devices.count": 2000})
    with spent, tempfile.TemporaryDirectory() as folder:
        coupling.run(scenario, Path(folder) / "run", learning=False)
    assert spent.calls > 100, "the writer was timed"
    return spent.spent_s


class TimedWriter:
    """Processor time spent inside the methods of the table writer while the context is open."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self.calls = 0
        self._depth = 0
        self._kind = table_writer()
        self._methods = {
            name: method
            for name in WRITER_METHODS
            if (method := vars(self._kind).get(name)) is not None
        }

    def __enter__(self) -> None:
        for name, method in self._methods.items():
            setattr(self._kind, name, self._timed(method))

    def __exit__(self, *_: object) -> None:
        for name, method in self._methods.items():
            setattr(self._kind, name, method)

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            self._depth += 1
            start_s = process_time()
            try:
                return method(*args, **kwargs)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.spent_s += process_time() - start_s

        return timed


def table_writer() -> type:
    """Return the class that writes the tables in this commit."""
    for module, name in TABLE_WRITERS:
        try:
            return getattr(importlib.import_module(module), name)
        except (ModuleNotFoundError, AttributeError):
            continue
    raise SystemExit(f"none of {TABLE_WRITERS} exists: add the class that writes the tables")


WORKLOADS: Final[Mapping[str, Callable[[Path], float]]] = {
    work.__name__: work for work in (network, scale, phased, learner, sweep, trace)
}


def main() -> None:
    """Answer every line of standard input with the seconds of one more repetition."""
    root = Path(coupling.__file__).resolve().parents[1]
    work = WORKLOADS[sys.argv[1]]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the workload prints must not mix with the answers
    print(root, file=answers, flush=True)
    for _ in sys.stdin:
        print(work(root), file=answers, flush=True)


if __name__ == "__main__":
    main()
