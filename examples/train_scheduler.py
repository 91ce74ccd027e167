"""PPO of Stable-Baselines3 on the paper's radio, evaluated in held-out worlds and in another world.

    python examples/train_scheduler.py FOLDER

Five training seeds, each with its own worlds; then 20 held-out worlds. All seeds are fixed. The
agents are in FOLDER/agent-1 to agent-5 and run in any scenario of 20 devices.
"""

import argparse
import multiprocessing
import time
from pathlib import Path

import gymnasium
import numpy as np
import torch
from scipy import stats
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

import airtune
import airtune.gym
from netsim.scheduling import Allocation, Policy

RADIO = {"rounds": 500, "scheduler.drift": "full", "learner": None}
SHORT = RADIO | {"rounds": 200}
OTHER = SHORT | {  # unequal distances, fading with a line of sight
    "devices.placement.radius_m": 200.0,
    "channel.fading": {"kind": "rician", "k_factor_db": 6.0},
}
AGAINST = ("exact", "algorithm1", "aaba", "greedy")
SEEDS = range(1, 6)


def clipped(record):  # J falls to -1e5 for a device in a deep fade
    return max(record.objective, -20.0) / 20.0


def build():
    return gymnasium.make(
        "airtune/Scheduling-v0",
        scenario="paper/base",
        overrides=RADIO,
        action="count",
        observation="box",
        fields=["delay_price", "ranked_gain"],
        reward=clipped,
    )


def train(folder, seed, steps):
    torch.set_num_threads(1)
    worlds = make_vec_env(build, n_envs=8, seed=100_000 * seed)  # no held-out world
    model = PPO(
        "MlpPolicy",
        worlds,
        n_steps=256,
        batch_size=256,
        seed=seed,
        device="cpu",
        policy_kwargs={"net_arch": [64, 64]},
        gamma=0.0,  # J holds the queue, so a state is judged by itself
        learning_rate=1e-3,
    )
    environment = worlds.envs[0].unwrapped
    untrained = airtune.gym.agent_of(model, environment)
    airtune.gym.save_agent(folder / f"untrained-{seed}", untrained)
    start_s = time.process_time()
    model.learn(steps)
    trained = airtune.gym.agent_of(model, environment)
    airtune.gym.save_agent(folder / f"agent-{seed}", trained)
    return time.process_time() - start_s


class RandomCount(Policy):
    """A random number of devices, those of the largest received power."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def schedule(self, state):
        return Allocation.equal_finish(state, state.rank_by_gain()[: self.rng.integers(21)])


def trained_policies(folder, prefix):
    return {
        f"{prefix}-{seed}": airtune.gym.TrainedPolicy(path=str(folder / f"{prefix}-{seed}"))
        for seed in SEEDS
    }


def interquartile_mean(values):
    """Return the mean of the middle half, and its 95 % limits by a bootstrap stratified by world.

    ``values`` has one row per training seed and one column per world.
    """
    rng = np.random.default_rng(0)
    runs, worlds = values.shape
    drawn = values[rng.integers(runs, size=(2000, runs, worlds)), np.arange(worlds)]
    means = stats.trim_mean(drawn.reshape(2000, -1), 0.25, axis=1)
    return stats.trim_mean(values.ravel(), 0.25), *np.quantile(means, [0.025, 0.975])


def report(worlds, columns):
    """Print the interquartile mean of each column, family by family of policies."""
    family = worlds["policy"].str.replace(r"-\d+$", "", regex=True)
    for name, group in worlds.groupby(family, sort=False):
        for column in columns:
            values = group.pivot(index="policy", columns="seed", values=column).to_numpy()
            values = values[:, np.isfinite(values).all(axis=0)]
            if values.size:
                mean, low, high = interquartile_mean(values)
                pairs = f"{values.shape[0]} x {values.shape[1]}"
                print(f"{name:12} {column:24} {mean:10.3f} [{low:.3f}, {high:.3f}]  {pairs}")


def beats(worlds, column, other):
    """Print the paired difference of PPO from others, with a t-interval over training seeds."""
    means = worlds.groupby("policy")[column].apply(lambda one: stats.trim_mean(one, 0.25))
    differences = [means[f"ppo-{seed}"] - means[f"{other}-{seed}"] for seed in SEEDS]
    half = stats.t.ppf(0.975, len(SEEDS) - 1) * stats.sem(differences)
    print(
        f"ppo minus {other}: {column} {np.mean(differences):.3f} +- {half:.3f} (5 training seeds)"
    )


def evaluate(folder, overrides, title):
    print(f"\n== {title}", flush=True)
    columns = ["gap_mean", "gap_median", "arrived_mean", "delay_per_budget"]
    ppo = {name.replace("agent", "ppo"): p for name, p in trained_policies(folder, "agent").items()}
    others = {f"random-{seed}": RandomCount(seed) for seed in SEEDS}
    others |= trained_policies(folder, "untrained")
    every = airtune.evaluate(ppo | others, "paper/base", against=[], settings=overrides).worlds
    report(every, columns)
    for other in ("random", "untrained"):
        beats(every, "gap_mean", other)
        beats(every, "gap_median", other)
    found = airtune.evaluate(ppo, "paper/base", against=AGAINST, settings=overrides)
    found.worlds.to_csv(folder / f"{title}.csv")
    regrets = [f"arrived_mean_{other}" for other in AGAINST]
    for column in regrets:
        found.worlds[column] -= found.worlds["arrived_mean"]
    report(found.worlds, [*columns, *regrets])
    print(found.at_equal_cost.round(3).to_string())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--evaluate-only", action="store_true", help="agents are in the folder")
    options = parser.parse_args()
    if not options.evaluate_only:
        tasks = [(options.folder, seed, options.steps) for seed in SEEDS]
        with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
            times = pool.starmap(train, tasks, chunksize=1)
        print("seconds of training:", [round(value) for value in times], flush=True)
    evaluate(options.folder, SHORT, "paper")
    evaluate(options.folder, OTHER, "other")


if __name__ == "__main__":
    main()
