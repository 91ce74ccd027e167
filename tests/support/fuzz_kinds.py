"""Kinds of mutants: the files of a scene that each kind changes, and the commands that open them.

Each mutation draws from a ``random.Random``; Hypothesis and the long fuzz run share all of them.
"""

import os
import shutil
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

import tomli_w

from support import fuzz_scene, fuzz_values
from support.fuzz_tables import parquet
from support.hostile import Scene

Command = tuple[str, ...]
Mutation = Callable[[Random, Scene], Sequence[Command]]
"""Changes the scene; returns the commands that open what was changed."""


def run_commands(name: str) -> list[Command]:
    """Return the commands that read a run directory, and ``resume``."""
    return [
        ("resume", name),
        ("resume", name),
        ("ls", "."),
        ("ls", ".", "--json"),
        ("report", name, "finished"),
        ("timeline", name),
        ("compare", name, "finished"),
        ("figures", "all", name, "--format", "svg"),
        ("record", name, "--out", "recorded"),
        ("record", name),
        ("export", name, "exported"),
    ]


def sweep(place: str, scenario: str = "small.toml") -> Command:
    """Return the command of a sweep to a folder or store of the scene."""
    url = f"file://{{folder}}/{place}" if place in fuzz_scene.STORES else place
    return ("sweep", scenario, "--out", url, "--jobs", "1")


def _a_run(random: Random, scene: Scene) -> tuple[Path, Sequence[Command]]:
    """Return a run directory of the scene, and the commands that open it."""
    names = [*fuzz_scene.RUNS, *fuzz_scene.SWEEPS]
    names += [name for name in fuzz_scene.LEARNED_RUNS if (scene.folder / name).is_dir()]
    name = random.choice(names)
    if name in fuzz_scene.SWEEPS:
        folder = _only(scene.folder / name)
        below = f"{name}/{folder.name}"
        return folder, [sweep(name)] * 4 + run_commands(below)
    return scene.folder / name, run_commands(name)


def _only(folder: Path) -> Path:
    return next(path for path in sorted(folder.iterdir()) if path.is_dir())


def _change(path: Path, mutate: Callable[[Random, bytes], bytes], random: Random) -> None:
    path.write_bytes(mutate(random, path.read_bytes()))


def state(random: Random, scene: Scene) -> Sequence[Command]:
    """Mutate a file of a checkpoint."""
    folder, commands = _a_run(random, scene)
    files = sorted(path for path in (folder / "checkpoint").rglob("*") if path.is_file())
    if not files:
        return provenance(random, scene)
    path = random.choice([folder / "checkpoint/state.json", *files])
    _change(path, fuzz_values.json_text if path.suffix == ".json" else fuzz_values.raw, random)
    return [*commands[:2], *commands]


def provenance(random: Random, scene: Scene) -> Sequence[Command]:
    """Mutate the provenance of a run."""
    folder, commands = _a_run(random, scene)
    _change(folder / "provenance.json", fuzz_values.json_text, random)
    return commands


def own_scenario(random: Random, scene: Scene) -> Sequence[Command]:
    """Mutate the scenario in a run directory."""
    folder, commands = _a_run(random, scene)
    _change(folder / "scenario.toml", toml_text, random)
    return commands


def toml_text(random: Random, content: bytes) -> bytes:
    """Return a TOML text with edits of its values, and rarely of its bytes."""
    if random.random() < 0.3:
        return fuzz_values.raw(random, content)
    changed = fuzz_values.document(random, tomllib.loads(content.decode()))
    try:
        text = tomli_w.dumps(changed)
        return text.encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, AttributeError, RecursionError):  # what TOML cannot say
        return fuzz_values.raw(random, content)


def table(random: Random, scene: Scene) -> Sequence[Command]:
    """Mutate, add, remove or rename parts of the tables of a run."""
    folder, commands = _a_run(random, scene)
    for _ in range(random.choice((1, 1, 2))):
        parts = sorted(folder.glob("*/part-*.parquet"))
        parts += sorted(folder.parent.glob("sweep.parquet")) * 4
        if parts:
            path = random.choice(parts)
            random.choice((_mutated_part,) * 6 + (_moved_part, _copied_part))(random, path)
    return commands


def _mutated_part(random: Random, path: Path) -> None:
    _change(path, parquet, random)


_PART_NAMES = (
    *("part-000009.parquet", "part-999999.parquet", "part--00001.parquet", "part-x.parquet"),
    *("part-0000000000000000.parquet", "part-000000.parquet.partial", "\x1b.parquet", ".hidden"),
)


def _moved_part(random: Random, path: Path) -> None:
    path.rename(path.with_name(random.choice(_PART_NAMES)))


def _copied_part(random: Random, path: Path) -> None:
    shutil.copy(path, path.with_name(random.choice(_PART_NAMES)))


def manifest(random: Random, scene: Scene) -> Sequence[Command]:
    """Mutate a manifest or an object of a store."""
    name = random.choice(fuzz_scene.STORES)
    folder = _only(scene.folder / name)
    manifests = sorted((folder / "manifests").iterdir())
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files.append(folder.parent / "sweep.parquet")
    path = random.choice([*manifests * len(files), *files])
    _change(path, _mutation_of(path), random)
    return [sweep(name)]


def scenario(random: Random, scene: Scene) -> Sequence[Command]:
    """Mutate a scenario, which validate and a sweep read."""
    name = random.choice(_scenarios(scene))
    _change(scene.folder / name, toml_text, random)
    validate = ("validate", name), ("validate", name, "--no-plugins")
    return [*validate * 3, sweep("begun", name)]


def _scenarios(scene: Scene) -> list[str]:
    names = [*fuzz_scene.NETWORK_SCENARIOS, "learner.toml"]
    return [name for name in names if (scene.folder / name).exists()]


def data(random: Random, scene: Scene) -> Sequence[Command]:
    """Mutate a data file that scenarios name."""
    paths = [scene.folder / name for name in fuzz_scene.DATA]
    paths += sorted((scene.folder / "data").glob("*.parquet"))
    path = random.choice(paths)
    _change(path, _mutation_of(path), random)
    if path.parent.name == "data":
        return _learning_commands()
    names = [name for name in _scenarios(scene) if path.name in (scene.folder / name).read_text()]
    return [
        command
        for name in names or ["small.toml"]
        for command in (("validate", name), sweep("new", name))
    ]


def model(random: Random, scene: Scene) -> Sequence[Command]:
    """Mutate a file of the model directory, or of the adapter of a run that has learned."""
    folder = scene.folder / "model"
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files += sorted((scene.folder / "learned").glob("adapter/*"))
    path = random.choice(files)
    _change(path, _mutation_of(path), random)
    return _learning_commands()


def _learning_commands() -> list[Command]:
    return [
        ("validate", "learner.toml"),
        ("resume", "learning"),
        ("export", "learned", "exported"),
        ("export", "learned", "exported", "--merge"),
        sweep("new", "learner.toml"),
    ]


def entry(random: Random, scene: Scene) -> Sequence[Command]:
    """Replace an entry of a run or store by a link, a pipe, a folder or nothing."""
    folder, commands = _a_run(random, scene)
    if random.random() < 0.2:
        name = random.choice(fuzz_scene.STORES)
        folder, commands = _only(scene.folder / name), [sweep(name)]
    entries = sorted(folder.rglob("*"))
    extra = [
        folder / name for name in (".lock", "world", "checkpoint.new", "scenario.toml.partial")
    ]
    extra += [folder / "rounds/part-000009.parquet", folder.parent / "sweep.parquet"]
    path = random.choice([*entries, *extra])
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    random.choice(_ENTRIES)(path, scene)
    return commands


def _link(path: Path, scene: Scene) -> None:
    path.symlink_to(scene.canary / "victim.txt")


def _folder_link(path: Path, scene: Scene) -> None:
    path.symlink_to(scene.canary / "rounds")


def _self_link(path: Path, scene: Scene) -> None:
    path.symlink_to(path.name)


def _hard_link(path: Path, scene: Scene) -> None:
    os.link(scene.canary / "victim.txt", path)


def _device(path: Path, scene: Scene) -> None:
    path.symlink_to("/dev/zero")


def _pipe(path: Path, scene: Scene) -> None:
    os.mkfifo(path)


def _empty_folder(path: Path, scene: Scene) -> None:
    path.mkdir()


def _nothing(path: Path, scene: Scene) -> None:
    """Leave no entry."""


_ENTRIES: tuple[Callable[[Path, Scene], None], ...] = (
    *(_link, _folder_link, _self_link, _hard_link, _device, _pipe, _empty_folder, _nothing),
)


def _mutation_of(path: Path) -> Callable[[Random, bytes], bytes]:
    endings: dict[str, Callable[[Random, bytes], bytes]] = {
        ".json": fuzz_values.json_text,
        ".toml": toml_text,
        ".parquet": parquet,
    }
    return endings.get(path.suffix, fuzz_values.raw)


KINDS: Mapping[str, Mutation] = {
    "state": state,
    "provenance": provenance,
    "own scenario": own_scenario,
    "table": table,
    "manifest": manifest,
    "scenario": scenario,
    "data": data,
    "entry": entry,
}
LEARNING_KINDS: Mapping[str, Mutation] = {**KINDS, "model": model}
