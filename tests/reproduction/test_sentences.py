"""Sentences of the documentation with numbers, against the stored tables of the reproduction."""

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from support import second_computation as second

TABLES = second.stored()
BUDGET_S = 51.904512
"""Delay budget of the reproduction: 1e-6 s/bit for 51,904,512 bit."""


def text(page: str) -> str:
    return re.sub(r"\s+", " ", (second.ROOT / page).read_text(encoding="utf-8"))


def by_policy(stage: str, measure: str, variant: str = "all") -> pd.DataFrame:
    """Return a measure with one row per seed and one column per policy."""
    rows = TABLES[stage][TABLES[stage]["variant"] == variant]
    return rows.pivot(index="seed", columns=second.POLICY, values=measure)


def times_of_all_in(stage: str) -> tuple[pd.Series, pd.Series]:
    """Return All-in's simulated time over that of the others: of means, and median of seeds."""
    times = by_policy(stage, "simulated_s")
    others = times.drop(columns="all_in")
    return times["all_in"].mean() / others.mean(), (
        1 / others.div(times["all_in"], axis=0)
    ).median()


def learning() -> Iterator[tuple[str, str]]:
    page = "docs/reproduction.md"
    stages = ("fig3-sst2", "fig3-sst2-sgd", "fig3-mrpc", "fig4-cifar10")
    means, medians = zip(*map(times_of_all_in, stages), strict=True)
    low, high = min(map(min, means)), max(map(max, means))
    yield page, f"takes {low:.0f} to {high:.0f} times the others' simulated time by the means of"
    yield "reproduction/figures.py", f"All-in takes {low:.0f} to {high:.0f} times as long"
    low, high = min(map(min, medians)), max(map(max, medians))
    yield page, f"and {low:.0f} to {high:.0f} times in the median of the seeds"
    mean, median = times_of_all_in("fig4-cifar10")
    low, high = min(mean), max(mean)
    yield page, f"takes {low:.0f} to {high:.0f} times the others' simulated time by the means, "
    yield page, f"{min(median):.0f} to {max(median):.0f} times in the median of the seeds. The tr"
    accuracy = 100 * by_policy("fig3-mrpc", "accuracy").mean()
    low, high = accuracy.drop("all_in").min(), accuracy.drop("all_in").max()
    yield page, f"All-in has {accuracy['all_in']:.1f} %, the others {low:.0f} to {high:.0f} %"
    accuracy = 100 * by_policy("fig4-cifar10", "accuracy").mean()
    low, high = accuracy.drop("all_in").min(), accuracy.drop("all_in").max()
    yield page, f"{accuracy['all_in']:.0f} % against {low:.0f} to {high:.0f} %"
    devices = by_policy("fig3-sst2", "scheduled_mean").mean()
    idle = by_policy("fig3-sst2", "rounds_without_devices").mean()
    yield (
        page,
        f"schedules {devices['algorithm1']:.1f} devices on average and GS {devices['greedy']:.1f}",
    )
    yield page, f"It schedules *no device* in {idle['algorithm1']:.0f} of its 40 rounds"
    delays = by_policy("fig3-sst2-sgd", "delay_mean_s").median()
    yield page, f"the proposed algorithm takes {delays['algorithm1']:.0f} s per round"
    yield page, f"and AABA takes {delays['aaba']:.0f} s"
    small = TABLES["fig5-sst2"][TABLES["fig5-sst2"][second.BUDGET] == 5e-7]
    ends = 100 * small.groupby(second.POLICY)["accuracy"].agg(["median", "mean"])
    own, other = ends.loc["algorithm1"], ends.loc["greedy"]
    yield page, f"at {own['median']:.1f} % in the median ({own['mean'] + 1e-9:.1f} % in the mean)"
    yield page, f"GS at {other['median']:.1f} % ({other['mean']:.1f} %)"
    pooler = by_policy("learning-choices", "accuracy", "pooler")
    gap = pooler["greedy"] - pooler["algorithm1"]
    p = 2 * second.p_above(gap.to_numpy())
    yield page, f"ends {100 * gap.mean():.1f} points behind GS**, with p = {p:.3f} alone"
    first = 100 * by_policy("fig4-cifar10-12-rounds", "accuracy").mean()
    yield page, f"CIFAR-10 ended at {min(first):.0f} to {max(first):.0f} %"


def network() -> Iterator[tuple[str, str]]:
    page = "docs/reproduction.md"
    start = by_policy("radio", "scheduled_mean", "start0")
    lead = start["algorithm1"] - start["greedy"]
    assert (lead < 0).sum() == 1
    yield page, f"GS schedules {-min(lead):.1f} devices more over all 5,000 rounds"
    delays = by_policy("radio", "delay_mean_s", "start0")["algorithm1"] / BUDGET_S
    yield page, f"its mean delay is {delays.median():.2f} budgets"
    printed = by_policy("printed-budget", "scheduled_mean").median()
    over = 100 * by_policy("printed-budget", "over_budget").median()
    for place in (page, "docs/paper-notes.md"):
        yield place, f"All-in exceeds it in {over['all_in']:.0f} % of the rounds"
        yield place, f"Algorithm 1 in {over['algorithm1']:.0f} %"
    devices = [printed[name] for name in ("algorithm1", "greedy", "aaba")]
    assert devices == sorted(devices, reverse=True)
    yield page, "20 > {:.2f} > {:.2f} (GS) > {:.2f} (AABA)".format(*devices)
    yield "docs/paper-notes.md", "20 > {:.2f} > {:.2f} > {:.2f}".format(*devices)
    idle = by_policy("printed-budget", "rounds_without_devices")["algorithm1"]
    assert (idle > 100).sum() == 1
    yield page, f"leaves {max(idle):,} rounds without devices"
    budgets = TABLES["budgets"]
    rows = budgets[(budgets["variant"] == "start5") & (budgets[second.POLICY] == "algorithm1")]
    work = rows.groupby(second.BUDGET)["devices_solved"].median()
    *numbers, last = [f"{number:.0f}" for number in work]
    yield page, f"over the five budgets: {', '.join(numbers)} and {last} devices"
    assert round(work.iloc[-1] / work.iloc[0]) == 11
    wall = rows.groupby(second.BUDGET)["policy_wall_median_s"].median()
    assert round(wall.iloc[-1] / wall.iloc[0]) == 5
    yield page, f"and by {100 * (wall.iloc[-1] / wall.iloc[2] - 1):.0f} % from there to 4e-6"
    near = by_policy("radio", "nearer_m", "start5").mean()
    yield page, f"a little more ({near['exact']:.2f} against {near['algorithm1']:.2f} m)"
    equal = by_policy("equal-delay", "scheduled_mean", "start5").mean()
    lead = (start["greedy"] - start["aaba"]).mean()
    yield page, f"{equal['greedy'] - equal['aaba']:.2f} devices are left of {lead:.2f}"
    idle = by_policy("sensitivity", "rounds_without_devices", "no-fading").mean()
    yield page, f"rounds without any ({idle['algorithm1']:.0f} of 500)"
    cell = by_policy("sensitivity", "scheduled_mean", "calibrated").mean()
    yield page, "({greedy:.2f}, {exact:.2f}, {algorithm1:.2f})".format(**cell)
    line_19 = by_policy("sensitivity", "delay_mean_s", "queue-of-line-19").median() / BUDGET_S
    yield page, f"With line 19 the mean delay is {line_19['algorithm1']:.1f} budgets"


def arithmetic() -> Iterator[tuple[str, str]]:
    """Yield sentences whose numbers follow from the paper's settings alone."""
    page, notes = "docs/reproduction.md", "docs/paper-notes.md"
    adapter = 12 * 3 * 2 * 8 * 768 + 8 * 2 * 768
    yield notes, f"442,368 + 12,288 = {adapter:,} parameters"
    yield notes, f"663,552 = 12 x {8 * (2 * 2 * 768 + 768 + 3072):,}"
    yield notes, f"32 x (64 + 1 + 1) x 768 x 32 = {32 * 66 * 768 * 32:,} bit"
    gain = (300 / 10) ** -3.5
    yield notes, f"The received SNR over the whole band is about {gain / (1e-11 * 1e7):.2f}"
    yield notes, f"That noise is {10 * np.log10(1e-11 / (1.380649e-23 * 290)):.0f} dB above thermal"
    split, averaged = 32 * 32 * 66 * 768 / 1e6, 64 * adapter / 1e6
    yield page, f"is {split:.1f} Mbit split against {averaged:.1f} Mbit averaged"
    yield page, f"{32 * 32 * 65 * 768 / 1e6:.1f} against {averaged / 2:.1f} Mbit"
    minilm = 6 * 3 * 2 * 8 * 384
    yield page, f"the two break even at {2 * minilm / (66 * 384):.1f} samples of 64 tokens"
    sent, split = 32 * minilm / 1e6, 32 * 8 * 66 * 384 / 1e6
    yield page, f"({sent:.1f} against {split:.1f} Mbit)"
    devices = TABLES["protocols"].query("variant == 'split'")["scheduled_mean"].mean()
    yield page, f"against {devices * split:.0f} Mbit in *every round*"
    limit = 1e-4 * 8 * 19 / (19 * 8 * 1e-8 + 12)
    yield "docs/theorem1.md", f"the printed condition is L < {1e3 * limit:.1f}e-3"
    yield "docs/protocols.md", f"as much as {32 * 32 * 65 * 768 / (32 * adapter):.1f} adapters"


@pytest.mark.parametrize(("page", "sentence"), [*learning(), *network(), *arithmetic()])
def test_a_sentence_agrees_with_the_stored_tables(page: str, sentence: str) -> None:
    assert sentence in text(page)


def test_two_pairs_of_mrpc_are_out_of_the_papers_order() -> None:
    reversed_pairs = []
    for measure, sign in (
        ("train_loss", 1),
        ("test_loss", 1),
        ("accuracy", -1),
        ("accuracy_curve", -1),
    ):
        means = sign * by_policy("fig3-mrpc", measure).mean()
        for better, worse in pairwise(["all_in", "algorithm1", "greedy", "aaba"]):
            if means[worse] < means[better]:
                reversed_pairs.append((measure, better, worse))

    assert reversed_pairs == [
        ("test_loss", "algorithm1", "greedy"),
        ("accuracy_curve", "algorithm1", "greedy"),
    ]
    assert "The means are in the paper's order except two pairs" in text("docs/reproduction.md")
