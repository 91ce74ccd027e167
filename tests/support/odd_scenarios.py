"""Odd scenario files, sweeps and input files of runs, and worlds that are absurd."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import tomli_w

import coupling
from coupling import Scenario
from coupling.run_directory.input_files import changed_files, input_files
from coupling.scenario.file import parse_set
from coupling.sweeps.grid import parse_vary, plan
from coupling.sweeps.sweep import SweepRun, write_table
from support.odd_inputs import OddInput, refused, rows, write
from support.small_runs import MOVING, NETWORK


def scenario(
    *layers: str | bytes, settings: tuple[str, ...] = (), take: Callable[[Scenario], object] = str
) -> Any:
    """Return the reader of files that extend each other, the first one the small network."""

    def read(folder: Path) -> object:
        write(
            folder,
            {"gains.csv": "block,device,gain\n" + "".join(f"1,{n},1e-6\n" for n in range(5))},
        )
        write(folder, {"0.toml": tomli_w.dumps(NETWORK)})
        for number, layer in enumerate(layers, 1):
            content = layer.encode() if isinstance(layer, str) else layer
            extends = f'extends = "{number - 1}.toml"\n'.encode()
            mark = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
            own = b"" if content.startswith((b"extends", b"\xff")) else extends
            write(folder, {f"{number}.toml": mark + own + content.removeprefix(mark)})
        overrides = dict(map(parse_set, settings))
        return take(Scenario.load(folder / f"{len(layers)}.toml", overrides))

    return read


def channel(loaded: Scenario) -> list[str]:
    """Return the keys of the channel that are set."""
    return [key for key in ("gains", "path_loss", "fading") if getattr(loaded.channel, key)]


def budgets(loaded: Scenario) -> tuple[float | None, float | None]:
    return loaded.scheduler.delay_budget_s, loaded.scheduler.delay_budget_s_per_bit


RECORDED = '[channel]\ngains = { path = "gains.csv" }\n'
MODELS = (
    '[channel]\npath_loss = { kind = "power_law", exponent = 3, reference_m = 1 }\n'
    'fading = { kind = "none" }\n'
)
DATA = '[learner]\nmodel = "minilm"\nlora = { rank = 2, alpha = 4, targets = ["query"] }\n'
FILES = [
    OddInput(
        "layers",
        "recorded gains over models over recorded gains",
        scenario(RECORDED, MODELS, RECORDED, take=channel),
        ["gains"],
    ),
    OddInput(
        "layers",
        "models over recorded gains",
        scenario(RECORDED, MODELS, take=channel),
        ["path_loss", "fading"],
    ),
    OddInput(
        "layers",
        "one of two models over recorded gains",
        scenario(RECORDED, '[channel]\nfading = { kind = "none" }\n', take=channel),
        refused("2.toml: channel: "),
    ),
    OddInput(
        "layers",
        "a budget in seconds over a budget per bit",
        scenario("[scheduler]\ndelay_budget_s = 3.0\n", take=budgets),
        (3.0, None),
    ),
    OddInput(
        "layers",
        "a budget per bit by --set over a budget in seconds",
        scenario(
            "[scheduler]\ndelay_budget_s = 3.0\n",
            settings=("scheduler.delay_budget_s_per_bit=2e-6",),
            take=budgets,
        ),
        (None, 2e-6),
    ),
    OddInput(
        "layers",
        "both budgets in the middle file",
        scenario(
            "[scheduler]\ndelay_budget_s = 3.0\ndelay_budget_s_per_bit = 1e-6\n", "seed = 3\n"
        ),
        refused("1.toml: scheduler: ", "delay_budget_s"),
    ),
    OddInput(
        "layers",
        "both budgets by --set",
        scenario(settings=("scheduler.delay_budget_s=1", "scheduler.delay_budget_s_per_bit=1e-6")),
        refused("0.toml: scheduler: ", "(from --set)"),
    ),
    OddInput(
        "layers",
        "a file that extends itself by way of another",
        scenario('extends = "2.toml"\n', "seed = 2\n"),
        refused("leads back to a file already read"),
    ),
    OddInput(
        "layers",
        "a NUL in the name of the file below",
        scenario('extends = "a\\u0000b.toml"\n'),
        refused("1.toml: extends = 'a\\x00b.toml' is not a file name"),
    ),
    OddInput(
        "layers",
        "a folder as the file below",
        scenario('extends = "."\n'),
        refused("1.toml: extends = '.': ", "cannot be read: is a directory"),
    ),
    OddInput(
        "layers",
        "a mark before the second of three files",
        scenario(b"\xef\xbb\xbfseed = 5\n", "rounds = 2\n", take=lambda loaded: loaded.seed),
        5,
    ),
    OddInput(
        "layers",
        "UTF-16",
        scenario("seed = 5\n".encode("utf-16")),
        refused("is not TOML: not UTF-8 text"),
    ),
    OddInput(
        "numbers",
        "an octal integer of 6,000 digits in a list",
        scenario("[cell]\nposition_m = [0o" + "7" * 6000 + ", 0]\n"),
        refused("1.toml: an integer has more than 4,300 digits"),
    ),
    OddInput(
        "numbers",
        "a negative integer of 4,200 digits",
        scenario("rounds = -" + "8" * 4200 + "\n"),
        refused("1.toml: rounds = -888", "is not at least 1"),
    ),
    OddInput(
        "numbers",
        "a float of 5,000 digits",
        scenario("[devices]\ntx_power_w = " + "9" * 5000 + ".0\n"),
        refused("1.toml: devices.tx_power_w = inf is not a finite number"),
    ),
    OddInput(
        "numbers",
        "a class named twice by --set",
        scenario(settings=('learner.data.columns={text=["t"], classes=["b","a","b"]}',)),
        refused("0.toml: learner"),
    ),
    OddInput(
        "names",
        "a NUL in the start of LoRA",
        scenario('[learner.lora]\nstart = "a\\u0000"\n'),
        refused("1.toml: learner.lora.start = 'a\\x00' has a NUL"),
    ),
    OddInput(
        "names",
        "a path with backslashes between double quotes",
        scenario('[channel]\ngains = { path = "D:\\new\\uber.csv" }\n'),
        refused("1.toml: is not TOML: ", "between single quotes"),
    ),
]


def varied(*arguments: str, seeds: tuple[int, ...] | None = None) -> Any:
    """Return the planner of a sweep: its number of runs."""

    def read(folder: Path) -> object:
        write(folder, {"small.toml": tomli_w.dumps(NETWORK)})
        values = parse_vary(arguments)
        path = folder / "small.toml"
        return len(plan(path, str(folder), values, seeds=seeds, settings={}, learning=False))

    return read


def swept_seeds(*seeds: int) -> Any:
    """Return the reader of the seeds in the table of a sweep."""

    def read(folder: Path) -> object:
        write(folder, {"small.toml": tomli_w.dumps(NETWORK)})
        runs = plan(folder / "small.toml", str(folder), {}, seeds, settings={}, learning=False)
        write_table([SweepRun(run, "waiting") for run in runs], str(folder), lambda _: {})
        return pq.read_table(folder / "sweep.parquet")["seed"].to_pylist()

    return read


SWEEPS = [
    OddInput("sweeps", "seeds of more than 64 bits", swept_seeds(7, 10**30), ["7", str(10**30)]),
    OddInput(
        "sweeps",
        "a value of --vary that is not allowed",
        varied("rounds=2,0"),
        refused("rounds = 0 is not at least 1 (from --vary)"),
    ),
    OddInput(
        "sweeps",
        "a key of --vary below a number",
        varied("seed.x=1,2"),
        refused("--vary seed.x: seed is not a table"),
    ),
    OddInput(
        "sweeps",
        "a key of --vary with an empty part",
        varied("devices..count=1,2"),
        refused("--vary devices..count: a key is names joined by dots"),
    ),
    OddInput(
        "sweeps", "a comma in brackets and in quotes", varied("cell.position_m=[0,1],[2,3]"), 2
    ),
    OddInput(
        "sweeps",
        "one value in two ways",
        varied("devices.tx_power_w=1,1.0"),
        refused("--vary: ", "are the same run"),
    ),
]


def changes(*edits: Callable[[Path], object]) -> Any:
    """Return the reader of the names of files that count as changed after some edits."""

    def read(folder: Path) -> object:
        write(
            folder, {"data/train.csv": "text,label\n", "data/deep/more.csv": "a", "lora/a.bin": "1"}
        )
        write(
            folder,
            {"positions.csv": rows("device,x_m,y_m", *["1,2"] * 5), "model/config.json": "{}"},
        )
        table = {
            "model": str(folder / "model"),
            "pooling": "mean",
            "lora": {"rank": 2, "alpha": 4, "targets": ["query"], "start": str(folder / "lora")},
            "optimizer": {"kind": "sgd", "lr": 0.1},
            "batch_size": 4,
            "evaluate_every": 3,
            "data": {"path": str(folder / "data")},
        }
        place = {"kind": "points", "path": str(folder / "positions.csv")}
        devices = NETWORK["devices"] | {"placement": place}
        write(folder, {"s.toml": tomli_w.dumps(NETWORK | {"learner": table, "devices": devices})})
        loaded = Scenario.load(folder / "s.toml")
        recorded = {key: file.model_dump() for key, file in input_files(loaded).items()}
        for edit in edits:
            edit(folder)
        return sorted(Path(path).name for path in changed_files(loaded, recorded))

    return read


HASHES = [
    OddInput("hashes", "nothing but times", changes(lambda f: (f / "positions.csv").touch()), []),
    OddInput(
        "hashes",
        "one digit of equal length, with the old time",
        changes(lambda f: _same_time(f / "positions.csv", rows("device,x_m,y_m", *["1,3"] * 5))),
        ["positions.csv"],
    ),
    OddInput(
        "hashes",
        "a file in a deep folder",
        changes(lambda f: write(f, {"data/deep/more.csv": "b"})),
        ["data"],
    ),
    OddInput(
        "hashes",
        "a file that has another name",
        changes(lambda f: (f / "data/train.csv").rename(f / "data/train2.csv")),
        ["data"],
    ),
    OddInput(
        "hashes",
        "a file more beside the model",
        changes(lambda f: write(f, {"model/new": ""})),
        ["model"],
    ),
    OddInput(
        "hashes",
        "the adapter of the start",
        changes(lambda f: write(f, {"lora/a.bin": "2"})),
        ["lora"],
    ),
]


def _same_time(path: Path, text: str) -> None:
    status = path.stat()
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def absurd(**tables: Mapping[str, Any] | int) -> Any:
    """Return the runner of a world of absurd numbers: the number of its rounds."""

    def read(folder: Path) -> object:
        write(folder, {"absurd.toml": tomli_w.dumps(NETWORK | {"rounds": 5} | tables)})
        return len(coupling.run(Scenario.load(folder / "absurd.toml"), learning=False).rounds)

    return read


def moving(**mobility: Any) -> dict[str, Any]:
    return MOVING | {"devices": NETWORK["devices"] | {"mobility": mobility}}


def coming(mean_on_s: float, mean_off_s: float) -> dict[str, Any]:
    chain = {"kind": "markov", "mean_on_s": mean_on_s, "mean_off_s": mean_off_s}
    return {"devices": NETWORK["devices"] | {"availability": chain}}


FASTEST = {"kind": "random_waypoint", "speed_mps": [1e6, 1e6]}
TOO_FAST = refused("a device of devices.mobility turns more than 100,000 times within one round; ")
ABSURD = [
    OddInput(
        "absurd",
        "means of microseconds",
        absurd(**coming(2e-6, 5e-6)),
        refused(
            "a device of devices.availability comes or goes more than 100,000 times within one"
        ),
    ),
    OddInput("absurd", "means of 1e300 s", absurd(**coming(1e300, 1e300)), 5),
    OddInput(
        "absurd",
        "1e6 m/s in a cell of 50 m",
        absurd(devices=NETWORK["devices"] | {"mobility": FASTEST}),
        TOO_FAST,
    ),
    OddInput(
        "absurd",
        "steps of nanoseconds",
        absurd(**moving(kind="gauss_markov", sigma_mps=1.0, correlation_time_s=1.0, step_s=1e-9)),
        TOO_FAST,
    ),
    OddInput(
        "absurd",
        "a standard deviation of 1e200 m/s",
        absurd(**moving(kind="gauss_markov", sigma_mps=1e200, correlation_time_s=1.0)),
        5,
    ),
    OddInput(
        "absurd",
        "channel blocks of picoseconds",
        absurd(**MOVING | {"channel": NETWORK["channel"] | {"coherence": 1e-12}}),
        refused("channel blocks"),
    ),
    OddInput(
        "absurd",
        "a disc of 1e-300 m",
        absurd(devices=NETWORK["devices"] | {"placement": {"kind": "disc", "radius_m": 1e-300}}),
        5,
    ),
    OddInput(
        "absurd",
        "noise of 1e300 W per Hz",
        absurd(cell=NETWORK["cell"] | {"noise_psd_w_per_hz": 1e300}),
        refused("round 1: "),
    ),
    OddInput(
        "absurd",
        "a band of 1e-300 Hz",
        absurd(cell=NETWORK["cell"] | {"bandwidth_hz": 1e-300}),
        refused("round 1: "),
    ),
]
SCENARIOS = [*FILES, *SWEEPS, *HASHES, *ABSURD]
