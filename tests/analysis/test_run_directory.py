"""Run directories: loading one, and the error of one that cannot be loaded."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.odd_inputs import not_utf8

import analysis
import coupling
from analysis.stored.columns import KINDS
from coupling import RunError
from coupling.run_directory.schema import SCHEMA_VERSION, TABLES
from coupling.simulation.result import RunResult

BASE = Path(__file__).resolve().parents[2] / "scenarios" / "paper" / "base.toml"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run directory of five rounds."""
    overrides = {"rounds": 5, "devices.count": 6, "scheduler.queue_initial_budgets": 5, "seed": 4}
    scenario = coupling.Scenario.load(BASE, overrides)
    out = tmp_path_factory.mktemp("runs") / "run"
    coupling.run(scenario, out, learning=False)
    return out


@pytest.fixture
def run_dir(written: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    return Path(shutil.copytree(written, tmp_path / "run"))


def test_a_run_directory_loads_with_tables_scenario_and_provenance(written: Path) -> None:
    run = analysis.load(written)

    assert (len(run.rounds), len(run.devices)) == (5, 30)
    assert len(run.transfers) == run.rounds.scheduled.sum() > 0
    assert run.evaluations.empty
    for name in ("rounds", "devices", "transfers"):
        assert list(getattr(run, name).columns) == [column.name for column in TABLES[name]]
    assert list(run.queue.columns) == [
        "round",
        "end_s",
        "virtual_queue_before_s",
        "virtual_queue_s",
    ]
    assert run.queue.virtual_queue_before_s[0] == pytest.approx(5 * 51.904512, rel=1e-12)
    assert run.scenario["devices"]["count"] == 6
    assert run.scenario["scheduler"]["kind"] == "algorithm1"
    assert run.provenance["seed"] == 4
    assert run.provenance["schema"] == SCHEMA_VERSION
    assert run.path == written


def test_every_column_of_a_run_directory_has_a_kind_that_is_checked() -> None:
    assert {table: set(kinds) for table, kinds in KINDS.items()} == {
        table: {column.name for column in columns} for table, columns in TABLES.items()
    }


def test_nulls_of_the_files_are_nan_in_the_tables(written: Path) -> None:
    devices = analysis.load(str(written)).devices

    assert devices.bandwidth_hz.isna().equals(~devices.scheduled)
    assert devices.loss.isna().all()


WRONG = {
    "no scenario": (
        lambda run: (run / "scenario.toml").unlink(),
        "{run}: is not a run directory: it has no readable scenario.toml",
    ),
    "no provenance": (
        lambda run: (run / "provenance.json").unlink(),
        "{run}: is not a run directory: it has no readable provenance.json",
    ),
    "nothing": (
        shutil.rmtree,
        "{run}: is not a run directory: it has no readable scenario.toml",
    ),
    "half a provenance": (
        lambda run: (run / "provenance.json").write_text('{"schema": "1", '),
        # The rest of the line is Python's and differs between its versions.
        "{run}: provenance.json is damaged: ...",
    ),
    "a provenance that is no object": (
        lambda run: (run / "provenance.json").write_text("[]"),
        "{run}: provenance.json is damaged: it is no JSON object",
    ),
    "a scenario that is no TOML": (
        lambda run: (run / "scenario.toml").write_text("seed ="),
        "{run}: scenario.toml is damaged: Invalid value (at end of document)",
    ),
    "a binary scenario": (
        lambda run: (run / "scenario.toml").write_bytes(b"\xff\xfe"),
        "{run}: scenario.toml is damaged: 'utf-8' codec can't decode byte 0xff in position 0: "
        "invalid start byte",
    ),
    "another schema version": (
        lambda run: rewrite(run / "provenance.json", schema="999"),
        "{run}: has schema 999, this version reads 1 and 2; "
        "read it with the version in its provenance.json",
    ),
    "no schema version": (
        lambda run: rewrite(run / "provenance.json", schema=None),
        "{run}: provenance.json is damaged: schema ...",
    ),
}


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(("break_it", "line"), WRONG.values(), ids=WRONG)
def test_a_directory_that_cannot_be_loaded_gives_one_line(
    break_it: Callable[[Path], object], line: str, run_dir: Path
) -> None:
    break_it(run_dir)

    with pytest.raises(analysis.TraceError) as error:
        analysis.load(run_dir)

    wanted = line.format(run=run_dir)
    assert str(error.value) == wanted or (
        wanted.endswith("...") and str(error.value).startswith(wanted.removesuffix("..."))
    )
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "PAR1 this was cut off"])
def test_a_damaged_part_is_named_when_its_table_is_read(text: str, run_dir: Path) -> None:
    part = run_dir / "devices" / "part-000000.parquet"
    part.write_text(text)
    run = analysis.load(run_dir)

    assert len(run.rounds) == 5
    with pytest.raises(analysis.TraceError, match="is damaged") as error:
        assert run.devices.empty

    assert str(error.value).startswith(f"{part}: ")
    assert "\n" not in str(error.value)


def test_a_part_that_is_being_written_is_not_read(run_dir: Path) -> None:
    (run_dir / "rounds" / "part-000001.partial").write_text("half a part")

    assert len(analysis.load(run_dir).rounds) == 5


def test_texts_of_a_part_that_are_no_utf8_are_damage(run_dir: Path) -> None:
    part = run_dir / "transfers" / "part-000000.parquet"
    table = pq.read_table(part)
    place = table.column_names.index("leg")
    texts = not_utf8(table.num_rows)
    pq.write_table(table.set_column(place, table.schema.field("leg"), texts), part)

    with pytest.raises(analysis.TraceError, match=r"is damaged: .*(UTF8|leg)"):
        assert analysis.load(run_dir).transfers.empty
    with pytest.raises(RunError, match=r"is damaged: .*Invalid UTF8"):
        RunResult(run_dir).arrow("transfers")


def test_wrong_notes_of_pandas_in_a_part_are_not_read(run_dir: Path) -> None:
    part = run_dir / "rounds" / "part-000000.parquet"
    table = pq.read_table(part)
    notes = {**table.schema.metadata, "pandas": "[]"}
    pq.write_table(table.replace_schema_metadata(notes), part)

    assert len(analysis.load(run_dir).rounds) == table.num_rows
    assert len(RunResult(run_dir).table("rounds")) == table.num_rows
