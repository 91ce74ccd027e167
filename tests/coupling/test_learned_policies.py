"""Learned policies: evaluations, gaps of many actions, many worlds, and runs that are killed."""

import importlib.util
import multiprocessing
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.kills import run_until_killed
from support.small_runs import assert_same_tables
from typing_extensions import override

import airtune
import coupling
from coupling import Scenario, ScenarioError
from coupling.gym.agents import Agent, save_agent
from coupling.gym.environment import SchedulingEnv, draw_world
from coupling.gym.episodes import load_scenario
from coupling.gym.optimum import optimum
from coupling.gym.vector import SchedulingVectorEnv
from coupling.scenario.errors import Interrupted
from netsim.scheduling import Allocation, Policy, RoundState, create

SMALL = {"rounds": 20, "devices.count": 6, "scheduler.drift": "full"}
FORGIVING = 1e-9


def near_the_optimum(environment: SchedulingEnv, rng: np.random.Generator) -> Any:
    """Return the action of the optimum, changed in one device or by a millionth of the band."""
    state = environment.episode.state
    best = optimum(state, environment.scenario.scheduler.objective).allocation
    count = environment.observer.count
    if environment.action == "count":
        return int(np.clip(len(best.devices) + rng.integers(-1, 2), 0, count))
    action = np.zeros(count)
    if environment.action == "shares":
        action[best.devices] = best.bandwidth_hz * (1 + 1e-6 * rng.normal(size=len(best.devices)))
        return action
    action[best.devices] = 1
    changed = rng.integers(2 * count)
    if changed < count:
        action[changed] = 1 - action[changed]
    return action


def smallest_gap(action: str, worlds: int) -> float:
    """Return the smallest gap of 50 actions in each of some worlds.

    The bound on it is absolute, although J reaches -1e5: the optimum is at least 0, so that the J
    of a negative gap is between 0 and K.
    """
    environment = SchedulingEnv("paper/base", overrides={"rounds": 3000}, action=action)  # type: ignore[arg-type]
    environment.action_space.seed(5)
    rng = np.random.default_rng(5)
    gaps = []

    for place in range(50 * worlds):
        # Random actions let the queue explode, so they come last in a world of 50 rounds.
        if place % 50 == 0:
            environment.reset(seed=place)
        near = place % 50 < 40
        chosen = near_the_optimum(environment, rng) if near else environment.action_space.sample()
        gaps.append(environment.step(chosen)[-1]["gap"])

    assert np.count_nonzero(np.array(gaps) < 0.5) > 4 * worlds
    return min(gaps)


ACTIONS = pytest.mark.parametrize("action", ["count", "subset", "scores", "shares"])


@ACTIONS
def test_no_action_has_a_larger_objective(action: str) -> None:
    assert smallest_gap(action, worlds=2) >= -FORGIVING


@pytest.mark.slow
@ACTIONS
def test_no_action_of_ten_thousand_has_a_larger_objective(action: str) -> None:
    assert smallest_gap(action, worlds=200) >= -FORGIVING


def compare_worlds(count: int, rounds: int) -> None:
    overrides: dict[str, object] = {"rounds": rounds}
    many = SchedulingVectorEnv("paper/base", num_envs=count, overrides=overrides)
    many.reset(seed=7)
    many.action_space.seed(1)
    singles = [SchedulingEnv("paper/base", overrides=overrides) for _ in range(count)]
    for place, single in enumerate(singles):
        single.reset(seed=7 + place)
    for _ in range(rounds - 1):
        actions = many.action_space.sample()
        observed, rewards, *_, infos = many.step(actions)
        own = [single.step(actions[place]) for place, single in enumerate(singles)]

        np.testing.assert_allclose(rewards, [one[1] for one in own], rtol=1e-9)
        best = [one[-1]["optimum_scheduled"] for one in own]
        assert infos["optimum_scheduled"].tolist() == best
        for name in observed:
            alone = np.stack([one[0][name] for one in own])
            np.testing.assert_allclose(observed[name], alone, rtol=1e-9)


def test_sixteen_worlds_together_are_sixteen_single_ones() -> None:
    compare_worlds(16, 10)


@pytest.mark.slow
def test_sixty_four_worlds_together_are_single_ones() -> None:
    compare_worlds(64, 200)


def trained_scenario(folder: Path) -> Scenario:
    rng = np.random.default_rng(0)
    fields = ("round", "zeta", "delay_price", "ranked_gain")
    blank = Agent("count", 20, fields, weights=(), biases=())
    shapes = [(16, blank.inputs), (blank.outputs, 16)]
    weights = tuple(rng.normal(size=shape) for shape in shapes)
    agent = Agent("count", 20, fields, weights, biases=(np.zeros(16), np.zeros(blank.outputs)))
    save_agent(folder / "agent", agent)
    overrides = {
        "rounds": 40,
        "scheduler.kind": "airtune.gym:TrainedPolicy",
        "scheduler.path": str(folder / "agent"),
        "trace.checkpoint_every": 3,
        "learner": None,
    }
    return load_scenario("paper/base", overrides)


@pytest.mark.slow
def test_a_killed_run_of_a_trained_policy_is_resumed_to_equal_tables(tmp_path: Path) -> None:
    scenario = trained_scenario(tmp_path)
    whole = coupling.run(scenario, tmp_path / "whole")
    assert len(set(whole.rounds.scheduled)) > 1
    context = multiprocessing.get_context("forkserver")
    for number in (2, 17, 39):
        folder = tmp_path / f"killed-{number}"
        process = context.Process(target=run_until_killed, args=(scenario, folder, number))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert_same_tables(coupling.resume(folder), whole)


def bandit_class() -> Callable[..., Policy]:
    path = Path(__file__).parents[2] / "examples" / "contextual_bandit.py"
    spec = importlib.util.spec_from_file_location("contextual_bandit", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Policy] = module.ContextualBandit
    return found


def test_a_trained_policy_continues_to_equal_tables(tmp_path: Path) -> None:
    scenario = trained_scenario(tmp_path)
    whole = coupling.run(scenario, tmp_path / "whole")
    seen: list[int] = []
    with pytest.raises(Interrupted, match="interrupted after round 17"):
        coupling.run(
            scenario,
            tmp_path / "run",
            on_round=lambda record: seen.append(record.round),
            stop=lambda: len(seen) == 17,
        )

    assert_same_tables(coupling.resume(tmp_path / "run"), whole)


def test_the_contextual_bandit_continues_with_its_memory(tmp_path: Path) -> None:
    scenario = load_scenario(
        "paper/base", {"rounds": 30, "learner": None, "trace.checkpoint_every": 4}
    )
    bandit = bandit_class()
    whole = coupling.run(scenario, tmp_path / "whole", policy=bandit())
    seen: list[int] = []
    with pytest.raises(Interrupted, match="interrupted after round 13"):
        coupling.run(
            scenario,
            tmp_path / "run",
            policy=bandit(),
            on_round=lambda record: seen.append(record.round),
            stop=lambda: len(seen) == 13,
        )

    assert_same_tables(coupling.resume(tmp_path / "run", policy=bandit()), whole)


def test_exact_has_neither_regret_nor_gap() -> None:
    exact = create("exact", drift="full")

    found = airtune.evaluate(exact, "paper/base", range(6), against=["exact"], settings=SMALL)

    (row,) = found.at_equal_cost.to_dict("records")
    assert row["against"] == "exact"
    assert row["difference"] == pytest.approx(0.0, abs=1e-12)
    assert row["pairs"] == 6
    assert (found.gaps["gap_mean"] == 0).all()
    assert (found.differences["difference"].fillna(0) == 0).all()


@pytest.mark.slow
def test_a_policy_that_wastes_its_delay_has_regret() -> None:
    """Two devices of six, whichever they are: ``exact`` serves more in the same time."""
    blind = create("random", count=2)

    found = airtune.evaluate(blind, "paper/base", range(6), against=["exact"], settings=SMALL)

    (row,) = found.at_equal_cost.to_dict("records")
    assert row["value"] == 2.0
    assert row["difference"] > 0.5
    own = found.gaps.set_index("policy")["gap_mean"]
    assert own["policy"] > own["exact"] == 0


class Growing(Policy):
    """Policy with a memory: one device more in each round."""

    def __init__(self) -> None:
        self.rounds = 0

    @override
    def schedule(self, state: RoundState) -> Allocation:
        self.rounds += 1
        return Allocation.equal_finish(state, state.rank_by_gain()[: self.rounds])


def test_every_world_meets_a_fresh_copy_of_a_policy() -> None:
    settings = SMALL | {"rounds": 3}

    found = airtune.evaluate(
        Growing(), "paper/base", range(3), against=["exact"], settings=settings
    )

    own = found.worlds[found.worlds["policy"] == "policy"]
    assert own["arrived_mean"].tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("seeds", [[], [-1], [3, 10_000]])
def test_an_evaluation_refuses_the_worlds_of_training(seeds: list[int]) -> None:
    with pytest.raises(ScenarioError, match="worlds of training"):
        airtune.evaluate(create("exact"), "paper/base", seeds)


def test_training_draws_no_world_of_an_evaluation() -> None:
    rng = np.random.default_rng(1)

    assert min(draw_world(rng) for _ in range(10_000)) >= 10_000
