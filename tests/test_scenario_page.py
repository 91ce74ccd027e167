"""Sources of the scenario keys in docs/scenarios.md, compared with a list made by hand.

The list was made by reading the paper and the cited works, not by running the generator.
"""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "scenarios.md"
PLACE = r"section [IV]+(-[AB])?|Lemma 2|Algorithm 1|\(\d+[ab]?\)( and \(\d+\))?"
ALLOWED = re.compile(rf"paper, ({PLACE})|cited, .+|airtune")

SOURCES = {
    # Section V-A gives the numbers of the simulation.
    ("(top level)", "rounds"): "paper, section V-A",
    ("cell", "position_m"): "paper, section V-A",
    ("devices", "count"): "paper, section V-A",
    ("devices.placement, disc", "radius_m"): "paper, section V-A",
    ("channel.path_loss, power_law", "exponent"): "paper, section V-A",
    ("scheduler", "delay_budget_s_per_bit"): "paper, section V-A",
    ("learner", "batch_size"): "paper, section V-A",
    ("learner.lora", "rank"): "paper, section V-A",
    ("learner.lora", "alpha"): "paper, section V-A",
    ("learner.data", "share"): "paper, section V-A",
    # Equations.
    ("cell", "bandwidth_hz"): "paper, (6)",
    ("cell", "noise_psd_w_per_hz"): "paper, (5)",
    ("protocol, aggregate", "payload_bit"): "paper, (7)",
    ("scheduler", "delay_budget_s"): "paper, (8)",
    ("scheduler", "queue_update"): "paper, (18a)",
    ("scheduler", "queue_initial_budgets"): "paper, (18b)",
    ("scheduler", "drift"): "paper, Lemma 2",
    ("scheduler", "zeta"): "paper, (22)",
    ("learner.optimizer, sgd", "lr"): "paper, (3) and (4)",
    ("learner", "weights"): "paper, (4)",
    # The paper does not have these keys, although it has neighbours of them.
    ("devices", "tx_power_w"): "airtune",
    ("scheduler", "diagnose"): "airtune",
    ("learner.optimizer, sgd", "clip_norm"): "airtune",
    ("learner.optimizer, adamw", "clip_norm"): "airtune",
    ("learner.optimizer, sgd", "momentum"): "airtune",
    ("learner.optimizer, sgd", "schedule"): "airtune",
    ("scheduler.zeta, inverse_sqrt", "initial"): "airtune",
    ("(top level)", "seed"): "airtune",
    ("learner", "max_tokens"): "airtune",
    ("trace", "checkpoint_every"): "airtune",
    # Other works.
    ("scheduler", "energy_budget_j"): "cited, Xu and Wang 2021",
    ("scheduler", "probability"): "cited, Yang et al. 2020",
    ("devices.placement, clusters", "clusters"): "cited, Thomas 1949",
    ("devices.mobility, random_waypoint", "speed_mps"): "cited, Navidi and Camp 2004",
    ("devices.mobility, gauss_markov", "sigma_mps"): "cited, Liang and Haas 1999",
    ("channel.path_loss, free_space", "carrier_hz"): "cited, Friis 1946",
    ("channel.path_loss, tr38901", "server_height_m"): "cited, 3GPP TR 38.901",
    ("channel.fading, nakagami", "m"): "cited, Nakagami 1960",
    ("learner.lora", "rslora"): "cited, Kalajdzievski 2023",
    ("learner.optimizer, adamw", "weight_decay"): "cited, Loshchilov and Hutter 2019",
    ("learner.data.partition, dirichlet", "alpha"): "cited, Hsu et al. 2019",
    ("learner.data.partition, shards", "per_device"): "cited, McMahan et al. 2017",
}


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], str]:
    """Return the source of every key of the page, by its table and name."""
    sources = {}
    table = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            table = re.sub(r', kind = "(\w+)".*', r", \1", line.removeprefix("## "))
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            sources[table, cells[0].strip("` ")] = cells[-1]
    return sources


@pytest.mark.parametrize(("table", "key"), SOURCES, ids=".".join)
def test_the_source_of_a_key_is_the_one_listed_by_hand(
    table: str, key: str, rows: dict[tuple[str, str], str]
) -> None:
    assert rows[table, key] == SOURCES[table, key]


def test_every_key_has_a_source_of_an_allowed_kind(rows: dict[tuple[str, str], str]) -> None:
    assert len(rows) > 200
    for key, source in rows.items():
        assert ALLOWED.fullmatch(source), f"{key}: {source}"
