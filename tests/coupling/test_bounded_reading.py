"""Bounded reading of stored files: the memory is that of the file, not of the bound."""

from pathlib import Path

import pytest
from support.small_runs import scenario_file

from coupling.files.documents import read_bytes
from coupling.sweeps.engines import worker
from coupling.sweeps.grid import plan


def test_a_small_file_is_read_under_any_bound(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"{}")

    assert read_bytes(path, maximum=2**60) == b"{}"


def test_a_run_of_a_sweep_that_needs_too_much_memory_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = scenario_file(tmp_path)
    task = plan(scenario, str(tmp_path / "s"), {}, None, settings={}, learning=False)[0].task

    def refuse(*_: object) -> None:
        raise MemoryError("unable to allocate 1 TiB")

    monkeypatch.setattr(worker, "_run_to_end", refuse)

    assert worker.execute(task, lambda: False) == (
        "failed",
        f"{task.path}: out of memory: unable to allocate 1 TiB",
    )
