"""Hostile models, addresses, reports, plug-ins and signals: kinds 3, 4, 5, 7, 10 and 12."""

import json
from collections.abc import Callable
from os import link, mkfifo, truncate
from pathlib import Path
from shutil import copytree
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from support.hostile import Build, Case, Scene, edit_json, replace_by_link

DEEP = "[" * 100_000 + "]" * 100_000
LEARNER: dict[str, Any] = {
    "model": "model",
    "pooling": "cls",
    "lora": {"rank": 2, "alpha": 4},
    "optimizer": {"kind": "sgd", "lr": 0.1},
    "batch_size": 4,
    "evaluate_every": 1,
    "max_tokens": 16,
    "data": {"path": "data"},
}
RUN = ("run", "hostile.toml", "--out", "out")


def model(change: Callable[[Path, Scene], object]) -> Build:
    """Return a builder of a scenario whose model was changed."""

    def build(scene: Scene) -> None:
        scene.write_scenario(rounds=1, learner=LEARNER)
        change(scene.folder / "model", scene)

    return build


def config(**changes: object) -> Build:
    return model(lambda folder, scene: edit_json(folder / "config.json", **changes))


def _code(folder: Path, scene: Scene) -> None:
    """Give a model code of its own, which configuration and tokenizer name."""
    (folder / "evil.py").write_text(scene.code())
    names = dict.fromkeys(("AutoConfig", "AutoModel", "AutoTokenizer"), "evil.Evil")
    edit_json(folder / "config.json", auto_map=names)
    edit_json(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]})


def _unknown_code(folder: Path, scene: Scene) -> None:
    _code(folder, scene)
    edit_json(folder / "config.json", model_type="evil")


def _index(name: str) -> Build:
    def change(folder: Path, scene: Scene) -> None:
        (folder / "model.safetensors").rename(folder.parent / "outside.safetensors")
        entries = {"metadata": {}, "weight_map": {"pooler.dense.weight": name}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(entries))

    return model(change)


def _pickle(folder: Path, scene: Scene) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _many_tensors(folder: Path, scene: Scene) -> None:
    """Write weights of 200,000 empty tensors, for which transformers would need many seconds."""
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"x{number}": empty for number in range(200_000)}).encode()
    header += b" " * (-len(header) % 8)
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def _pipe_in(place: str) -> Build:
    """Return a builder that puts a pipe in the place of a file that a scenario leads to."""

    def build(scene: Scene) -> None:
        copytree(next(scene.learned.rglob("adapter_config.json")).parent, scene.folder / "start")
        path = scene.folder / place
        path.unlink()
        mkfifo(path)
        start = {"start": "start"} if place.startswith("start/") else {}
        lora = LEARNER["lora"] | start
        scene.write_scenario(rounds=1, learner=LEARNER | {"lora": lora})

    return build


def _sparse(name: str) -> Build:
    """Return a builder that makes a file of the adapter seem to have 2^40 bytes."""

    def build(scene: Scene) -> None:
        truncate(next(scene.learned.rglob(name)), 2**40)

    return build


def _adapter(name: str, content: bytes | None, *, pipe: bool = False) -> Build:
    """Return a builder that replaces a file of the adapter of the run with learning."""

    def build(scene: Scene) -> None:
        path = next(scene.learned.rglob(name))
        if pipe:
            path.unlink()
            mkfifo(path)
        elif content is None:
            replace_by_link(path, scene.canary / "victim.txt")
        else:
            path.write_bytes(content)

    return build


EXPORT = ("export", "learned", "exported")
MODELS = (
    Case(3, "code of an unknown type", model(_unknown_code), RUN, 2, "is of the type evil"),
    Case(3, "code of a known type", model(_code), RUN, 0, "run directory"),
    Case(3, "a pickle", model(_pickle), RUN, 2, "as pickles (.bin)"),
    Case(3, "an index that leads out", _index("../outside.safetensors"), RUN, 2, "no"),
    Case(3, "an absolute index", _index("/outside.safetensors"), RUN, 2, "is not a safetensors"),
    Case(3, "10^8 layers", config(num_hidden_layers=10**8), RUN, 2, "num_hidden_layers"),
    Case(3, "a width of 10^6", config(hidden_size=10**6), RUN, 2, "GiB, and this machine has"),
    Case(3, "a size in words", config(hidden_size="\x1b[31m"), RUN, 2, "hidden_size"),
    Case(3, "a nested label", config(id2label={"0": [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}), RUN, 2),
    Case(
        3,
        "a configuration nested 100,000 deep",
        model(lambda folder, scene: (folder / "config.json").write_text(DEEP)),
        RUN,
        2,
        "config.json",
    ),
    Case(
        3,
        "a configuration that is a device",
        model(lambda folder, scene: replace_by_link(folder / "config.json", Path("/dev/zero"))),
        RUN,
        2,
        "config.json",
    ),
    Case(
        3,
        "a vocabulary nested 100,000 deep",
        model(lambda folder, scene: (folder / "tokenizer.json").write_text(DEEP)),
        RUN,
        2,
        "no tokenizer that can be loaded",
    ),
    Case(3, "an adapter of another kind", _adapter("adapter_config.json", b"[]"), EXPORT, 1),
    Case(3, "an adapter that is none", _adapter("adapter_model.safetensors", b"x"), EXPORT, 1),
    Case(3, "an adapter that is a link", _adapter("adapter_model.safetensors", None), EXPORT, 1),
    Case(3, "a header of 200,000 tensors", model(_many_tensors), RUN, 2, "has a header of"),
    Case(3, "chunks that do not fit", config(chunk_size_feed_forward=3), RUN, 2, "cannot compute"),
    Case(
        3,
        "a tokenizer that is none",
        model(
            lambda folder, scene: edit_json(
                folder / "tokenizer_config.json", tokenizer_class="RagTokenizer"
            )
        ),
        RUN,
        2,
        "no tokenizer that can be loaded",
    ),
    *(
        Case(3, f"a pipe as {place}", _pipe_in(place), RUN, 2, "is no regular file")
        for place in ("start/adapter_config.json", "start/adapter_model.safetensors")
    ),
    Case(3, "a pipe as samples", _pipe_in("data/train.parquet"), RUN, 2, "is no regular file"),
    *(
        Case(3, f"a pipe as {name}", _adapter(name, None, pipe=True), EXPORT, 1, "no regular file")
        for name in ("adapter_config.json", "adapter_model.safetensors", "heads.safetensors")
    ),
    *(
        Case(3, f"{name} of 2^40 bytes", _sparse(name), EXPORT, 1, "of memory")
        for name in ("adapter_config.json", "adapter_model.safetensors")
    ),
    Case(3, "export of a run without learning", lambda scene: None, ("export", "run", "x"), 2),
)


def ray(name: str, address: str, says: str) -> Case:
    """Return the case of a sweep on a Ray cluster that is none."""
    command = ("sweep", "small.toml", "--engine", "ray", "--address", address, "--out", "s")
    return Case(4, name, lambda scene: None, command, 2, says)


ADDRESSES = (
    ray("a refused connection", "127.0.0.1:1", "no Ray cluster answers: connection refused"),
    ray("a port beyond all", "127.0.0.1:99999", "no Ray cluster answers"),
    ray("a name that is none", "\x1b[31m..:1", "no Ray cluster answers"),
)

MARKUP = "<!--script--><!--made--><a href='https://evil.example/'>x</a><img src=x onerror=alert(1)>"


def texts(scene: Scene) -> None:
    """Put markup into each text of the finished run: names, policy, legs, states."""
    folder = scene.finished
    edit_json(folder / "provenance.json", scenario=MARKUP, commit=MARKUP, policy=MARKUP)
    path = folder / "scenario.toml"
    path.write_text(path.read_text().replace('"algorithm1"', json.dumps(MARKUP)))
    for part in (folder / "transfers").iterdir():
        rows = pq.read_table(part)
        for name in ("leg", "status"):
            values = pa.array([MARKUP] * rows.num_rows, rows.schema.field(name).type)
            rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), values)
        pq.write_table(rows, part)


def named(name: str) -> Build:
    """Return a builder that gives the finished run another name."""

    def build(scene: Scene) -> None:
        texts(scene)
        scene.finished.rename(scene.folder / name)

    return build


def second_name(name: str) -> Build:
    """Return a builder of a second name of a canary file in the working directory."""

    def build(scene: Scene) -> None:
        path = scene.folder / name
        path.parent.mkdir(exist_ok=True)
        link(scene.canary / "victim.txt", path)

    return build


HOSTILE_NAME = "<img src=x onerror=alert(1)> [red]$x^2$"
PAGES = (
    Case(5, "markup in all texts, report", texts, ("report", "finished"), 0, "report.html"),
    Case(5, "markup in a group, report", texts, ("report", "finished", "run"), 0, "report.html"),
    Case(5, "markup in all texts, timeline", texts, ("timeline", "finished"), 0),
    Case(5, "markup in all texts, ls", texts, ("ls", "."), 0, "<!--script-->"),
    Case(
        5, "markup in all texts, figures", texts, ("figures", "queue", "finished", "--out", "f"), 0
    ),
    Case(5, "a name of markup, report", named(HOSTILE_NAME), ("report", HOSTILE_NAME), 0),
    Case(5, "a name of markup, ls", named(HOSTILE_NAME), ("ls", "."), 0, HOSTILE_NAME),
    Case(
        5,
        "figures of a damaged run",
        lambda scene: (scene.finished / "scenario.toml").write_text("x"),
        ("figures", "queue", "finished"),
        2,
        "damaged",
    ),
    Case(2, "the report has a second name", second_name("report.html"), ("report", "finished"), 0),
    Case(
        2,
        "the timeline has a second name",
        second_name("t.json"),
        ("timeline", "finished", "--out", "t.json"),
        0,
    ),
    Case(
        2,
        "a figure has a second name",
        second_name("f/queue.svg"),
        ("figures", "queue", "finished", "--out", "f", "--format", "svg"),
        0,
    ),
)


def plugin(kind: str, file: str = "", content: str | None = None) -> Build:
    """Return a builder of a scenario that names a policy, and of a file with foreign code."""

    def build(scene: Scene) -> None:
        if file:
            path = scene.folder / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(scene.code() if content is None else content)
        scene.write_scenario(scheduler={"kind": kind, "delay_budget_s": 60.0})

    return build


def refused(name: str, kind: str, says: str = "", file: str = "", content: str = "") -> Case:
    return Case(7, name, plugin(kind, file, content), ("validate", "hostile.toml"), 2, says)


def named_code(run: str) -> Build:
    """Return a builder of a run whose scenario names a file in it, and beside it."""

    def build(scene: Scene) -> None:
        folder = scene.folder / run
        for place in (folder, scene.folder):
            (place / "evil.py").write_text(scene.code())
        path = folder / "scenario.toml"
        path.write_text(path.read_text().replace('"algorithm1"', '"evil:Evil"'))
        edit_json(folder / "provenance.json", scenario_folder=str(folder))

    return build


LOOK = ("validate", "hostile.toml", "--no-plugins")
LOOP = "import pathlib\nfrom netsim.scheduling import Policy\nclass Loop(Policy):\n"
LOOP += "    def schedule(self, state):\n        pathlib.Path('here').touch()\n"
LOOP += "        while True: pass\n"
PLUG_INS = (
    refused("a relative name", ".evil:P", "is not the name of a module"),
    refused("a module of Python", "idlelib.idle:x", "is a module of Python"),
    refused("a main module", "unittest.__main__:x", "is not the name of a module"),
    refused("a program of Python", "antigravity:x", "is a module of Python"),
    refused("a name of 10,000 letters", "a" * 10_000 + ":P", "scheduler.kind"),
    refused("a name of control characters", "\x1b[31m:P", "is not the name of a module"),
    refused("no class", "evil:", "cannot be imported", "evil.py", "x = 1"),
    refused("it exits", "quits:P", "SystemExit: 0", "quits.py", "import sys; sys.exit(0)"),
    refused("it is no Python", "wrong:P", "wrong.py", "wrong.py", "x = ("),
    refused("it is nested", "deep:P", "deep", "deep.py", f"x = {DEEP}"),
    refused(
        "its error fails",
        "bad:P",
        "bad.py",
        "bad.py",
        "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E",
    ),
    refused("its error has 10^6 letters", "long:P", "xxx", "long.py", "raise OSError('x' * 10**6)"),
    Case(
        7,
        "a folder with the name of ours",
        plugin("coupling.evil:P", "coupling/evil.py"),
        ("validate", "hostile.toml"),
        2,
        "No module named 'coupling.evil'",
    ),
    Case(
        7,
        "a file with the name of a policy",
        plugin("algorithm1", "algorithm1.py"),
        ("validate", "hostile.toml"),
        0,
        "valid",
    ),
    Case(7, "a look", plugin("evil:P", "evil.py"), LOOK, 0, "names code, which was not imported"),
    *(
        Case(7, f"code in a run, {command[0]}", named_code(command[1]), command, status, says)
        for command, status, says in (
            (("resume", "run"), 2, "imported with --plugins only"),
            (("record", "finished"), 0, "gains.parquet"),
            (("ls", "finished"), 0, "finished"),
            (("report", "finished"), 0, "report.html"),
            (("timeline", "finished"), 0, ""),
            (("figures", "finished", "queue"), 2, ""),
            (("export", "finished", "x"), 2, ""),
        )
    ),
)

SIGNALS = (
    Case(
        10,
        "a run of 10^9 rounds",
        lambda scene: scene.write_scenario(rounds=10**9),
        RUN,
        130,
        "continue with: airtune resume out",
        signal_when="out/provenance.json",
    ),
    Case(
        10,
        "a policy that never returns",
        plugin("loop:Loop", "loop.py", LOOP),
        RUN,
        130,
        "airtune resume out --plugins",
        signal_when="here",
    ),
    Case(
        10,
        "a sweep of 10^9 rounds",
        lambda scene: scene.write_scenario(rounds=10**9),
        ("sweep", "hostile.toml", "--out", "s", "--jobs", "1"),
        130,
        signal_when="s/*/provenance.json",
    ),
)

OPTIMISED = {"PYTHONOPTIMIZE": "2"}
DOCSTRINGS = (
    Case(
        12,
        "learning",
        lambda scene: scene.write_scenario(learner=LEARNER),
        RUN,
        2,
        "without docstrings",
        OPTIMISED,
    ),
    Case(12, "export", lambda scene: None, EXPORT, 2, "without docstrings", OPTIMISED),
    Case(12, "the network alone", lambda scene: scene.write_scenario(), RUN, 0, "", OPTIMISED),
)

PART_CASES = (*MODELS, *ADDRESSES, *PAGES, *PLUG_INS, *SIGNALS, *DOCSTRINGS)
