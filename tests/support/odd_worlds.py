"""Odd tables of positions, states and gains."""

import gzip
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

from coupling import Scenario
from coupling.simulation.build import build_world
from support.odd_inputs import OddInput, refused, rows, write
from support.small_runs import NETWORK

STATES = "devices.availability"
POSITIONS = "devices.mobility"
GAINS = "channel.gains"


def world(key: str, name: str, content: bytes | str, kind: str | None = "trace") -> Any:
    """Return the reader of a table of the world: the first snapshot of five devices."""

    def read(folder: Path) -> object:
        write(folder, {name: content})
        table = {"path": str(folder / name)} | ({} if kind is None else {"kind": kind})
        tables = tomli_w.dumps(NETWORK | ({} if key != GAINS else {"channel": {}}))
        write(folder, {"small.toml": tables})
        snapshot = build_world(Scenario.load(folder / "small.toml", {key: table})).at(0.0, 1)
        if key == STATES:
            return snapshot.available.tolist()
        return (snapshot.gain if key == GAINS else snapshot.position_m).tolist()

    return read


def arrow_file(**columns: pa.Array) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def sumo(*vehicles: str) -> str:
    return f'<fcd-export><timestep time="0">{"".join(vehicles)}</timestep></fcd-export>'


CARS = [f'<vehicle id="v{n}" x="{n}" y="0"/>' for n in range(5)]
HERE = rows("device,time_s,available", *["0,1"] * 5)
TABLES = [
    OddInput(
        "tables",
        "states as words of truth",
        world(
            STATES,
            "there.csv",
            rows("device,available,time_s", *["true,0", "false,0"] * 2, "true,0"),
        ),
        [True, False, True, False, True],
    ),
    OddInput(
        "tables",
        "states as yes and no",
        world(STATES, "there.csv", rows("device,available,time_s", *["yes,0"] * 5)),
        refused("devices.availability.path: ", "there.csv: column available has string values"),
    ),
    OddInput(
        "tables",
        "a state of two",
        world(STATES, "there.csv", rows("device,available,time_s", *["1,0"] * 4, "2,0")),
        refused("there.csv: column available, row 5 is 2, neither 1 nor 0"),
    ),
    OddInput(
        "tables",
        "tabs for commas",
        world(STATES, "there.csv", HERE.replace(",", "\t")),
        refused("there.csv has no column device"),
    ),
    OddInput(
        "tables",
        "states in UTF-32",
        world(STATES, "there.csv", HERE.encode("utf-32")),
        refused("there.csv is not UTF-8 text: line 1 has the byte 0xff"),
    ),
    OddInput(
        "tables",
        "gzip within gzip",
        world(STATES, "there.csv", gzip.compress(gzip.compress(HERE.encode()))),
        refused("there.csv is not UTF-8 text"),
    ),
    OddInput(
        "tables",
        "states in two columns of one name in Parquet",
        world(
            STATES,
            "there.parquet",
            arrow_file(
                **{
                    "device": pa.array(range(5)),
                    "time_s": pa.array([0.0] * 5),
                    " available": pa.array([1] * 5),
                    "available": pa.array([0] * 5),
                }
            ),
        ),
        refused("there.parquet has the column available 2 times"),
    ),
    OddInput(
        "tables",
        "an integer of 400 digits as a device",
        world(
            POSITIONS,
            "moves.csv",
            rows("device,time_s,x_m,y_m", *["0,1,2"] * 5) + "9" * 400 + ",0,1,2\n",
        ),
        refused(
            "devices.mobility.path: ", "moves.csv: column device, row 6 is missing or not finite"
        ),
    ),
    OddInput(
        "tables",
        "a device with half a number in the last row",
        world(
            POSITIONS, "moves.csv", rows("device,time_s,x_m,y_m", *["0,1,2"] * 5) + "4.5,9,1,2\n"
        ),
        refused("moves.csv: column device, row 6 is 4.5, not a number from 0 on"),
    ),
    OddInput(
        "tables",
        "one place twice at one time",
        world(POSITIONS, "moves.csv", rows("device,time_s,x_m,y_m", *["0,1,2"] * 5) + "3,0,1,2\n"),
        refused("moves.csv places device 3 twice at time_s = 0"),
    ),
    OddInput(
        "tables",
        "positions in any order, with a mark and blanks",
        world(
            POSITIONS,
            "moves.csv",
            "\ufeff x_m, y_m ,device,time_s\n"
            + "".join(f"{n}.5,0,{n},0\n" for n in (4, 2, 0, 1, 3)),
        ),
        [[n + 0.5, 0.0] for n in range(5)],
    ),
    OddInput(
        "tables",
        "a gain of one block is missing",
        world(
            GAINS,
            "gains.csv",
            "block,device,gain\n" + "".join(f"1,{n},1e-6\n" for n in range(4)),
            None,
        ),
        refused("channel.gains.path: ", "gains.csv has no device 4"),
    ),
    OddInput(
        "tables",
        "a gain below 0",
        world(
            GAINS,
            "gains.csv",
            "block,device,gain\n" + "".join(f"1,{n},{1 - n}\n" for n in range(5)),
            None,
        ),
        refused("channel.gains.path: ", "gains.csv"),
    ),
    OddInput(
        "tables",
        "traffic that is cut off",
        world(POSITIONS, "cars.xml.gz", gzip.compress(sumo(*CARS).encode())[:-9], "sumo"),
        refused("devices.mobility.path: ", "cars.xml.gz cannot be read as XML: "),
    ),
    OddInput(
        "tables",
        "traffic of another program",
        world(POSITIONS, "cars.xml", "<gpx><trk/></gpx>", "sumo"),
        refused("cars.xml is not a floating-car file: its root is 'gpx'"),
    ),
    OddInput(
        "tables",
        "traffic with a word for a place",
        world(POSITIONS, "cars.xml", sumo(*CARS[:4], '<person id="p" x="NaN" y="1"/>'), "sumo"),
        refused("cars.xml: person 'p' at time 0 has x = 'NaN', not a finite number"),
    ),
    OddInput(
        "tables",
        "traffic in UTF-16",
        world(POSITIONS, "cars.xml", sumo(*CARS).encode("utf-16"), "sumo"),
        [[float(n), 0.0] for n in range(5)],
    ),
]
