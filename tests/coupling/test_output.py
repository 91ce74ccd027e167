"""Lines on stderr and output on stdout: long words are cut, and a full disk is one line."""

import os
import sys
from pathlib import Path

import pytest
from support.command_line import Airtune, listing

from coupling.cli.app import main
from coupling.scenario.errors import RunError
from coupling.simulation.result import RunResult

RUN = ("run", "network.toml", "--no-learning", "--out", "out")


@pytest.mark.parametrize("command", [RUN, ("schema",), ("validate", "network.toml"), ("--help",)])
def test_a_full_disk_behind_stdout_is_one_line(
    command: tuple[str, ...],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        status = main(list(command))
        monkeypatch.undo()

    assert status == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "the output cannot be written: no space left on device"
    assert (folder / "out" / "rounds").is_dir() == (command == RUN), "the run is kept"


def test_a_path_of_5000_letters_is_shown_in_200(folder: Path, airtune: Airtune) -> None:
    content = listing(folder)
    letters = "q" * 5000

    for arguments in (
        ("validate", f"{letters}.toml"),
        (
            "validate",
            "network.toml",
            "--set",
            f"devices.placement={{kind='points', path='{letters}'}}",
        ),
        ("run", "network.toml", "--out", letters),
        ("ls", letters),
        ("report", letters),
    ):
        answer = airtune(*arguments)

        assert answer.status == 2
        assert "qqq...qqq" in answer.err, answer.err
        assert answer.err.count("\n") == 1
        assert len(answer.err) < 450
    assert listing(folder) == content


def test_a_pipe_among_the_parts_of_a_table_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "rounds").mkdir()
    os.mkfifo(tmp_path / "rounds" / "part-000000.parquet")
    with pytest.raises(RunError, match="cannot be read or is damaged"):
        RunResult(tmp_path).arrow("rounds")
