"""Environments of learned schedulers: the checkers of both libraries, gaps, tables and agents."""

import json
import re
import tomllib
from importlib.metadata import EntryPoint
from itertools import chain, combinations
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test

import airtune.gym
from analysis.bound.constants import Constants
from analysis.bound.recursions import corrected
from coupling import Scenario, ScenarioError
from coupling.gym.agents import Agent, AgentError, load_agent, save_agent
from coupling.gym.environment import SchedulingEnv
from coupling.gym.episodes import load_scenario
from coupling.gym.parallel import SchedulingParallelEnv
from coupling.gym.rewards import BoundReward
from coupling.gym.vector import SchedulingVectorEnv
from coupling.simulation.simulation import Simulation
from netsim.scheduling import Policy

SCENARIOS = ["paper/base", "energy/solar", "geometry/near_far", "mobility/cyclists", "phased"]
SMALL = {"rounds": 12, "devices.count": 6}
SHARES_IN_HZ = "ignore:.*symmetric and normalized.*:UserWarning"
CLOCKS = {"policy_wall_s", "learner_wall_s"}
CERTIFICATE = {"objective_bound", "iterations"}


def rows(record: object, without: set[str]) -> list[str]:
    """Return the rows of all tables of a round as text, without some columns."""
    tables = record.tables  # type: ignore[attr-defined]
    return [
        f"{name} {column} {value!r}"
        if not isinstance(value, np.ndarray)
        else f"{name} {column} {value.tolist()!r}"
        for name, parts in sorted(tables.items())
        for _, columns in parts
        for column, value in columns.items()
        if column not in without
    ]


@pytest.mark.filterwarnings(SHARES_IN_HZ)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_both_checkers_accept_the_environments(scenario: str) -> None:
    for action, form in [
        ("count", "dict"),
        ("subset", "box"),
        ("scores", "dict"),
        ("shares", "box"),
    ]:
        made = gymnasium.make(
            "airtune/Scheduling-v0",
            scenario=scenario,
            overrides=SMALL,
            action=action,
            observation=form,
            render_mode="rgb_array",
        )
        check_env(made.unwrapped)
    parallel_api_test(SchedulingParallelEnv(scenario, overrides=SMALL), num_cycles=20)


def test_the_registered_name_makes_both_environments() -> None:
    airtune.gym.register_environments()

    single = gymnasium.make("airtune/Scheduling-v0", scenario="paper/base", overrides=SMALL)
    many = gymnasium.make_vec(
        "airtune/Scheduling-v0", num_envs=2, scenario="paper/base", overrides=SMALL
    )

    assert isinstance(single.unwrapped, SchedulingEnv)
    assert isinstance(many.unwrapped, SchedulingVectorEnv)


@pytest.mark.parametrize(
    ("scenario", "rounds"), [("paper/base", 100), ("energy/solar", 100), ("phased", 30)]
)
def test_no_random_action_exceeds_the_optimum(scenario: str, rounds: int) -> None:
    for action in ("count", "subset", "scores", "shares"):
        environment = SchedulingEnv(scenario, overrides={**SMALL, "rounds": rounds}, action=action)
        environment.reset(seed=5)
        environment.action_space.seed(5)

        for _ in range(rounds):
            info = environment.step(environment.action_space.sample())[-1]

            assert info["gap"] >= -1e-9 * max(1.0, abs(info["objective"]))
            assert info["objective"] + info["gap"] == pytest.approx(info["optimum_objective"])


@pytest.mark.parametrize("scenario", ["paper/base", "phased"])
def test_the_optimum_is_that_of_all_subsets(scenario: str) -> None:
    environment = SchedulingEnv(scenario, overrides={"rounds": 20, "devices.count": 6})
    environment.reset(seed=2)
    for _ in range(8):
        state = environment.episode.state
        objective = environment.scenario.scheduler.objective
        subsets = chain.from_iterable(combinations(range(6), size) for size in range(1, 7))
        values = [
            float(objective.value(len(chosen), state.min_delay(np.array(chosen))[0], state))
            for chosen in subsets
        ]

        info = environment.step(4)[-1]

        assert info["optimum_objective"] == pytest.approx(max([0.0, *values]), abs=1e-9)


def policy_records(scenario: Scenario, policy: Policy, rounds: int) -> list[object]:
    simulation = Simulation(scenario, learning=False)
    records = []
    for _ in range(rounds):
        state = simulation.observe()
        assert state is not None
        records.append(simulation.step(policy.schedule(state)))
    return records


@pytest.mark.parametrize(
    ("kind", "options", "action", "without"),
    [
        ("greedy", {}, "shares", CLOCKS),
        ("exact", {}, "subset", CLOCKS),
        ("round_robin", {"scheduler.count": 4}, "subset", CLOCKS | CERTIFICATE),
    ],
)
def test_a_policy_through_an_action_leaves_the_tables_of_a_run(
    kind: str, options: dict[str, object], action: str, without: set[str]
) -> None:
    scenario = load_scenario(
        "paper/base", {"rounds": 60, "seed": 3, "scheduler.kind": kind, **options}
    )
    policy = scenario.policy()
    environment = SchedulingEnv(scenario, action=action)
    environment.reset(seed=3)

    for expected in policy_records(scenario, policy, 60):
        answer = policy.schedule(environment.episode.state)
        chosen = np.zeros(20)
        chosen[answer.devices] = answer.bandwidth_hz if action == "shares" else 1
        environment.step(chosen)

        assert rows(environment.episode.record, without) == rows(expected, without)


@pytest.mark.parametrize("action", ["count", "subset", "scores", "shares"])
def test_worlds_together_are_those_of_single_environments(action: str) -> None:
    overrides = {"rounds": 15}
    many = SchedulingVectorEnv("energy/solar", num_envs=4, overrides=overrides, action=action)
    many.reset(seed=7)
    many.action_space.seed(1)
    singles = [SchedulingEnv("energy/solar", overrides=overrides, action=action) for _ in range(4)]
    for place, single in enumerate(singles):
        single.reset(seed=7 + place)

    for _ in range(14):
        actions = many.action_space.sample()
        observed, rewards, _, truncated, infos = many.step(actions)
        for place, single in enumerate(singles):
            own, reward, _, _, info = single.step(actions[place])

            assert not truncated[place]
            assert rewards[place] == pytest.approx(reward, rel=1e-9)
            assert infos["optimum_scheduled"][place] == info["optimum_scheduled"]
            np.testing.assert_allclose(observed["gain"][place], own["gain"], rtol=1e-9)


def test_equal_seeds_meet_equal_worlds_and_the_end_is_truncated() -> None:
    first = SchedulingEnv("paper/base", overrides=SMALL)
    other = SchedulingEnv("paper/base", overrides=SMALL)
    first.reset(seed=4)
    other.reset(seed=4)
    ends = []

    for _ in range(12):
        seen, _, terminated, truncated, _ = first.step(3)
        own, *_ = other.step(0)
        ends.append((terminated, truncated))

        assert (seen["gain"] == own["gain"]).all()

    assert ends == [(False, False)] * 11 + [(False, True)]


def agent(devices: int = 20) -> Agent:
    rng = np.random.default_rng(0)
    blank = Agent("count", devices, ("round", "zeta", "gain"), weights=(), biases=())
    shapes = [(16, blank.inputs), (blank.outputs, 16)]
    weights = tuple(rng.normal(size=shape).astype(np.float32).astype(float) for shape in shapes)
    return Agent(
        "count",
        devices,
        ("round", "zeta", "gain"),
        weights=weights,
        biases=(np.zeros(16), np.zeros(blank.outputs)),
    )


def test_a_saved_agent_is_a_policy_of_a_scenario(tmp_path: Path) -> None:
    save_agent(tmp_path / "agent", agent())
    overrides = {
        "rounds": 5,
        "scheduler.kind": "airtune.gym:TrainedPolicy",
        "scheduler.path": str(tmp_path / "agent"),
    }

    scenario = load_scenario("paper/base", overrides)
    records = policy_records(scenario, scenario.policy(), 5)

    assert len({len(record.scheduled) for record in records}) >= 1  # type: ignore[attr-defined]
    assert (load_agent(tmp_path / "agent").weights[0] == agent().weights[0]).all()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("agent.json", b"{"),
        ("agent.json", b"[" * 10**6),
        ("agent.json", json.dumps({"format": "airtune-agent-1"}).encode()),
        ("model.safetensors", b"\x80\x04."),
        ("model.safetensors", b"\xff" * 64),
        ("model.safetensors", b""),
    ],
)
def test_a_hostile_agent_directory_gives_one_line(
    tmp_path: Path, file: str, content: bytes
) -> None:
    save_agent(tmp_path, agent())
    (tmp_path / file).write_bytes(content)

    with pytest.raises(AgentError) as caught:
        load_agent(tmp_path)

    assert str(tmp_path / file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_arguments_give_one_line_with_what_is_allowed() -> None:
    for wrong in [
        {"action": "counts"},
        {"observation": "Box"},
        {"reward": "losss"},
        {"fields": ["x"]},
    ]:
        with pytest.raises(ScenarioError, match="is not one of"):
            SchedulingEnv("paper/base", **wrong)  # type: ignore[arg-type]
    with pytest.raises(ScenarioError, match="learning=True"):
        SchedulingEnv("paper/base", reward="loss")


def test_the_code_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[2] / "docs" / "learned-schedulers.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)

    exec(code, {})

    gap, scheduled, _ = capsys.readouterr().out.split()
    assert float(gap) >= 0
    assert scheduled == "7"


def test_the_entry_point_of_the_package_is_the_registration() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (value,) = project["entry-points"]["gymnasium.envs"].values()
    point = EntryPoint("airtune", value, "gymnasium.envs")

    assert point.load() is airtune.gym.register_environments


def test_the_bound_as_a_reward_follows_the_corrected_recursion() -> None:
    constants = Constants(
        step=0.1,
        devices=6,
        smoothness=2.0,
        gradient_variance=0.5,
        diversity=0.3,
        polyak=0.2,
        lora_size=8,
        head_size=4,
        initial_gap=3.0,
    )
    scale = 2.0 * 0.1**2 / 2
    reward = BoundReward(
        initial_gap=3.0,
        contraction=0.1 * 0.2,
        noise=scale * 0.5 * 8,
        selection=scale * 0.3,
        heads=scale * 0.5 * 4,
    )
    environment = SchedulingEnv("paper/base", overrides=SMALL, reward=reward)
    environment.reset(seed=1)
    numbers = [2, 6, 0, 1, 4]

    decreases = [environment.step(number)[1] for number in numbers]

    gaps = corrected(numbers, constants)["gap"].to_numpy()
    np.testing.assert_allclose(decreases, gaps[:-1] - gaps[1:], atol=1e-12)
