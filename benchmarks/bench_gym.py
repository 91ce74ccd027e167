"""Cost of a step of the scheduling environment relative to a run, to mobile-env, and of 64 worlds.

Twenty devices of ``scenarios/paper/base.toml``, without learning and without tables. Each ratio is
the median of pairs that take turns. ``mobile-env`` 2.1 pins old packages, so it has a virtual
environment of its own, whose Python ``MOBILE_ENV_PYTHON`` names; without it the exit status is 1.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from time import process_time
from typing import Any, Final, final

import numpy as np

from benchmarks.common import ONE_THREAD, Report, paired_ratios
from coupling.gym.environment import SchedulingEnv
from coupling.gym.episodes import load_scenario
from coupling.gym.vector import SchedulingVectorEnv
from coupling.simulation.simulation import Simulation

LONG: Final[dict[str, object]] = {"rounds": 1_000_000}
NATIVE: Final[dict[str, object]] = LONG | {"scheduler.kind": "exact", "scheduler.diagnose": True}
STEPS: Final = 400
BANDWIDTH_HZ: Final = 10e6
QUEUE_S: Final = 100.0
"""Virtual queue from which on the agent of the benchmark takes few devices."""
PAIRS: Final = 9
MAXIMUM_STEP: Final = 1.25
"""Step over a round of ``exact`` with ``diagnose``."""
MAXIMUM_OF_SINGLES: Final = {16: 0.8, 64: 0.6}
"""Step of N worlds together over the steps of N single ones."""
MINIMUM_OF_MOBILE: Final = 10.0
MOBILE_ENV: Final = "mobile-medium-central-v0"
MOBILE_PROGRAM: Final = f"""
import sys
from time import process_time

import gymnasium
import mobile_env

environment = gymnasium.make("{MOBILE_ENV}")
environment.reset(seed=1)
environment.action_space.seed(1)
print(environment.unwrapped.NUM_USERS, flush=True)
for line in sys.stdin:
    actions = [environment.action_space.sample() for _ in range(int(line))]
    start_s = process_time()
    for action in actions:
        if any(environment.step(action)[2:4]):
            environment.reset()
    print(process_time() - start_s, flush=True)
"""


@final
class MobileEnvironment:
    """The environment of mobile-env in a process of its own Python.

    Raises:
        OSError: there is no such Python.
        ValueError: it has no mobile-env.
    """

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-c", MOBILE_PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if not os.environ.get("BENCH_VERBOSE") else None,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            | ONE_THREAD,
            text=True,
        )
        self.users = int(self._answer())

    def seconds(self, steps: int) -> float:
        """Return the processor time of some steps."""
        assert self._process.stdin is not None, "opened as a pipe"
        print(steps, file=self._process.stdin, flush=True)
        return float(self._answer())

    def close(self) -> None:
        """End the process."""
        with self._process as process:
            assert process.stdin is not None, "opened as a pipe"
            process.stdin.close()

    def _answer(self) -> str:
        assert self._process.stdout is not None, "opened as a pipe"
        return self._process.stdout.readline().strip()


def stepper(environment: SchedulingEnv, seed: int = 1) -> Callable[[int], float]:
    """Return a function that takes ``STEPS`` steps and returns their processor time.

    The agent takes ten of the strongest devices, or three while the queue is long, so that its
    states are like those of ``exact``.
    """
    observation, _ = environment.reset(seed=seed)

    def act() -> Any:
        count = 10 if observation["virtual_queue_s"][0] < QUEUE_S else 3
        if environment.action == "count":
            return count
        action = np.zeros(20)
        action[np.argsort(-observation["gain"])[:count]] = 1.0
        return action * (BANDWIDTH_HZ / count) if environment.action == "shares" else action

    def seconds(_: int) -> float:
        nonlocal observation
        start_s = process_time()
        for _ in range(STEPS):
            observation, *_ = environment.step(act())
        return process_time() - start_s

    return seconds


def native_rounds() -> Callable[[int], float]:
    """Return a function that runs ``STEPS`` rounds under ``exact`` and returns their time."""
    scenario = load_scenario("paper/base", NATIVE)
    simulation = Simulation(scenario, learning=False)
    policy = scenario.policy()

    def seconds(_: int) -> float:
        start_s = process_time()
        for _ in range(STEPS):
            state = simulation.observe()
            assert state is not None, "a million rounds are not over"
            simulation.step(policy.schedule(state))
        return process_time() - start_s

    return seconds


def against_a_run(report: Report) -> None:
    """Report the time of a step relative to a native round, for each kind of action."""
    for action in ("count", "subset", "scores", "shares"):
        environment = SchedulingEnv("paper/base", overrides=LONG, action=action)
        ratios = paired_ratios(stepper(environment), native_rounds(), PAIRS)
        text = f"time of a step with {action!r} relative to a round of exact with diagnose"
        report.maximum(text, statistics.median(ratios), MAXIMUM_STEP)


def against_mobile_env(report: Report) -> None:
    """Report the steps per second relative to those of mobile-env."""
    python = os.environ.get("MOBILE_ENV_PYTHON", "")
    try:
        mobile = MobileEnvironment(python)
    except (OSError, ValueError):
        reason = f"no mobile-env in MOBILE_ENV_PYTHON = {python!r}" if python else "no mobile-env"
        report.missing(
            f"{reason}: pip install mobile-env==2.1 in another virtual environment, and set "
            "MOBILE_ENV_PYTHON to its Python"
        )
        return
    ours = stepper(SchedulingEnv("paper/base", overrides=LONG))
    try:
        ratios = paired_ratios(lambda _: mobile.seconds(STEPS), ours, PAIRS)
        rate = STEPS / mobile.seconds(STEPS)
    finally:
        mobile.close()
    report.note(f"{MOBILE_ENV}, {mobile.users} users: {rate:,.0f} steps/s; K = 20 here")
    text = f"steps per second relative to {MOBILE_ENV}"
    report.minimum(text, statistics.median(ratios), MINIMUM_OF_MOBILE)


def many_worlds(report: Report) -> None:
    """Report the time of a step of N worlds together relative to N single ones."""
    for worlds, bound in MAXIMUM_OF_SINGLES.items():
        steps = max(10, STEPS // worlds)
        together = SchedulingVectorEnv("paper/base", num_envs=worlds, overrides=LONG)
        together.reset(seed=1)
        singles = [SchedulingEnv("paper/base", overrides=LONG) for _ in range(worlds)]
        for place, single in enumerate(singles):
            single.reset(seed=1 + place)
        actions = np.random.default_rng(1).integers(21, size=(PAIRS + 1, steps, worlds))

        def many_s(
            number: int,
            together: SchedulingVectorEnv = together,
            actions: np.ndarray = actions,
        ) -> float:
            start_s = process_time()
            for action in actions[number]:
                together.step(action)
            return process_time() - start_s

        def singles_s(
            number: int,
            singles: list[SchedulingEnv] = singles,
            actions: np.ndarray = actions,
        ) -> float:
            start_s = process_time()
            for action in actions[number]:
                for single, one in zip(singles, action, strict=True):
                    single.step(one)
            return process_time() - start_s

        ratios = paired_ratios(many_s, singles_s, PAIRS)
        text = f"time of {worlds} worlds together relative to single ones"
        report.maximum(text, statistics.median(ratios), bound)


def main() -> int:
    """Print the ratios; return the exit status."""
    report = Report("gym")
    against_a_run(report)
    many_worlds(report)
    against_mobile_env(report)
    return report.status


if __name__ == "__main__":
    sys.exit(main())
