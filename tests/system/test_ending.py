"""Runs that end at a simulated time or at a test accuracy, before their last round."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.small_runs import assert_same_tables, learner_table, network, stop_after, tables

import coupling
from coupling import Scenario, ScenarioError, resume, run
from coupling.cli import app
from coupling.scenario.ending import Ending
from coupling.scenario.errors import Interrupted
from coupling.sweeps.sweep import sweep


def ends(folder: Path) -> list[float]:
    """Return the end of each round, in simulated seconds."""
    times: list[float] = tables(folder)["rounds"]["end_s"].to_pylist()
    return times


def facts(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "provenance.json").read_text())
    return document


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return Path(run(network(tmp_path), tmp_path / "whole"))


def until(folder: Path, whole: Path, share: float = 0.5) -> Scenario:
    """Return the small network that ends within round 6 of 12, or at its very end."""
    fifth, sixth = ends(whole)[4:6]
    return network(folder, until_s=fifth + share * (sixth - fifth))


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_the_round_that_reaches_the_time_is_the_last(
    share: float, whole: Path, tmp_path: Path
) -> None:
    short = Path(run(until(tmp_path, whole, share), tmp_path / "short"))

    for name, table in tables(short).items():
        expected = tables(whole)[name]
        if "round" in expected.column_names:
            rows = [number <= 6 for number in expected["round"].to_pylist()]
            assert table.equals(expected.filter(pa.array(rows, pa.bool_())))
    assert len(ends(short)) == 6
    assert (facts(short)["state"], facts(short)["round"]) == ("finished", 6)


def test_a_run_that_ended_early_is_finished_for_resume_and_ls(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    short = run(until(tmp_path, whole), tmp_path / "runs" / "short")
    before = facts(tmp_path / "runs" / "short")

    resume(short)

    assert facts(tmp_path / "runs" / "short") == before
    assert app.main(["ls", str(tmp_path / "runs")]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "short" in line)
    assert [cell.strip() for cell in line.split("│")[2:6]] == ["finished", "small", "1", "6"]


def test_a_sweep_skips_runs_that_ended_early(whole: Path, tmp_path: Path) -> None:
    scenario = until(tmp_path, whole)
    out = tmp_path / "sweep"

    first = sweep(scenario, seeds=[1], out=out, jobs=1)
    folder = out / first[0]["run"]
    before = facts(folder)
    second = sweep(scenario, seeds=[1], out=out, jobs=1)

    assert [row["state"] for row in (*first, *second)] == ["finished"] * 2
    assert facts(folder) == before


@pytest.mark.parametrize("at", [4, 5])
def test_a_run_until_a_time_resumes_to_equal_tables(at: int, whole: Path, tmp_path: Path) -> None:
    scenario = until(tmp_path, whole)
    short = run(scenario, tmp_path / "short")
    note, stop = stop_after(at)
    with pytest.raises(Interrupted, match=f"after round {at}"):
        run(scenario, tmp_path / "stopped", on_round=note, stop=stop)

    assert_same_tables(Path(resume(tmp_path / "stopped")), Path(short))


def test_the_evaluation_that_reaches_the_accuracy_is_the_last(tmp_path: Path) -> None:
    table = learner_table(tmp_path) | {"evaluate_every": 1}
    learned = network(tmp_path, rounds=8, every=1, learner=table)
    reached = run(learned).evaluations
    later = reached[reached["round"] > 0]
    goal = float(later.accuracy.max())
    first = int(later[later.accuracy >= goal]["round"].iloc[0])
    assert first < 8, "the run would end with its rounds"
    kept = list[Path]()

    def keep(folder: Path) -> None:
        kept.append(tmp_path / f"kept-{len(kept)}")
        shutil.copytree(folder, kept[-1])

    scenario = network(tmp_path, rounds=8, every=1, learner=table, until_accuracy=goal)
    short = Path(run(scenario, tmp_path / "short", on_checkpoint=keep))

    assert tables(short)["rounds"].num_rows == first
    assert tables(short)["evaluations"]["accuracy"].to_pylist()[-1] == goal
    # The process was killed after the last checkpoint, before the run counted as finished.
    assert facts(kept[-1])["state"] == "running"
    assert_same_tables(Path(resume(kept[-1])), short)


def test_the_last_round_before_the_time_is_evaluated(tmp_path: Path) -> None:
    table = learner_table(tmp_path) | {"evaluate_every": 5}
    end_s = run(network(tmp_path, rounds=2), learning=False).rounds.end_s.iloc[-1]

    result = run(network(tmp_path, rounds=9, learner=table, until_s=float(end_s)))

    assert result.evaluations["round"].tolist() == [0, len(result.rounds)]
    assert len(result.rounds) < 9
    assert result.provenance["state"] == "finished"


def test_without_learning_an_accuracy_ends_no_run(tmp_path: Path) -> None:
    scenario = network(tmp_path, rounds=4, learner=learner_table(tmp_path), until_accuracy=0.01)

    assert len(run(scenario, learning=False).rounds) == 4


@pytest.mark.parametrize(
    ("tables_", "text"),
    [
        ({"until_s": 0.0}, "until_s = 0.0 is not greater than 0"),
        ({"until_s": "1"}, "until_s = '1' is not a number"),
        ({"until_accuracy": 1.5}, "until_accuracy = 1.5 is not at most 1"),
        ({"until_accuracy": 0.9}, "until_accuracy needs a [learner], which is evaluated"),
        (
            {"until_s": 9.0, "scheduler": {"kind": "oracle_static", "delay_budget_s": 1.0}},
            "scheduler.count is missing: the best one is known beforehand only if",
        ),
    ],
)
def test_an_end_that_cannot_be_is_refused(
    tables_: dict[str, Any], text: str, tmp_path: Path
) -> None:
    with pytest.raises(ScenarioError) as caught:
        network(tmp_path, **tables_)

    assert text in str(caught.value)


def test_progress_follows_the_nearer_end() -> None:
    ending = Ending(rounds=10, until_s=40.0)

    assert [ending.progress(*at) for at in ((1, 8.0), (5, 8.0), (6, 44.0))] == [0.2, 0.5, 1.0]
    assert [ending.is_last(*at) for at in ((9, 39.9), (9, 40.0), (10, 1.0))] == [False, True, True]
    assert Ending(10).progress(3, 1e9) == 0.3


def test_files_are_compared_with_the_end_that_a_run_reached(tmp_path: Path) -> None:
    rows = [f"{block},{device},1e-6" for block in range(1, 4) for device in range(5)]
    (tmp_path / "gains.csv").write_text("block,device,gain\n" + "\n".join(rows) + "\n")
    channel = {"gains": {"path": str(tmp_path / "gains.csv")}}
    end_s = run(network(tmp_path, channel=channel)).rounds.end_s
    lines = list[str]()

    for rounds in (3, 4):
        scenario = network(tmp_path, channel=channel, until_s=float(end_s[rounds - 1]))
        coupling.run(scenario, log=lines.append)

    (line,) = lines
    assert "ends in block 3, before the end of the run in block 4; from then on" in line
