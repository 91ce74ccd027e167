from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from support.small_runs import (
    COMING_AND_GOING,
    MOVING,
    NETWORK,
    assert_same_tables,
    network,
    stop_after,
    tables,
)

from coupling import RunError, Scenario, ScenarioError, resume, run
from coupling.cli import app
from coupling.scenario.errors import Interrupted
from coupling.simulation.build import build_partition
from coupling.simulation.export_world import record


def replayed(folder: Path, gains: Path, **tables_: object) -> Scenario:
    folder.mkdir()
    return network(folder, channel={"gains": {"path": str(gains)}}, **tables_)


def test_a_recorded_world_met_again_gives_the_same_run(tmp_path: Path) -> None:
    whole = run(network(tmp_path), tmp_path / "whole")
    gains, *_ = record(whole, tmp_path / "world")

    again = run(replayed(tmp_path / "again", gains), tmp_path / "again" / "run")

    assert_same_tables(again, whole)


def test_a_recorded_world_meets_another_policy_as_the_models_would(tmp_path: Path) -> None:
    scheduler: dict[str, Any] = {"kind": "all_in", "delay_budget_s": 50.0}
    gains, *_ = record(run(network(tmp_path), tmp_path / "whole"), tmp_path / "world")

    other = run(
        replayed(tmp_path / "other", gains, scheduler=scheduler), tmp_path / "other" / "run"
    )

    (tmp_path / "models").mkdir()
    modelled = run(network(tmp_path / "models", scheduler=scheduler), tmp_path / "models" / "run")
    assert_same_tables(other, modelled)


def test_a_fast_channel_is_recorded_in_its_own_blocks_and_replayed_in_them(tmp_path: Path) -> None:
    """Where the devices were is not replayed here, only how well they were heard."""
    whole = run(network(tmp_path, **MOVING), tmp_path / "whole")
    gains, _ = record(whole, tmp_path / "world")
    channel = {"gains": {"path": str(gains)}, "coherence": 0.5}
    (tmp_path / "again").mkdir()

    again = run(
        network(tmp_path / "again", **(MOVING | {"channel": channel})), tmp_path / "again" / "run"
    )

    assert_same_tables(again, whole)
    end_s = tables(whole)["rounds"]["end_s"].to_pylist()[-1]
    assert pd.read_parquet(gains)["block"].max() == int(end_s // 0.5)


def test_an_exported_moving_world_replays_as_modelled_for_another_policy(
    tmp_path: Path,
) -> None:
    """The other policy's rounds take longer, so more of the world is recorded than the run met."""
    leaving = {"kind": "markov", "mean_on_s": 60.0, "mean_off_s": 20.0}
    moving = MOVING | {"devices": {**MOVING["devices"], "availability": leaving}}
    whole = run(network(tmp_path, **moving), tmp_path / "whole")
    gains, _, availability = record(whole, tmp_path / "world", until_s=2000.0)
    other = moving | {"scheduler": {"kind": "round_robin", "count": 2, "delay_budget_s": 2.0}}
    for name in ("models", "again"):
        (tmp_path / name).mkdir()
    modelled = run(network(tmp_path / "models", **other), tmp_path / "models" / "run")

    channel = {"gains": {"path": str(gains)}, "coherence": 0.5}
    devices = MOVING["devices"] | {"availability": {"kind": "trace", "path": str(availability)}}
    replay = other | {"channel": channel, "devices": devices}
    again = run(network(tmp_path / "again", **replay), tmp_path / "again" / "run")

    assert_same_tables(again, modelled)
    ended_s, longer_s = (
        tables(folder)["rounds"]["end_s"].to_pylist()[-1] for folder in (whole, modelled)
    )
    assert ended_s < longer_s < 2000.0
    assert set(tables(modelled)["transfers"]["status"].to_pylist()) > {"delivered"}, "a device left"


def test_a_channel_that_changes_with_the_round_has_no_time_to_record_until(tmp_path: Path) -> None:
    whole = run(network(tmp_path), tmp_path / "whole")

    with pytest.raises(ScenarioError, match=r"--until-s 5: .* has one channel block per round"):
        record(whole, tmp_path / "world", until_s=5.0)


@pytest.mark.parametrize(
    "clock", [{}, {"world_clock": "round", "round_period_s": 40.0}], ids=["time", "round"]
)
def test_availability_is_exported_and_replayed_amid_transfers(
    tmp_path: Path, clock: dict[str, object]
) -> None:
    availability = {"kind": "markov", "mean_on_s": 60.0, "mean_off_s": 30.0}
    devices = NETWORK["devices"] | {"availability": availability}
    whole = run(network(tmp_path, devices=devices, **clock), tmp_path / "whole")
    gains, _, who = record(whole, tmp_path / "world")

    trace = NETWORK["devices"] | {"availability": {"kind": "trace", "path": str(who)}}
    again = run(
        replayed(tmp_path / "again", gains, devices=trace, **clock), tmp_path / "again" / "run"
    )

    assert who.name == "availability.parquet"
    assert {"aborted", "delivered"} <= set(tables(whole)["transfers"]["status"].to_pylist())
    assert_same_tables(again, whole)


def test_the_batteries_are_no_part_of_the_world_that_is_recorded(tmp_path: Path) -> None:
    whole = run(network(tmp_path, devices=COMING_AND_GOING), tmp_path / "whole")
    gains, _, who = record(whole, tmp_path / "world")

    trace = COMING_AND_GOING | {"availability": {"kind": "trace", "path": str(who)}}
    again = run(replayed(tmp_path / "again", gains, devices=trace), tmp_path / "again" / "run")

    assert_same_tables(again, whole)


def test_gains_and_positions_are_those_that_the_run_met(tmp_path: Path) -> None:
    whole = run(network(tmp_path), tmp_path / "whole")

    gains, positions = (pd.read_parquet(path) for path in record(whole, tmp_path / "world"))

    devices = tables(whole)["devices"].to_pandas()
    assert np.array_equal(gains[["block", "device"]], devices[["round", "device"]])
    assert np.array_equal(gains["gain"], devices["gain"])
    assert np.array_equal(positions[["device", "x_m", "y_m"]], devices[["device", "x_m", "y_m"]])
    starts = tables(whole)["rounds"].to_pandas().set_index("round")["start_s"]
    assert np.array_equal(positions["time_s"], devices["round"].map(starts))


def test_batches_are_those_of_every_device_and_round(
    tmp_path: Path, tiny_learner_table: dict[str, object]
) -> None:
    scenario = network(tmp_path, rounds=4, learner=tiny_learner_table)
    whole = run(scenario, tmp_path / "whole")

    *_, batches = record(whole, tmp_path / "world")

    frame = pd.read_parquet(batches)
    assert len(frame) == 4 * 5
    assert scenario.learner is not None
    partition = build_partition(scenario)
    assert partition is not None
    row = frame[(frame["round"] == 3) & (frame["device"] == 2)].iloc[0]
    assert row["samples"].tolist() == partition.minibatch(2, 3).tolist()


def test_the_command_names_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run(network(tmp_path), tmp_path / "whole")

    assert app.main(["record", str(whole)]) == 0

    assert capsys.readouterr().out.split() == [
        str(whole / "world" / f"{name}.parquet") for name in ("gains", "positions")
    ]


def test_a_stopped_run_has_the_world_of_its_rounds(tmp_path: Path) -> None:
    note, stop = stop_after(5)
    with pytest.raises(Interrupted):
        run(network(tmp_path), tmp_path / "run", on_round=note, stop=stop)

    gains, _ = record(tmp_path / "run", tmp_path / "world")

    assert pd.read_parquet(gains)["block"].max() == 5


def test_a_file_that_was_another_one_for_some_rounds_is_not_forgotten(tmp_path: Path) -> None:
    path, folder = tmp_path / "gains.csv", tmp_path / "run"
    texts = [
        "block,device,gain\n"
        + "".join(f"{block},{device},{gain}\n" for block in range(1, 11) for device in range(5))
        for gain in ("1e-9", "2e-9")
    ]
    path.write_text(texts[0])
    scenario = network(tmp_path, channel={"gains": {"path": str(path)}})
    lines: list[str] = []
    for place, text in enumerate([*texts, texts[0]]):
        path.write_text(text)
        note, stop = stop_after(2 * place + 2)
        work = partial(resume, log=lines.append) if place else partial(run, scenario)
        with pytest.raises(Interrupted):
            work(folder, on_round=note, stop=stop)

    line = f"{path}: has changed since the run started: the rounds before and after differ in their"
    assert lines.count(f"{line} input") == 2
    with pytest.raises(RunError, match=r"gains\.csv: had other content in rounds after a resume"):
        record(folder, tmp_path / "world")


def test_a_run_without_rounds_has_no_world_to_write(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(network(tmp_path), tmp_path / "run", stop=lambda: True)

    with pytest.raises(RunError, match="has no round yet"):
        record(tmp_path / "run", tmp_path / "world")


@pytest.mark.parametrize("tables", [{}, MOVING], ids=["blocks of rounds", "blocks of seconds"])
def test_a_run_with_an_empty_table_of_rounds_has_no_world_to_write(
    tables: dict[str, object], tmp_path: Path
) -> None:
    note, stop = stop_after(6)
    with pytest.raises(Interrupted):
        run(network(tmp_path, **tables), tmp_path / "run", on_round=note, stop=stop)
    parts = list((tmp_path / "run" / "rounds").iterdir())
    for part in parts:
        pq.write_table(pq.read_table(part).slice(0, 0), part)

    assert parts
    with pytest.raises(RunError, match="has no round yet"):
        record(tmp_path / "run", tmp_path / "world")
