"""Hostile stores, run directories, URLs and tables: kinds 1, 2, 6, 8, 9 and 11."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coupling.run_directory.remote import RemoteRunDirectory
from coupling.run_directory.schema import TABLES
from coupling.sweeps.grid import plan
from support.hostile import Build, Case, Scene, edit_json, replace_by_link

DEEP = "[" * 100_000 + "]" * 100_000
PASSWORD = "s3cret-word"


def store(scene: Scene, name: str = "run") -> Path:
    """Upload a run to a store in the working directory; return its folder there."""
    planned = plan(
        scene.scenario, f"file://{scene.folder}/store", {}, None, settings={}, learning=True
    )
    task = planned[0].task
    RemoteRunDirectory(task.path).upload(scene.folder / name)
    return scene.folder / "store" / task.name


def manifest(change: Callable[[dict[str, Any], Scene], Any], name: str = "run") -> Build:
    """Return a builder of a store whose manifest was changed."""

    def build(scene: Scene) -> None:
        folder = store(scene, name)
        path = next((folder / "manifests").iterdir())
        document = json.loads(path.read_text())
        changed = change(document, scene)
        path.write_text(changed if isinstance(changed, str) else json.dumps(changed))

    return build


def renamed(new: str) -> Callable[[dict[str, Any], Scene], Any]:
    """Return the change that gives a file of a manifest another name."""

    def change(document: dict[str, Any], scene: Scene) -> Any:
        files = document["files"]
        files[new.format(root=scene.root)] = files.pop("rounds/part-000000.parquet")
        return document

    return change


def stored_as(new: str) -> Callable[[dict[str, Any], Scene], Any]:
    """Return the change that gives the object of a manifest's file another name."""

    def change(document: dict[str, Any], scene: Scene) -> Any:
        document["files"]["rounds/part-000000.parquet"]["object"] = new.format(root=scene.root)
        return document

    return change


def entry(**values: object) -> Callable[[dict[str, Any], Scene], Any]:
    """Return the change of the values of a manifest's file."""

    def change(document: dict[str, Any], scene: Scene) -> Any:
        document["files"]["rounds/part-000000.parquet"] |= values
        return document

    return change


SWEEP_STORE = ("sweep", "small.toml", "--out", "file://{folder}/store", "--jobs", "1")


def sweep_store(name: str, change: Callable[[dict[str, Any], Scene], Any], says: str) -> list[Case]:
    """Return the cases of a changed manifest, of an interrupted and of a finished run."""
    return [
        Case(1, f"{name}, {run}", manifest(change, run), SWEEP_STORE, 1, says)
        for run in ("run", "finished")
    ]


def _store_with_link(inner: str, target: str) -> Build:
    def build(scene: Scene) -> None:
        replace_by_link(store(scene) / inner, scene.canary / target)

    return build


def _second_name_in_store(inner: str) -> Build:
    def build(scene: Scene) -> None:
        path = store(scene) / inner
        path.unlink(missing_ok=True)
        os.link(scene.canary / "victim.txt", path)

    return build


def _pipe_in_store(inner: str) -> Build:
    def build(scene: Scene) -> None:
        path = store(scene) / inner
        path.unlink()
        os.mkfifo(path)

    return build


STORES = (
    *sweep_store(
        "a name that leads out", renamed("../../../canary/victim.txt"), "no name of a file"
    ),
    *sweep_store("an absolute name", renamed("{root}/canary/victim.txt"), "no name of a file"),
    *sweep_store("a name with a dot", renamed("rounds/./../../../canary/victim.txt"), "no name of"),
    *sweep_store("the name of the lock", renamed(".lock"), "no name of a table"),
    *sweep_store(
        "an object that leads out", stored_as("../../../canary/victim.txt"), "no object of"
    ),
    *sweep_store("an absolute object", stored_as("{root}/canary/victim.txt"), "no object of"),
    *sweep_store("a list", lambda document, scene: [], "is damaged"),
    *sweep_store("an empty object", lambda document, scene: {}, "is missing"),
    Case(
        1, "nested deeply", manifest(lambda document, scene: DEEP), SWEEP_STORE, 0, "sweep.parquet"
    ),
    *sweep_store("no documents", lambda document, scene: {"files": {}}, "is missing"),
    *sweep_store("a negative size", entry(bytes=-1), "bytes is not at least 0"),
    *sweep_store("a hash of another kind", entry(sha256="../victim"), "sha256 has another form"),
    Case(
        1, "an object that is a pipe", _pipe_in_store("provenance.json"), SWEEP_STORE, 1, "neither"
    ),
    Case(
        1,
        "an object with a second name",
        _second_name_in_store("provenance.json"),
        SWEEP_STORE,
        0,
        "sweep.parquet",
    ),
    Case(
        1,
        "a table of the sweep with a second name",
        _second_name_in_store("../sweep.parquet"),
        SWEEP_STORE,
        0,
        "sweep.parquet",
    ),
    Case(
        1,
        "a table of the sweep that is a pipe",
        lambda scene: os.mkfifo(store(scene).parent / "sweep.parquet"),
        SWEEP_STORE,
        1,
        "neither",
    ),
    Case(1, "a size beyond the disk", manifest(entry(bytes=10**18)), SWEEP_STORE, 1, "free here"),
)


def document(path: str, content: str | bytes) -> Build:
    """Return a builder that writes a file of the run."""

    def build(scene: Scene) -> None:
        data = content if isinstance(content, bytes) else content.encode()
        (scene.run / path).write_bytes(data)

    return build


def edited(path: str, **changes: object) -> Build:
    """Return a builder that edits a JSON file of the run."""
    return lambda scene: edit_json(scene.run / path, **changes)


def linked(path: str, target: str, run: str = "run") -> Build:
    """Return a builder that puts a link into a run, which leads to the canary."""
    return lambda scene: replace_by_link(scene.folder / run / path, scene.canary / target)


def hard_linked(path: str) -> Build:
    """Return a builder of a second name of a canary file in the run."""

    def build(scene: Scene) -> None:
        (scene.run / path).unlink(missing_ok=True)
        os.link(scene.canary / "victim.txt", scene.run / path)

    return build


def pipe(path: str, run: str = "run") -> Build:
    """Return a builder of a named pipe in the place of a file, which has no writer."""

    def build(scene: Scene) -> None:
        (scene.folder / run / path).unlink(missing_ok=True)
        os.mkfifo(scene.folder / run / path)

    return build


def _linked_run_in_sweep(scene: Scene) -> None:
    task = plan(scene.scenario, str(scene.folder / "s"), {}, None, settings={}, learning=True)[
        0
    ].task
    Path(task.place).mkdir()
    shutil.copytree(scene.run, scene.canary / "run")
    Path(task.path).symlink_to(scene.canary / "run")


RESUME = ("resume", "run")
LINKS = (
    Case(2, "the lock is a link", linked(".lock", "victim.txt"), RESUME, 2, "is a link"),
    Case(
        2,
        "the lock of a finished run is a link",
        linked(".lock", "victim.txt", "finished"),
        ("resume", "finished"),
        2,
        "is a link",
    ),
    Case(2, "the lock has a second name", hard_linked(".lock"), RESUME, 2, ".lock"),
    Case(2, "the lock is a pipe", pipe(".lock"), RESUME, 2, ".lock"),
    Case(2, "a table is a link", linked("rounds", "rounds"), RESUME, 1, "is a link"),
    Case(
        2, "a part is a link", linked("rounds/part-000000.parquet", "victim.txt"), RESUME, 1, "link"
    ),
    Case(
        2, "a later part is a link", linked("rounds/part-000009.parquet", "victim.txt"), RESUME, 1
    ),
    Case(2, "the checkpoint is a link", linked("checkpoint", "rounds"), RESUME, 1, "is a link"),
    Case(2, "the new checkpoint is a link", linked("checkpoint.new", "rounds"), RESUME, 1, "link"),
    Case(2, "the old checkpoint is a link", linked("checkpoint.old", "rounds"), RESUME, 1, "link"),
    Case(2, "a state is a link", linked("checkpoint/state.json", "victim.txt"), RESUME, 1, "link"),
    Case(
        2,
        "the partial provenance is a link",
        linked("provenance.json.partial", "victim.txt"),
        RESUME,
        1,
        "is a link",
    ),
    Case(2, "a pipe among the parts", pipe("rounds/part-000000.parquet"), RESUME, 1, "neither"),
    Case(
        2,
        "the world of a run is a link",
        linked("world", "rounds", "finished"),
        ("record", "finished"),
        1,
        "is a link",
    ),
    Case(
        2,
        "a partial file of the world is a link",
        lambda scene: (
            (scene.finished / "world").mkdir(),
            replace_by_link(
                scene.finished / "world/gains.parquet.partial", scene.canary / "victim.txt"
            ),
        ),
        ("record", "finished"),
        0,
        "gains.parquet",
    ),
    Case(
        2,
        "the partial table of a sweep is a link",
        lambda scene: (
            (scene.folder / "s").mkdir(),
            replace_by_link(scene.folder / "s/sweep.parquet.partial", scene.canary / "victim.txt"),
        ),
        ("sweep", "small.toml", "--out", "s", "--jobs", "1"),
        0,
        "sweep.parquet",
    ),
    Case(
        2,
        "a run of a sweep is a link",
        _linked_run_in_sweep,
        ("sweep", "small.toml", "--out", "s", "--jobs", "1"),
        1,
        "is a link",
    ),
    *(
        Case(
            2,
            f"in a store, {inner} is a link",
            _store_with_link(inner, target),
            SWEEP_STORE,
            1,
            "is a link",
        )
        for inner, target in (
            ("provenance.json", "victim.txt"),
            ("scenario.toml", "victim.txt"),
            ("manifests", "rounds"),
        )
    ),
    Case(
        2,
        "the table of a store is a link",
        lambda scene: (
            store(scene, "finished"),
            replace_by_link(scene.folder / "store/sweep.parquet", scene.canary / "victim.txt"),
        ),
        SWEEP_STORE,
        1,
        "is a link",
    ),
    *(
        Case(
            2,
            f"{name} in a run is a link",
            linked(name, target, "finished"),
            (command, *words, "finished", *out, f"finished/{name}"),
            1,
            "is a link",
        )
        for name, target, command, words, out in (
            ("report.html", "victim.txt", "report", (), ("--out",)),
            ("trace.json", "victim.txt", "timeline", (), ("--out",)),
            ("figures", "rounds", "figures", ("queue",), ("--out",)),
            ("world", "rounds", "record", (), ("--out",)),
        )
    ),
    Case(
        2,
        "a folder of a store that the user named is a link",
        lambda scene: (
            (scene.folder / "scratch").mkdir(),
            (scene.folder / "store").symlink_to(scene.folder / "scratch"),
        ),
        SWEEP_STORE,
        0,
        "sweep.parquet",
    ),
    Case(
        2,
        "--out is a link to nowhere",
        lambda scene: (scene.folder / "out").symlink_to(scene.canary / "absent"),
        ("run", "small.toml", "--out", "out"),
        2,
        "is a link to",
    ),
    Case(
        2,
        "a loop of links among run directories",
        lambda scene: (scene.folder / "loop").symlink_to(scene.folder),
        ("ls", "."),
        0,
        "finished",
    ),
)

STATE = "checkpoint/state.json"
BAD_STATES: tuple[tuple[str, Build, str], ...] = (
    ("empty", document(STATE, ""), "is no JSON"),
    ("a list", document(STATE, "[]"), "is damaged"),
    ("nested 100,000 deep", document(STATE, DEEP), "is no JSON"),
    ("a number of 10,000 digits", document(STATE, "1" * 10_000), "is damaged"),
    ("binary", document(STATE, bytes(range(256))), "is no JSON"),
    ("a last round that no run has", edited(STATE, round=10**30), "round"),
    ("a last round of 999,999,999", edited(STATE, round=999_999_999), "round"),
    ("a last round of 12 with tables of 8", edited(STATE, round=12), "rows"),
    ("a negative round", edited(STATE, round=-1), "round"),
    ("a round in words", edited(STATE, round="8"), "round"),
    ("no round", edited(STATE, round=...), "round is missing"),
    ("a time that is none", edited(STATE, time_s=float("nan")), "time_s"),
    ("an infinite queue", edited(STATE, virtual_queue_s=float("inf")), "virtual_queue_s"),
    ("10^12 parts", edited(STATE, parts={"rounds": 10**12}), "parts.rounds"),
    ("parts of unknown tables", edited(STATE, parts={"../../canary": 1}), "parts"),
    (
        "999,999 parts of which one is there",
        edited(STATE, parts=dict.fromkeys(TABLES, 999_999)),
        "missing",
    ),
    ("a memory that is nested", edited(STATE, policy={"a": {"b": []}}), "policy"),
    (
        "a digest in other letters",
        edited(STATE, scenario_sha256="\x1b[31m" * 100),
        "another scenario",
    ),
    (
        "arrays that are no safetensors",
        document("checkpoint/devices.safetensors", b"\xff" * 64),
        "devices",
    ),
    (
        "a header of 2^63 bytes",
        document("checkpoint/devices.safetensors", b"\xff" * 7 + b"\x7f{}"),
        "devices",
    ),
    (
        "no arrays",
        document("checkpoint/devices.safetensors", b"\x02\x00\x00\x00\x00\x00\x00\x00{}"),
        "missing",
    ),
    ("a pipe", pipe(STATE), "neither"),
    (
        "a folder",
        lambda scene: ((scene.run / STATE).unlink(), (scene.run / STATE).mkdir()),
        "directory",
    ),
)

PROVENANCE = "provenance.json"
BAD_PROVENANCES: tuple[tuple[str, Build, str], ...] = (
    ("empty", document(PROVENANCE, ""), "is no JSON"),
    ("a list", document(PROVENANCE, "[]"), "provenance.json"),
    ("nested 100,000 deep", document(PROVENANCE, '{"wall_s": ' + DEEP + "}"), "is no JSON"),
    ("9 MB of blanks", document(PROVENANCE, " " * 9_000_000), "more than"),
    ("no wall time", edited(PROVENANCE, wall_s=...), "wall_s"),
    ("a wall time that is none", edited(PROVENANCE, wall_s=float("nan")), "wall_s"),
    ("a state in 150,000 letters", edited(PROVENANCE, state="\x1b" + "x" * 150_000), "state"),
    ("parts that are a list", edited(PROVENANCE, parts=[1]), "parts"),
    ("a round beyond all", edited(PROVENANCE, round=10**40), "round"),
)

RICH = "[red]red[/red] [/nothing] [link=http://example.org]x[/link]"


def table(name: str, change: Callable[[pa.Table], pa.Table]) -> Build:
    """Return a builder that changes the first part of a table of the finished run."""

    def build(scene: Scene) -> None:
        path = scene.finished / name / "part-000000.parquet"
        pq.write_table(change(pq.read_table(path)), path)

    return build


def column(name: str, values: Callable[[int], Any]) -> Callable[[pa.Table], pa.Table]:
    """Return the change of a column of a table; ``values`` gets the number of rows."""

    def change(rows: pa.Table) -> pa.Table:
        place = rows.column_names.index(name)
        return rows.set_column(place, name, pa.array(values(rows.num_rows)))

    return change


def _many_columns(rows: pa.Table) -> pa.Table:
    for number in range(20_000):
        rows = rows.append_column(f"c{number}", rows.column("round"))
    return rows


def _nullable(rows: pa.Table) -> pa.Table:
    fields = [field.with_nullable(True) for field in rows.schema]
    return rows.cast(pa.schema(fields, rows.schema.metadata))


BAD_TABLES: tuple[tuple[str, Build, str], ...] = (
    (
        "no Parquet",
        lambda scene: (scene.finished / "rounds/part-000000.parquet").write_bytes(b"PAR1"),
        "damaged",
    ),
    ("texts for times", table("rounds", column("end_s", lambda rows: ["x"] * rows)), "end_s"),
    (
        "times that are none",
        table("rounds", column("end_s", lambda rows: [np.nan] * rows)),
        "end_s",
    ),
    ("no times", table("rounds", lambda rows: rows.drop_columns(["end_s"])), "end_s"),
    (
        "a column twice",
        table("rounds", lambda rows: rows.append_column("end_s", rows["end_s"])),
        "one name",
    ),
    ("lists for rounds", table("rounds", column("round", lambda rows: [[1]] * rows)), "round"),
    ("no names of legs", table("transfers", lambda rows: rows.drop_columns(["leg"])), "leg"),
    (
        "parts with missing values allowed in one",
        table("transfers", _nullable),
        "different columns",
    ),
    ("rounds beyond all", table("rounds", column("round", lambda rows: [2**62] * rows)), "round"),
)
LAZY = (
    ("report", ("report", "finished")),
    ("timeline", ("timeline", "finished")),
)


def multiplied(path: Path, times: int) -> None:
    """Let the footer of a Parquet file name its row groups many times; the file stays small."""
    whole = path.read_bytes()
    footer = 8 + int.from_bytes(whole[-8:-4], "little")
    metadata = pq.read_metadata(path)
    once = pq.read_metadata(path)
    for _ in range(times - 1):
        metadata.append_row_groups(once)
    listing = path.with_suffix(".listing")
    metadata.write_metadata_file(listing)
    path.write_bytes(whole[:-footer] + listing.read_bytes()[4:])
    listing.unlink()


def bomb(table_name: str) -> Build:
    """Return a builder of a table of a few kB that unpacks to gigabytes."""

    def build(scene: Scene) -> None:
        path = scene.finished / table_name / "part-000000.parquet"
        rows = pq.read_table(path)
        pq.write_table(rows.take(pa.array(np.zeros(1_000_000, int))), path, compression="zstd")
        multiplied(path, 2_000)

    return build


def gains_bomb(scene: Scene) -> None:
    """Write a file of gains of some kB that unpacks to 48 GB, and a scenario that names it."""
    path = scene.folder / "gains.parquet"
    same = np.zeros(1_000_000, int)
    pq.write_table(pa.table({"block": same, "device": same, "gain": same + 1.0}), path)
    multiplied(path, 2_000)
    scene.write_scenario(channel={"gains": {"path": "gains.parquet"}})


def _state_cases() -> list[Case]:
    return [
        Case(6, f"the state is {name}", build, RESUME, 1, says) for name, build, says in BAD_STATES
    ]


def _provenance_cases() -> list[Case]:
    cases = []
    for name, build, says in BAD_PROVENANCES:
        cases += [
            Case(6, f"the provenance is {name}, ls", build, ("ls", "."), 0, "finished"),
            Case(6, f"the provenance is {name}, resume", build, RESUME, 1, says),
        ]
        if name != "no wall time":  # analysis needs none
            arguments = ("report", "run")
            cases.append(
                Case(6, f"the provenance is {name}, report", build, arguments, 2, "damaged")
            )
    return cases


def _table_cases() -> list[Case]:
    return [
        Case(6, f"a table has {name}, {command}", build, arguments, 2, says)
        for name, build, says in BAD_TABLES
        for command, arguments in LAZY
    ]


def replaced(path: Path, old: str, new: str) -> None:
    """Replace a text in a file."""
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def _with_keys(scene: Scene, keys: str) -> None:
    path = scene.finished / "scenario.toml"
    path.write_text(f"{keys}\n{path.read_text()}")


def _long_names(scene: Scene) -> None:
    edit_json(scene.run / PROVENANCE, scenario=RICH, error=RICH, state="failed")
    (scene.folder / "x[").mkdir()
    scene.run.rename(scene.folder / "x[" / "y]")


BROKEN = (
    *_state_cases(),
    *_provenance_cases(),
    *_table_cases(),
    Case(
        6,
        "parts that differ in what may be missing, record",
        table("rounds", _nullable),
        ("record", "finished"),
        0,
        "world",
    ),
    Case(
        6,
        "20,000 keys in the scenario of a run, report",
        lambda scene: _with_keys(scene, "\n".join(f"k{n} = 1" for n in range(20_000))),
        ("report", "finished"),
        2,
        "more than 10,000",
    ),
    Case(
        6,
        "a number of 400 digits in the scenario of a run, report",
        lambda scene: _with_keys(scene, f"extra = {10**400}"),
        ("report", "finished", "run"),
        0,
    ),
    Case(6, "markup in names, ls", _long_names, ("ls", "."), 0, "x[/y]"),
    Case(
        6,
        "escape sequences in names, ls",
        lambda scene: edit_json(scene.run / PROVENANCE, scenario="\x1b[2J\x07", error="\n\r\x00"),
        ("ls", "."),
        0,
        "\\x1b[2J",
    ),
    Case(
        6,
        "a scenario nested 100,000 deep",
        document("scenario.toml", "a = " + DEEP),
        RESUME,
        2,
        "nested too deeply",
    ),
    Case(
        6, "a scenario of 9 MB", document("scenario.toml", "#" * 9_000_000), RESUME, 2, "more than"
    ),
    Case(
        6,
        "a scenario of 150,000 letters",
        document("scenario.toml", "x" * 150_000 + " = 1"),
        RESUME,
        2,
    ),
    Case(
        6,
        "a scenario of 20,000 keys",
        document(
            "scenario.toml",
            "[devices.availability]\n" + "\n".join(f"k{n} = 1" for n in range(20_000)),
        ),
        RESUME,
        2,
        "20,002 keys",
    ),
    Case(
        6,
        "a scenario that extends an endless device",
        lambda scene: (scene.folder / "hostile.toml").write_text("extends = '/dev/zero'"),
        ("validate", "hostile.toml"),
        2,
        "no regular file",
    ),
    Case(6, "a scenario that is a pipe", pipe("scenario.toml"), RESUME, 2, "no regular file"),
    Case(
        6,
        "a scenario that is none, report",
        document("scenario.toml", "seed = 1"),
        ("report", "run"),
        2,
    ),
    Case(
        6,
        "a folder of 300 folders",
        lambda scene: (scene.folder / "/".join(["d"] * 300)).mkdir(parents=True),
        ("ls", "."),
        0,
        "finished",
    ),
    Case(
        6,
        "a finished run without a part, resume",
        lambda scene: (scene.finished / "devices/part-000001.parquet").unlink(),
        ("resume", "finished"),
        2,
        "is missing",
    ),
    Case(
        6,
        "a world of another scenario",
        lambda scene: replaced(scene.finished / "scenario.toml", "count = 5", "count = 10000000"),
        ("record", "finished"),
        1,
        "is not the scenario that this run began with",
    ),
    Case(
        6,
        "a finished run with rounds missing",
        lambda scene: edit_json(scene.run / PROVENANCE, state="finished", round=12),
        RESUME,
        1,
        "is damaged",
    ),
)


def url(name: str, address: str, says: str, status: int = 2) -> Case:
    """Return the case of a sweep to a URL that cannot be used; no password is shown."""
    return Case(
        8,
        name,
        lambda scene: None,
        ("sweep", "small.toml", "--out", address),
        status,
        says,
        hides=PASSWORD,
    )


URLS = (
    url("an unknown protocol", f"nothing://u:{PASSWORD}@host/x", "nothing://***@host"),
    url("a missing package", f"smb://u:{PASSWORD}@host/x", "SMB requires"),
    url("a refused connection", f"ftp://u:{PASSWORD}@127.0.0.1:9/x", "refused"),
    url(
        "a password with a slash", f"nothing://u:{PASSWORD}/{PASSWORD}@host/x", "nothing://***@host"
    ),
    url("a key in the query", f"nothing://host/x?password={PASSWORD}", "password=***"),
    url("a protocol that is none", "no\x1b[31m://x", "cannot be used"),
    url("a key in the path", f"nothing://host/x;v=1;pw={PASSWORD}/y", "x;v=1;pw=***"),
    url("a key in the fragment", f"nothing://host/x#access_token={PASSWORD}", "token=***"),
    url("a key after encoded signs", f"nothing://host/x%3Bpw%3D{PASSWORD}", "%3Bpw%3D***"),
    url("a port that is none", f"ftp://u:{PASSWORD}@127.0.0.1:x/y", "cannot be used"),
)

MEMORY = (
    Case(9, "gains of 48 GB", gains_bomb, ("run", "hostile.toml"), 2, "of memory"),
    Case(9, "gains of 48 GB, ls", gains_bomb, ("ls", "."), 0, "finished"),
    Case(
        9,
        "a table of gigabytes, report",
        bomb("rounds"),
        ("report", "finished"),
        2,
        "memory",
    ),
    Case(9, "a table of gigabytes, timeline", bomb("transfers"), ("timeline", "finished"), 2),
    Case(
        9,
        "a table of gigabytes, record",
        bomb("rounds"),
        ("record", "finished"),
        1,
        "has 2000000008 rows",
    ),
)


def _held(scene: Scene) -> None:
    """Leave a lock that a process holds which is no longer there."""
    task = plan(scene.scenario, str(scene.folder / "s"), {}, None, settings={}, learning=True)[
        0
    ].task
    Path(task.place).mkdir()
    shutil.copytree(scene.run, task.path)
    Path(task.path, ".lock").write_text("\x1b[31m" * 10_000)


PROCESSES = (
    Case(
        11,
        "a lock file of another size is overwritten",
        _held,
        ("sweep", "small.toml", "--out", "s", "--jobs", "1"),
        0,
        "sweep.parquet",
    ),
)

RUN_CASES = (*STORES, *LINKS, *BROKEN, *URLS, *MEMORY, *PROCESSES)
