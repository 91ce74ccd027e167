"""Floating-car files of SUMO; the one in ``scenarios/`` was made by SUMO with the commands of
``docs/sumo.md``.
"""

import gzip
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from netsim.errors import NetworkInputError
from netsim.mobility import Sumo
from netsim.placement import Disc
from netsim.streams import Streams

TOWN = Path(__file__).resolve().parents[3] / "scenarios" / "mobility" / "town.fcd.xml"
ANYWHERE = Disc(center_m=(0.0, 0.0), radius_m=1.0)


def positions(path: Path, count: int, time_s: float) -> np.ndarray:
    return Sumo(path=str(path)).motion(ANYWHERE, count, Streams(1)).positions(time_s)


def test_the_vehicles_of_a_real_file_have_the_positions_of_sumo() -> None:
    steps = ET.parse(TOWN).getroot().findall("timestep")
    names = list(dict.fromkeys(vehicle.get("id") for step in steps for vehicle in step))
    assert len(names) == 10
    assert len(steps) == 20

    motion = Sumo(path=str(TOWN)).motion(ANYWHERE, len(names), Streams(1))

    for step in steps:
        place_m = motion.positions(float(step.get("time", "")))
        for vehicle in step:
            expected = [float(vehicle.get("x", "")), float(vehicle.get("y", ""))]
            assert place_m[names.index(vehicle.get("id"))].tolist() == expected


def test_a_vehicle_moves_no_faster_than_sumo_drove_it() -> None:
    speeds = [float(vehicle.get("speed", "")) for vehicle in ET.parse(TOWN).iter("vehicle")]
    motion = Sumo(path=str(TOWN)).motion(ANYWHERE, 10, Streams(1))

    path_m = motion.paths(np.arange(10), np.arange(0.0, 80.0, 0.5))

    found_mps = np.linalg.norm(np.diff(path_m, axis=1), axis=2) / 0.5
    assert 10 < found_mps.max() < 1.1 * max(speeds)
    # They turn corners and wait at junctions, and no vehicle jumps when it enters or leaves.
    assert found_mps.min() == 0


FCD = """<fcd-export>
<timestep time="10.00"><vehicle id="car" x="0" y="0"/><person id="car" x="5" y="5"/></timestep>
<timestep time="12.00"><vehicle id="late" x="7" y="8" speed="3"/><vehicle id="car" x="4.0" y="-2"/>
<container id="box" x="1" y="1"/></timestep>
</fcd-export>"""


def test_vehicles_move_straight_between_rows_and_rest_outside(
    tmp_path: Path,
) -> None:
    (tmp_path / "fcd.xml").write_text(FCD)

    assert positions(tmp_path / "fcd.xml", 3, 0.0).tolist() == [[0, 0], [5, 5], [7, 8]]
    assert positions(tmp_path / "fcd.xml", 3, 11.0).tolist() == [[2, -1], [5, 5], [7, 8]]
    assert positions(tmp_path / "fcd.xml", 3, 99.0).tolist() == [[4, -2], [5, 5], [7, 8]]


def test_vehicles_beyond_the_number_of_devices_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "fcd.xml").write_text(FCD)

    assert positions(tmp_path / "fcd.xml", 1, 11.0).tolist() == [[2, -1]]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot be read as XML: no element found"),
        ("<fcd-export><timestep", "cannot be read as XML: unclosed token: line 1"),
        ("no xml", "cannot be read as XML: syntax error: line 1"),
        (
            '<?xml version="1.0" encoding="klingon"?><fcd-export/>',
            "cannot be read as XML: unknown encoding",
        ),
        ("<routes/>", "is not a floating-car file: its root is 'routes', not 'fcd-export'"),
        ("<fcd-export/>", "has 0 vehicles and persons, fewer than devices.count = 3"),
        (
            FCD.replace("<container", '<vehicle id="car" x="0" y="0"/><container'),
            "places vehicle 'car' twice at",
        ),
        (FCD.replace('time="12.00"', ""), "a timestep has no time"),
        (FCD.replace(' y="-2"', ""), "vehicle 'car' at time 12 has no y"),
        (
            FCD.replace('"4.0"', '"4 m"'),
            "vehicle 'car' at time 12 has x = '4 m', not a finite number",
        ),
        (
            FCD.replace('"4.0"', '"inf"'),
            "vehicle 'car' at time 12 has x = 'inf', not a finite number",
        ),
        (
            FCD.replace('<person id="car" x="5" y="5"/>', ""),
            "has 2 vehicles and persons, fewer than",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_line(
    text: str, problem: str, tmp_path: Path
) -> None:
    (tmp_path / "fcd.xml").write_text(text)

    with pytest.raises(NetworkInputError) as caught:
        positions(tmp_path / "fcd.xml", 3, 0.0)

    assert caught.value.key == "devices.mobility.path"
    assert problem in caught.value.problem
    assert "\n" not in caught.value.problem


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkInputError, match=r"none\.xml is not a file"):
        positions(tmp_path / "none.xml", 3, 0.0)


def test_entities_that_explode_are_refused(tmp_path: Path) -> None:
    levels = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    bomb = f'<!DOCTYPE fcd-export [<!ENTITY e0 "aaaaaaaaaa">{levels}]><fcd-export>&e9;</fcd-export>'
    (tmp_path / "fcd.xml").write_text(bomb)

    with pytest.raises(NetworkInputError, match="cannot be read as XML"):
        positions(tmp_path / "fcd.xml", 3, 0.0)


def test_a_large_file_is_read_a_time_step_at_a_time(tmp_path: Path) -> None:
    import tracemalloc

    step = "".join(f'<vehicle id="v{number}" x="{number}" y="0"/>' for number in range(100))
    steps = (f'<timestep time="{time}">{step}</timestep>\n' for time in range(400))
    (tmp_path / "fcd.xml").write_text("<fcd-export>\n" + "".join(steps) + "</fcd-export>")
    tracemalloc.start()

    positions(tmp_path / "fcd.xml", 2, 0.0)

    _, peak_byte = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size_byte = (tmp_path / "fcd.xml").stat().st_size
    assert size_byte > 1e6
    assert peak_byte < 0.5 * size_byte


HEAD = '<?xml version="1.0"?><!-- <configuration><fcd-output.geo value="{}"/></configuration> -->'


@pytest.mark.parametrize("value", ["true", "1"])
def test_degrees_that_the_head_declares_are_refused(value: str, tmp_path: Path) -> None:
    (tmp_path / "fcd.xml").write_text(HEAD.format(value) + FCD)

    with pytest.raises(
        NetworkInputError, match=r"fcd\.xml: its head says fcd-output\.geo; degrees"
    ):
        positions(tmp_path / "fcd.xml", 3, 0.0)
    (tmp_path / "fcd.xml").write_text(HEAD.format("false") + FCD)
    assert positions(tmp_path / "fcd.xml", 3, 0.0).tolist() == [[0, 0], [5, 5], [7, 8]]


def test_degrees_without_a_head_are_found_by_the_speeds(tmp_path: Path) -> None:
    rows = [(0, 9.4300), (10, 9.4313)]
    steps = "".join(
        f'<timestep time="{time}"><vehicle id="a" x="{x}" y="47.5" speed="10"/></timestep>'
        for time, x in rows
    )
    (tmp_path / "fcd.xml").write_text(f"<fcd-export>{steps}</fcd-export>")

    with pytest.raises(NetworkInputError, match=r"move 0\.0013 by .* and 100 m by their speeds"):
        positions(tmp_path / "fcd.xml", 1, 0.0)
    (tmp_path / "fcd.xml").write_text(f"<fcd-export>{steps}</fcd-export>".replace("9.4313", "109"))
    assert positions(tmp_path / "fcd.xml", 1, 10.0).tolist() == [[109.0, 47.5]]


def test_a_compressed_file_is_read_and_a_cut_one_refused(tmp_path: Path) -> None:
    content = gzip.compress(FCD.encode())
    (tmp_path / "fcd.xml.gz").write_bytes(content)
    (tmp_path / "cut.xml.gz").write_bytes(content[:-20])

    assert positions(tmp_path / "fcd.xml.gz", 3, 0.0).tolist() == [[0, 0], [5, 5], [7, 8]]
    with pytest.raises(NetworkInputError, match=r"cut\.xml\.gz cannot be read as XML: "):
        positions(tmp_path / "cut.xml.gz", 3, 0.0)


@pytest.mark.parametrize("speed", ["", ' speed="0"'])
def test_degrees_without_speeds_are_found_by_their_extent(speed: str, tmp_path: Path) -> None:
    def write(metres: float) -> Path:
        cars = "".join(
            f'<vehicle id="{car}" x="{11.57 + metres * car}" y="48.13"{speed}/>' for car in (0, 1)
        )
        path = tmp_path / "fcd.xml"
        path.write_text(f'<fcd-export><timestep time="0">{cars}</timestep></fcd-export>')
        return path

    assert positions(write(2.0), 2, 0.0).tolist() == [[11.57, 48.13], [13.57, 48.13]]
    degrees = write(0.01)

    with pytest.raises(NetworkInputError, match=r"lie within 0\.01 by 0, and no speeds"):
        positions(degrees, 2, 0.0)


@pytest.mark.parametrize("speed", ["", ' speed="0"'])
@pytest.mark.parametrize(("place", "refused"), [
    ("13.404954,52.520008", True),
    ("11.57,48.13", True),
    ("-179,-89.5", True),
    ("181,48.13", False),
    ("11.57,90.5", False),
])  # fmt: skip
def test_a_single_place_that_could_be_degrees_is_refused(
    place: str, refused: bool, speed: str, tmp_path: Path
) -> None:
    x, y = place.split(",")
    steps = "".join(
        f'<timestep time="{time_s}"><vehicle id="a" x="{x}" y="{y}"{speed}/></timestep>'
        for time_s in (0, 1)
    )
    (tmp_path / "fcd.xml").write_text(f"<fcd-export>{steps}</fcd-export>")

    if refused:
        with pytest.raises(
            NetworkInputError, match=r"lie within 0 by 0, and no speeds say .*trace"
        ):
            positions(tmp_path / "fcd.xml", 1, 0.0)
    else:
        assert positions(tmp_path / "fcd.xml", 1, 0.0).tolist() == [[float(x), float(y)]]
