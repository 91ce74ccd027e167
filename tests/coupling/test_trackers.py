"""Trackers: the scalars of every round are those of the tables, in each tracker's own store."""

import csv
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from support.command_line import NETWORK

import analysis
import coupling
from coupling import RunError, Scenario
from coupling.cli.app import main
from coupling.scenario.errors import Interrupted, ScenarioError
from coupling.trackers import TRACKERS, tracker_class

NAMES = {"devices_scheduled": "scheduled", "simulated_s": "end_s", "energy_j": "energy_j"}
"""Columns of the table of rounds by the names of the scalars."""


@pytest.fixture
def learning(tmp_path: Path, tiny_learner: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the command that runs a small scenario with a learner in an empty directory."""
    (tmp_path / "small.toml").write_text(NETWORK + tiny_learner)
    monkeypatch.chdir(tmp_path)
    return ["run", "small.toml", "--rounds", "4", "--out", "run", "-q", "--track"]


def expected(scalar: str) -> dict[int, float]:
    """Return a scalar by its round, from the tables of the run."""
    run = analysis.load("run")
    if scalar == "accuracy":
        table = run.evaluations[run.evaluations["round"] > 0]
        return dict(zip(table["round"], table.accuracy, strict=True))
    return dict(zip(run.rounds["round"], run.rounds[NAMES[scalar]], strict=True))


def test_the_csv_file_has_the_numbers_of_the_tables(learning: list[str]) -> None:
    assert main([*learning, "csv"]) == 0

    table = pd.read_csv("run/scalars.csv")
    for scalar in (*NAMES, "accuracy"):
        written = table.dropna(subset=scalar)
        assert dict(zip(written["round"], written[scalar], strict=True)) == expected(scalar)
    assert table["round"].tolist() == [1, 2, 3, 4]


def test_the_csv_file_of_a_resumed_run_has_each_round_once(learning: list[str]) -> None:
    scenario = Scenario.load("small.toml", {"rounds": 4, "trace.checkpoint_every": 2})
    tracker = tracker_class("csv")(Path("run"), scenario)
    rounds: list[int] = []
    with pytest.raises(Interrupted), tracker:
        coupling.run(
            scenario,
            "run",
            observers=[tracker],
            on_round=lambda record: rounds.append(record.round),
            stop=lambda: len(rounds) == 3,
        )
    with Path("run/scalars.csv").open("a") as file:
        file.write("4,1,1,1,1,1,1,,,\n")  # a row that a killed process wrote after its checkpoint

    assert main(["resume", "run", "--track", "csv", "-q"]) == 0
    with Path("run/scalars.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["round"]) for row in rows] == [1, 2, 3, 4]
    assert float(rows[3]["simulated_s"]) == expected("simulated_s")[4]


def test_a_round_is_tracked_before_its_checkpoint(learning: list[str]) -> None:
    scenario = Scenario.load("small.toml", {"rounds": 4, "trace.checkpoint_every": 2})
    tracker = tracker_class("csv")(Path("run"), scenario)

    def killed(folder: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), tracker:
        coupling.run(scenario, "run", observers=[tracker], on_checkpoint=killed)

    assert main(["resume", "run", "--track", "csv", "-q"]) == 0
    assert pd.read_csv("run/scalars.csv")["round"].tolist() == [1, 2, 3, 4]


def test_mlflow_has_the_numbers_of_the_tables(
    learning: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # all that mlflow-skinny has
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (Path.cwd() / "mlruns").as_uri())
    assert main([*learning, "mlflow"]) == 0

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("airtune")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params["scheduler.kind"] == "algorithm1"
    assert run.info.status == "FINISHED"
    for scalar in (*NAMES, "accuracy"):
        history = client.get_metric_history(run.info.run_id, scalar)
        assert {entry.step: entry.value for entry in history} == expected(scalar)


def test_wandb_runs_offline(learning: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")

    assert main([*learning, "wandb"]) == 0
    assert list(Path("run/wandb").glob("offline-run-*/*.wandb"))


class Recorder:
    """Stand-in of the packages of Weights & Biases and Trackio: it keeps the calls."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.ended: list[dict[str, Any]] = []

    def init(self, **options: Any) -> "Recorder":
        self.options = options
        return self

    def log(self, values: dict[str, float], step: int) -> None:
        self.logged.append((step, values))

    def finish(self, **options: Any) -> None:
        self.ended.append(options)


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_trackers_of_one_interface_get_every_round(
    name: str, learning: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Recorder()
    monkeypatch.setitem(sys.modules, name, package)  # type: ignore[arg-type]

    assert main([*learning, name]) == 0
    for scalar in (*NAMES, "accuracy"):
        logged = {step: values[scalar] for step, values in package.logged if scalar in values}
        assert logged == expected(scalar)
    assert package.options["name"] == "run"
    assert json.dumps(package.options["config"]["devices"])
    assert len(package.ended) == 1


def test_mlflow_gets_parameters_of_bounded_number_and_length(
    learning: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, str]] = []
    silent = SimpleNamespace(
        set_experiment=lambda name: None,
        start_run=lambda run_name: None,
        log_params=calls.append,
        log_metrics=lambda values, step: None,
        end_run=lambda status: None,
    )
    monkeypatch.setitem(sys.modules, "mlflow", silent)  # type: ignore[arg-type]

    assert main([*learning, "mlflow"]) == 0
    assert max(map(len, calls)) <= 100
    assert max(len(value) for call in calls for value in call.values()) <= 250
    assert {"seed": "1", "devices.count": "4"}.items() <= {
        k: v for c in calls for k, v in c.items()
    }.items()


def test_trackers_are_closed_as_failed_where_the_run_fails(
    learning: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Recorder()
    monkeypatch.setitem(sys.modules, "wandb", package)  # type: ignore[arg-type]
    tracker = tracker_class("wandb")(Path("run"), Scenario.load("small.toml"))

    with pytest.raises(RunError), tracker:
        coupling.run(
            Scenario.load("small.toml", {"rounds": 4}),
            learning=False,
            observers=[tracker],
            on_round=lambda record: 1 // (2 - record.round),
        )
    assert package.ended == [{"exit_code": 1}]
    assert [step for step, _ in package.logged][:1] == [1]


def test_a_tracker_that_fails_warns_once_and_the_run_continues(
    learning: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = Recorder()
    monkeypatch.setattr(package, "log", lambda values, step: 1 / 0)
    monkeypatch.setitem(sys.modules, "trackio", package)  # type: ignore[arg-type]

    assert main([*learning, "trackio"]) == 0
    assert capsys.readouterr().err == (
        "warning: TrackioTracker: stopped, the run continues: ZeroDivisionError: division by zero\n"
    )
    assert len(analysis.load("run").rounds) == 4


def test_unknown_and_missing_trackers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)

    with pytest.raises(ScenarioError, match=r"^--track wandbb: is not one of tensorboard, "):
        tracker_class("wandbb")
    with pytest.raises(ScenarioError, match=r"^--track trackio: trackio is not installed; pip "):
        tracker_class("trackio")
    assert list(TRACKERS) == ["tensorboard", "trackio", "wandb", "mlflow", "csv"]
