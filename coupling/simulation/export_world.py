"""Export the gains, positions and availability of a run so that another run can replay them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from numpy import ndarray

from coupling.files import documents, tables
from coupling.files.paths import refuse_link
from coupling.run_directory.directory import RunDirectory
from coupling.run_directory.layout import part_paths
from coupling.run_directory.lock import is_locked
from coupling.run_directory.provenance import Provenance
from coupling.run_directory.schema import schema
from coupling.scenario.errors import RunError, ScenarioError, first_line, os_error_text
from coupling.scenario.scenario import Scenario
from coupling.simulation.build import build_partition, build_world
from coupling.simulation.world import ScenarioWorld
from netsim.availability import Always

_ROUNDS_PER_CHUNK: Final = 256

_NO_WORLD: Final = (("scheduler",), ("learner", "codec"), ("learner", "lora"))
"""Tables that the world does not depend on."""

_Times = Float[ndarray, " T"]


def record(
    run: Path, out: Path, until_s: float | None = None, *, imports_plugins: bool = False
) -> list[Path]:
    """Export the world of a run as Parquet files in the directory ``out``; return their paths.

    - ``gains.parquet`` (block, device, gain), for ``channel.gains = { path = .. }``.
    - ``positions.parquet`` (device, time_s, x_m, y_m), for ``devices.mobility = { kind = "trace",
      path = .. }``.
    - ``availability.parquet`` (device, time_s, available), for ``devices.availability = { kind =
      "trace", path = .. }``, unless all devices are always available: all changes until the end of
      the run, and the next change of each device.
    - ``batches.parquet`` (round, device, samples), only of a run whose devices learned: the
      training samples in the minibatch of every device, scheduled or not.

    The world is a function of seed, time and round, so the export computes it again from the run's
    scenario. Batteries are not part of the world, because they depend on the policy. Gains in
    blocks of seconds, and availability, continue to the world time ``until_s`` if that is later
    than the end of the run, for policies with longer rounds.

    The code that the scenario of the run names is imported only with ``imports_plugins``.

    Raises:
        ScenarioError: no run directory, ``out`` cannot be written, ``until_s`` where blocks are
            rounds, or a world that needs code which is not imported.
        RunError: the run is under way, has no round yet, or is damaged.
    """
    scenario = RunDirectory(run).scenario(imports_plugins=imports_plugins)
    scenario.require_loaded(str(run), except_for=_NO_WORLD)
    if until_s is not None and scenario.channel.coherence == "round":
        raise ScenarioError(
            f"--until-s {until_s:g}: {run} has one channel block per round, not per time; "
            "leave --until-s out"
        )
    # A plug-in that was not imported leaves its defaults, and with them the digest, unknown.
    named = scenario.plugins() and not imports_plugins
    provenance = Provenance.read(run) if named else RunDirectory(run).provenance(scenario)
    facts = provenance.facts
    if is_locked(run):
        raise RunError(f"{run}: another process is running in this directory; wait until it ends")
    if mixed := provenance.met_other_inputs():
        raise RunError(
            f"{mixed[0]}: had other content in rounds after a resume of {run}: the world cannot be "
            "computed again; run the scenario anew"
        )
    if changed := provenance.input_changes(scenario):
        raise RunError(
            f"{changed[0]}: has changed since {run} began: the world cannot be computed again; "
            "restore the file"
        )
    start_s, end_s = _times(run)
    world = build_world(scenario)
    longer_s = until_s or 0.0
    if out.parent.resolve() == Path(run).resolve():
        refuse_link(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        written = [
            _write(out / "gains.parquet", _gains(world, start_s, end_s, until_s=longer_s)),
            _write(out / "positions.parquet", _positions(world, start_s)),
        ]
        if not isinstance(scenario.devices.availability, Always):
            written.append(
                _write(
                    out / "availability.parquet",
                    _availability(world, start_s, end_s, until_s=longer_s),
                )
            )
        if (
            facts["learning"]
            and scenario.learner
            and scenario.protocol.minibatches(scenario.learner)
        ):
            written.append(_write(out / "batches.parquet", _batches(scenario, len(start_s))))
    except OSError as error:
        raise ScenarioError(f"--out {out}: cannot be written: {os_error_text(error)}") from None
    return written


def _times(run: Path) -> tuple[_Times, _Times]:
    """Return the start times and the end times of the run's rounds."""
    columns = schema("rounds")
    try:
        parts = [
            tables.read(part, [columns.field(name) for name in ("round", "start_s", "end_s")])
            for part in part_paths(run, "rounds")
        ]
    except (OSError, documents.DocumentError) as error:
        raise RunError(f"{run}/rounds: is damaged: {first_line(error)}") from None
    if not any(part.num_rows for part in parts):
        raise RunError(f"{run}: has no round yet")
    table = pa.concat_tables(parts)
    if table["round"].to_pylist() != list(range(1, table.num_rows + 1)):
        raise RunError(f"{run}/rounds: a part is missing")
    start_s, end_s = table["start_s"].to_numpy(), table["end_s"].to_numpy()
    ordered = np.concatenate([[0.0], np.column_stack([start_s, end_s]).ravel()])
    if not (np.isfinite(ordered).all() and (np.diff(ordered) >= 0).all()):
        raise RunError(f"{run}/rounds: is damaged: start_s and end_s do not rise")
    return start_s, end_s


def _gains(
    world: ScenarioWorld, start_s: _Times, end_s: _Times, until_s: float
) -> Iterator[pa.Table]:
    for blocks, gain in world.blocks_of_run(start_s, end_s, until_s):
        count = len(gain)
        yield pa.table(
            {
                "block": np.repeat(blocks, count),
                "device": np.tile(np.arange(count), len(blocks)),
                "gain": gain.T.ravel(),
            }
        )


def _positions(world: ScenarioWorld, start_s: _Times) -> Iterator[pa.Table]:
    for first in range(0, len(start_s), _ROUNDS_PER_CHUNK):
        chunk_s = start_s[first : first + _ROUNDS_PER_CHUNK].tolist()
        seen = [world.at(time_s, number) for number, time_s in enumerate(chunk_s, first + 1)]
        count = len(seen[0].gain)
        position_m = np.concatenate([snapshot.position_m for snapshot in seen])
        yield pa.table(
            {
                "device": np.tile(np.arange(count), len(seen)),
                "time_s": np.repeat([snapshot.time_s for snapshot in seen], count),
                "x_m": position_m[:, 0],
                "y_m": position_m[:, 1],
            }
        )


def _availability(
    world: ScenarioWorld, start_s: _Times, end_s: _Times, until_s: float
) -> Iterator[pa.Table]:
    for device, time_s, available in world.availability_events(start_s, end_s, until_s):
        yield pa.table({"device": device, "time_s": time_s, "available": available})


def _batches(scenario: Scenario, rounds: int) -> Iterator[pa.Table]:
    partition = build_partition(scenario)
    assert partition is not None, "a run that learned has a learner"
    devices = range(scenario.devices.count)
    for first in range(1, rounds + 1, _ROUNDS_PER_CHUNK):
        pairs = [
            (round_number, device)
            for round_number in range(first, min(first + _ROUNDS_PER_CHUNK, rounds + 1))
            for device in devices
        ]
        samples = [partition.minibatch(device, round_number) for round_number, device in pairs]
        yield pa.table(
            {
                "round": [round_number for round_number, _ in pairs],
                "device": [device for _, device in pairs],
                "samples": pa.array(samples, pa.list_(pa.int64())),
            }
        )


def _write(path: Path, chunks: Iterator[pa.Table]) -> Path:
    tables.write(path, chunks)
    return path
