"""Small runs: a network, a tiny learner, tables to compare, and airtune as a process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

from coupling import Scenario
from coupling.run_directory.schema import TABLES, WALL_CLOCK, schema
from netsim.scheduling import RoundRecord
from support.tiny_bert import save_sentences, save_tiny_bert

ROOT = Path(__file__).resolve().parent.parent.parent
AIRTUNE = ["-c", "import sys; from coupling.cli import main; sys.exit(main())"]
ENDLESS = 1_000_000

NETWORK: dict[str, Any] = {
    "seed": 1,
    "rounds": 12,
    "cell": {"bandwidth_hz": 10e6, "noise_psd_w_per_hz": 1e-11},
    "devices": {
        "count": 5,
        "placement": {"kind": "disc", "center_m": [300.0, 0.0], "radius_m": 50.0},
        "mobility": {"kind": "static"},
    },
    "channel": {
        "path_loss": {"kind": "power_law", "exponent": 3.5, "reference_m": 10.0},
        "fading": {"kind": "rayleigh"},
    },
    "protocol": {"kind": "aggregate", "payload_bit": 51_904_512},
    "scheduler": {
        "kind": "algorithm1",
        "delay_budget_s_per_bit": 1e-6,
        "queue_initial_budgets": 2,
        "drift": "full",
    },
}

MOVING = {
    "cell": {
        "bandwidth_hz": 10e6,
        "noise_psd_w_per_hz": 1e-11,
        "downlink_bandwidth_hz": 5e6,
        "server_tx_power_w": 20.0,
    },
    "devices": {
        **NETWORK["devices"],
        "mobility": {"kind": "gauss_markov", "sigma_mps": 2.0, "correlation_time_s": 20.0},
    },
    "channel": {**NETWORK["channel"], "coherence": 0.5},
    "protocol": {
        "kind": "phased",
        "payload_bit": {"embedding": 4e6, "feature": 3e5, "gradient": 1e5},
    },
    "scheduler": {
        "kind": "algorithm1",
        "delay_budget_s": 2.0,
        "drift": "full",
        "queue_initial_budgets": 1,
    },
}
"""Entries for moving devices, a fast channel and the three legs of the split step."""

COMING_AND_GOING = {
    **NETWORK["devices"],
    "availability": {"kind": "markov", "mean_on_s": 150.0, "mean_off_s": 60.0},
    "battery": {"capacity_j": 120.0, "initial": [0.3, 1.0], "recharge_w": 0.4, "idle_w": 0.1},
}
"""Devices with changing availability, and with batteries that run empty and are charged."""


def scenario_file(folder: Path, name: str = "small.toml", **tables: object) -> Path:
    """Write the small network as a scenario file with other top-level entries in ``tables``."""
    path = folder / name
    path.write_text(tomli_w.dumps(NETWORK | tables))
    return path


def network(folder: Path, rounds: int = 12, every: int | None = 4, **tables: object) -> Scenario:
    trace = {} if every is None else {"trace": {"checkpoint_every": every}}
    return Scenario.load(scenario_file(folder, **({"rounds": rounds} | trace | tables)))


def learner_table(folder: Path) -> dict[str, object]:
    """Write a tiny random BERT and its data, and return the ``[learner]`` table that names them."""
    model = save_tiny_bert(folder / "model")
    data = save_sentences(folder / "data")
    return {
        "model": str(model),
        "pooling": "pooler",
        "lora": {"rank": 2, "alpha": 4, "targets": ["query", "value", "pooler.dense"]},
        "optimizer": {"kind": "adamw", "lr": 0.01},
        "head_optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.9},
        "batch_size": 4,
        "evaluate_every": 3,
        "max_tokens": 16,
        "data": {"path": str(data)},
        "heads": {"init": "per_device"},
    }


def tables(run: Path) -> dict[str, pa.Table]:
    """Return the tables of a run directory without its wall-clock columns."""
    contents = {}
    for name in TABLES:
        parts = [pq.read_table(part) for part in sorted((run / name).glob("part-*.parquet"))]
        table = pa.concat_tables(parts) if parts else schema(name).empty_table()
        contents[name] = table.drop_columns(
            [column for column in table.column_names if column in WALL_CLOCK]
        )
    return contents


def assert_same_tables(run: Path, reference: Path) -> None:
    """Compare all tables to the last bit."""
    expected = tables(reference)
    for name, table in tables(run).items():
        assert table.equals(expected[name]), f"{name} of {run} differs"
    assert expected["rounds"].num_rows > 0


def stop_after(round_number: int) -> tuple[Callable[[RoundRecord], None], Callable[[], bool]]:
    """Return an observer of rounds and a stop request that is true after a round."""
    last_round = [0]

    def note(record: RoundRecord) -> None:
        last_round[0] = record.round

    return note, lambda: last_round[0] >= round_number


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def start(
    *arguments: object, cwd: Path = ROOT, program: Sequence[object] = AIRTUNE, threads: int = 1
) -> "subprocess.Popen[str]":
    """Start airtune in a new process."""
    return subprocess.Popen(
        [sys.executable, *map(str, program), *map(str, arguments)],
        cwd=cwd,
        env=environment() | {"OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def airtune(*arguments: object, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    process = start(*arguments, cwd=cwd)
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_until(
    condition: Callable[[], object], process: "subprocess.Popen[str] | None" = None
) -> None:
    """Wait until a condition holds; fail with the output of a process that ends before."""
    while not condition():
        if process is not None and process.poll() is not None:
            assert condition(), f"ended with {process.returncode}: {process.communicate()}"
            return
        time.sleep(0.01)


def parts_in(run: Path, table: str = "rounds") -> Iterable[Path]:
    return sorted((run / table).glob("part-*.parquet"))
