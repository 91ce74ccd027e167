"""Files of positions, states and gains: times that do not cover the run, extreme numbers."""

from pathlib import Path

import pytest
from support.command_line import NETWORK, Airtune, set_arguments

import coupling
from coupling import Scenario

PERIOD = ["world_clock=round", "round_period_s=2.0"]
FIRST = [0.0, 2.0, 4.0]
"""Starts of the three rounds of ``network.toml``."""


def write_trace(folder: Path, begin_s: float, end_s: float, *, rows: int = 3) -> Path:
    """Write states and positions of four devices that move 10 m between the two times."""
    lines = ["device,time_s,x_m,y_m,available"]
    for row in range(rows):
        share = row / max(rows - 1, 1)
        time_s = begin_s + share * (end_s - begin_s)
        lines += [f"{device},{time_s},{300 + 10 * share},0,1" for device in range(4)]
    (folder / "trace.csv").write_text("\n".join(lines) + "\n")
    return folder / "trace.csv"


def write_gains(folder: Path, first: int, last: int) -> Path:
    rows = [f"{block},{device},1e-6" for block in range(first, last + 1) for device in range(4)]
    (folder / "gains.csv").write_text("block,device,gain\n" + "\n".join(rows) + "\n")
    return folder / "gains.csv"


def warned(airtune: Airtune, *settings: str, command: str = "validate") -> list[str]:
    """Return the warnings of a command about files; it must succeed."""
    out = ("--no-learning", "--out", "out") if command == "run" else ()
    answer = airtune(command, "network.toml", *out, *set_arguments(settings))
    assert answer.status == 0, answer.err
    return [
        line.removeprefix("warning: ")
        for line in answer.err.splitlines()
        if line.startswith(("warning: devices", "warning: channel"))
    ]


POSITIONS = "devices.mobility={kind='trace', path='trace.csv'}"
STATES = "devices.availability={kind='trace', path='trace.csv'}"
GAINS = "channel.gains.path=gains.csv"
NO_MODELS = ["channel.path_loss=", "channel.fading="]


@pytest.mark.parametrize("command", ["validate", "run"])
def test_a_file_that_begins_after_the_start_is_warned_of_with_both_times(
    command: str, folder: Path, airtune: Airtune
) -> None:
    trace = write_trace(folder, 3600.0, 3700.0)

    positions = warned(airtune, POSITIONS, command=command)

    assert positions[0] == (
        f"devices.mobility.path: {trace} begins at 3600 s, after the start of the run at 0 s; "
        "until then the devices wait at their first positions; devices.mobility.offset_s = -3600 "
        "moves it to the start"
    )
    states = warned(airtune, STATES)
    assert states == [
        f"devices.availability.path: {trace} begins at 3600 s, after the start of the run at 0 s; "
        "until then no device is available; devices.availability.offset_s = -3600 moves it to the "
        "start"
    ]


@pytest.mark.parametrize("setting", [POSITIONS, STATES])
@pytest.mark.parametrize("moved_s", [0.0, -1000.0])
@pytest.mark.parametrize("begin_s", [1712345678901.0, 3600.1234567890123])
def test_the_offset_of_a_warning_ends_the_warning(
    begin_s: float, moved_s: float, setting: str, folder: Path, airtune: Airtune
) -> None:
    write_trace(folder, begin_s, begin_s + 100)
    key = setting.partition("=")[0] + ".offset_s"

    (line,) = warned(airtune, setting, f"{key}={moved_s!r}")
    offset = line.split(f"{key} = ")[1].split()[0]

    assert warned(airtune, setting, f"{key}={offset}") == []


@pytest.mark.parametrize("setting", [POSITIONS, STATES])
def test_a_file_that_ends_before_the_last_round_is_warned_of(
    setting: str, folder: Path, airtune: Airtune
) -> None:
    trace = write_trace(folder, 0.0, 3.5)

    (line,) = warned(airtune, setting, *PERIOD)

    assert f"{trace} ends at 3.5 s, before the end of the run at 4 s; from then on" in line
    write_trace(folder, 0.0, 4.0)
    assert warned(airtune, setting, *PERIOD) == []


def test_the_end_of_a_run_of_unknown_length_is_compared_when_it_is_over(
    folder: Path, airtune: Airtune
) -> None:
    trace = write_trace(folder, 0.0, 1.0)
    lines: list[str] = []
    settings = {"devices.mobility": {"kind": "trace", "path": str(trace)}}

    coupling.run(Scenario.load("network.toml", settings), learning=False, log=lines.append)

    (line,) = lines
    assert line.startswith(
        f"warning: devices.mobility.path: {trace} ends at 1 s, before the end of the run at "
    )
    assert float(line.split("the run at ")[1].split(" s;")[0]) > 1
    assert warned(airtune, POSITIONS) == [], "validate cannot know it"


def test_recorded_gains_are_compared_with_the_rounds(folder: Path, airtune: Airtune) -> None:
    gains = write_gains(folder, 2, 2)

    lines = warned(airtune, *NO_MODELS, GAINS)

    assert lines == [
        f"channel.gains.path: {gains} begins in block 2, after the start of the run in block 1; "
        "until then its blocks are repeated; channel.gains.offset_blocks = -1 moves it to the "
        "start",
        f"channel.gains.path: {gains} ends in block 2, before the end of the run in block 3; from "
        "then on its blocks are repeated",
    ]
    write_gains(folder, 11, 13)
    assert warned(airtune, *NO_MODELS, GAINS, "channel.gains.offset_blocks=-10") == []


def test_an_offset_moves_positions_states_and_gains(folder: Path) -> None:
    trace = str(write_trace(folder, 3600.0, 3604.0))
    gains = str(write_gains(folder, 11, 13))
    settings = {
        "world_clock": "round",
        "round_period_s": 2.0,
        "devices.mobility": {"kind": "trace", "path": trace, "offset_s": -3600.0},
        "devices.availability": {"kind": "trace", "path": trace, "offset_s": -3602.0},
        "channel.path_loss": None,
        "channel.fading": None,
        "channel.gains": {"path": gains, "offset_blocks": -10},
    }
    lines: list[str] = []

    result = coupling.run(Scenario.load("network.toml", settings), learning=False, log=lines.append)

    devices = result.devices[result.devices.device == 0]
    assert devices.x_m.tolist() == [300.0, 305.0, 310.0]
    assert result.devices.available.all()
    assert lines == [
        f"warning: devices.availability.path: {trace} ends at 2 s, before the end of the run at "
        "4 s; from then on every device keeps its last state"
    ]


def test_files_with_one_row_per_device_have_no_end(folder: Path, airtune: Airtune) -> None:
    write_trace(folder, 0.0, 0.0, rows=1)

    assert warned(airtune, POSITIONS, *PERIOD) == []
    assert warned(airtune, STATES, *PERIOD) == []
    assert "availability" not in NETWORK


MOVED = "{kind='trace', path='trace.csv', offset_s=-100}"
PHASED = "{kind='phased', payload_bit={embedding=1e6, feature=1e6, gradient=1e6}}"
SECONDS = [
    "channel.coherence=1.0",
    f"protocol={PHASED}",
    "cell.downlink_bandwidth_hz=1e7",
    "cell.server_tx_power_w=1.0",
    "scheduler.delay_budget_s_per_bit=",
    "scheduler.delay_budget_s=1.0",
]


@pytest.mark.parametrize(
    ("begin", "end", "rows", "settings", "expected"),
    [
        # Times of the last row, number of rows, and the warnings of a run of unknown length.
        (-10, 0, 3, [POSITIONS], "ends at 0 s, at the start of the run at 0 s; from then on they"),
        (-10, 0, 3, [STATES], "ends at 0 s, at the start of the run at 0 s; from then on every"),
        (-10, -5, 3, [POSITIONS], "ends at -5 s, before the start of the run at 0 s"),
        (-10, -5, 3, [STATES], "ends at -5 s, before the start of the run at 0 s"),
        (0, 0, 1, [f"devices.mobility={MOVED}"], "ends at -100 s, before the start of the run"),
        (0, 0, 1, [f"devices.availability={MOVED}"], "ends at -100 s, before the start of the run"),
        (0, 90, 3, [f"devices.mobility={MOVED}"], "ends at -10 s, before the start of the run at"),
        (0, 90, 3, [f"devices.availability={MOVED}"], "ends at -10 s, before the start of the run"),
        (-5, -5, 1, [POSITIONS], None),
        (-5, -5, 1, [STATES], None),
        (0, 1e9, 2, [POSITIONS], None),
        # A single time after the start of a run whose length is known: late, and short.
        (1, 1, 1, [POSITIONS, *PERIOD], "ends at 1 s, before the end of the run at 4 s"),
        (1, 1, 1, [STATES, *PERIOD], "ends at 1 s, before the end of the run at 4 s"),
        (0, 0, 1, [f"devices.mobility={MOVED}", *PERIOD], "ends at -100 s, before the end of the"),
        (-2, 0, 2, [STATES, *PERIOD], "ends at 0 s, before the end of the run at 4 s"),
    ],
)
def test_states_and_positions_that_are_over_are_warned_of(
    begin: float, end: float, rows: int, settings: list[str], expected: str | None, *,
    folder: Path, airtune: Airtune,
) -> None:  # fmt: skip
    write_trace(folder, begin, end, rows=rows)

    lines = warned(airtune, *settings)

    late = [line for line in lines if "after the start" in line]
    assert len(late) == (begin > 0)
    others = [line for line in lines if line not in late]
    assert len(others) == (expected is not None)
    assert all(expected in line for line in others if expected)


@pytest.mark.parametrize(
    ("last", "settings", "expected"),
    [
        (1, [], "ends in block 1, before the end of the run in block 3"),
        (1, ["until_s=1e9"], None),
        (0, ["until_s=1e9"], "ends in block 0, before the start of the run in block 1"),
        (
            4,
            ["until_s=1e9", "channel.gains.offset_blocks=-9"],
            "ends in block -5, before the start",
        ),
        (0, [*SECONDS], None),
        (4, [*SECONDS, "channel.gains.offset_blocks=-5"], "ends in block -1, before the start of"),
        (1, [*SECONDS, *PERIOD], "ends in block 1, before the end of the run in block 4"),
        (0, [*SECONDS, *PERIOD], "ends in block 0, before the end of the run in block 4"),
    ],
)
def test_gains_that_are_over_are_warned_of(
    last: int, settings: list[str], expected: str | None, folder: Path, airtune: Airtune
) -> None:
    write_gains(folder, 0, last)

    lines = warned(airtune, *NO_MODELS, GAINS, *settings)

    assert len(lines) == (expected is not None)
    assert all(expected in line for line in lines if expected)


@pytest.mark.parametrize("setting", [POSITIONS, STATES])
def test_a_file_that_is_over_is_warned_of_once(
    setting: str, folder: Path, airtune: Airtune
) -> None:
    write_trace(folder, -1.0, 0.0)

    (line,) = warned(airtune, setting, command="run")

    assert "at the start of the run" in line


def test_a_moved_file_gives_the_positions_of_the_file_at_the_start(folder: Path) -> None:
    fcd = "".join(
        f'<timestep time="{3600 + time_s}">'
        + "".join(f'<vehicle id="v{n}" x="{300 + time_s}" y="{n}"/>' for n in range(4))
        + "</timestep>"
        for time_s in FIRST
    )
    (folder / "late.fcd.xml").write_text(f"<fcd-export>{fcd}</fcd-export>")
    sumo = {"kind": "sumo", "path": str(folder / "late.fcd.xml"), "offset_s": -3600.0}
    settings = {"world_clock": "round", "round_period_s": 2.0, "devices.mobility": sumo}

    result = coupling.run(Scenario.load("network.toml", settings), learning=False)

    devices = result.devices[result.devices.device == 0]
    assert devices.x_m.tolist() == [300 + time_s for time_s in FIRST]


@pytest.mark.parametrize("value", ["1e300", "-1e60", "100000001"])
@pytest.mark.parametrize("axis", [0, 1])
def test_positions_that_no_scenario_may_have_are_refused(
    axis: int, value: str, folder: Path, airtune: Airtune
) -> None:
    places = [["300", "0"] for _ in range(4)]
    places[2][axis] = value
    rows = [f"{device},0,{x},{y}" for device, (x, y) in enumerate(places)]
    (folder / "trace.csv").write_text("device,time_s,x_m,y_m\n" + "\n".join(rows) + "\n")
    cars = "".join(f'<person id="p{n}" x="{x}" y="{y}"/>' for n, (x, y) in enumerate(places))
    fcd = f'<fcd-export><timestep time="5">{cars}</timestep></fcd-export>'
    (folder / "fcd.xml").write_text(fcd)

    positions = airtune("validate", "network.toml", *set_arguments([POSITIONS]))
    sumo = "devices.mobility={kind='sumo', path='fcd.xml'}"
    persons = airtune("validate", "network.toml", *set_arguments([sumo]))

    shown = f"{float(value):g}"
    column = f"column {'xy'[axis]}_m, row 3 is {shown}, not within 1e+08 m"
    person = f"person 'p2' at time 5 has {'xy'[axis]} = '{value}', not within 1e+08 m"
    assert (positions.status, positions.err.count("\n")) == (2, 1)
    assert f"devices.mobility.path: {folder / 'trace.csv'}: {column}" in positions.err
    assert (persons.status, persons.err.count("\n")) == (2, 1)
    assert f"devices.mobility.path: {folder / 'fcd.xml'}: {person}" in persons.err


@pytest.mark.parametrize("key", ["cell.height_m", "devices.height_m"])
def test_heights_are_bounded_as_positions_are(key: str, folder: Path, airtune: Airtune) -> None:
    answer = airtune("validate", "network.toml", *set_arguments([f"{key}=1e300"]))

    assert answer.status == 2
    assert f"{key} = 1e+300 is not at most 100000000.0" in answer.err
