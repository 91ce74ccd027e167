"""Messages about a Ray cluster, from errors and nodes as Ray reports them, without a cluster."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.small_runs import scenario_file

from coupling.scenario.errors import ScenarioError
from coupling.sweeps.engines.base import TaskResult
from coupling.sweeps.engines.ray import RayEngine
from coupling.sweeps.grid import plan

ray = pytest.importorskip("ray")

VERSIONS = (
    "Version mismatch: The cluster was started with:\n    Ray: 2.60.0\n    Python: 3.9.1\n"
    "This process on node 192.0.2.1 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
)


class FakeRay:
    """Ray whose one task ends with an error, on nodes with some GPUs."""

    exceptions = ray.exceptions
    _private = SimpleNamespace(ray_constants=SimpleNamespace(ENABLE_RAY_CLUSTER=True))

    def __init__(
        self, error: Exception | None, gpus: tuple[float, ...] = (0.0,), refusal: str = ""
    ) -> None:
        self.error, self.gpus, self.refusal = error, gpus, refusal

    def init(self, **_: object) -> None:
        if self.refusal:
            raise RuntimeError(self.refusal)

    def nodes(self) -> list[dict[str, Any]]:
        here = {"NodeManagerAddress": "127.0.0.1"}
        lost = {"Alive": False, "Resources": {"GPU": 99.0}} | here
        return [lost, *({"Alive": True, "Resources": {"GPU": gpus}} | here for gpus in self.gpus)]

    def remote(self, **_: object) -> Any:
        return lambda function: SimpleNamespace(remote=lambda task: "reference")

    def wait(self, references: list[str], timeout: float) -> tuple[list[str], list[str]]:
        return references, []

    def get(self, reference: str) -> tuple[str, None]:
        if self.error is not None:
            raise self.error
        return "finished", None

    def shutdown(self) -> None:
        """Stop the cluster."""


def results(
    fake: FakeRay,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    gpus: float = 0.0,
    address: str | None = None,
) -> tuple[list[TaskResult], list[str]]:
    """Return the results of a sweep of one run, and the lines about the cluster."""
    monkeypatch.setattr("coupling.sweeps.engines.ray._import", lambda: fake)
    runs = plan(scenario_file(folder), str(folder), {}, seeds=[1], settings={}, learning=False)
    lines: list[str] = []
    engine = RayEngine(address, gpus, 1, log=lines.append)
    return list(engine.work([run.task for run in runs], lambda: False)), lines


@pytest.mark.parametrize(
    ("cause", "line"),
    [
        (KeyError("the key that this node lacks"), "KeyError: 'the key that this node lacks'"),
        (OSError(28, "No space left"), "OSError: [Errno 28] No space left"),
        (ValueError("two\n  lines"), "ValueError: two lines"),
        (ZeroDivisionError(), "ZeroDivisionError: ZeroDivisionError"),
        (RuntimeError("x" * 9000), "RuntimeError: " + "x" * 497 + "..."),
    ],
)
def test_the_exception_of_a_task_is_its_line(
    cause: Exception, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ray.exceptions.RayTaskError("_work", f"Traceback\n{cause}", cause, pid=1, ip="a")

    for raised in (error, error.as_instanceof_cause()):
        (result,), _ = results(FakeRay(raised), tmp_path, monkeypatch)

        assert (result.state, result.error) == ("failed", line)


def test_an_error_of_ray_itself_keeps_all_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ray.exceptions.WorkerCrashedError()

    (result,), _ = results(FakeRay(error), tmp_path, monkeypatch)

    assert result.error == "WorkerCrashedError: " + " ".join(str(error).split())


def test_a_cluster_of_other_versions_is_refused_with_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ScenarioError) as refused:
        results(FakeRay(None, refusal=VERSIONS), tmp_path, monkeypatch, address="auto")

    line = str(refused.value)
    assert line.startswith("--address auto: no Ray cluster answers: Version mismatch: ")
    assert "Python: 3.9.1" in line
    assert "Python: 3.11.7" in line
    assert "\n" not in line


def test_gpus_that_no_node_has_are_reported_of_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeRay(None, gpus=(1.0, 2.0))

    (result,), lines = results(fake, tmp_path, monkeypatch, gpus=3.0, address="auto")

    assert result.state == "finished"
    assert lines == [
        "--gpus-per-run 3: the nodes of the cluster have at most 2 GPUs each; the runs wait for a "
        "node that has as many"
    ]
    assert results(fake, tmp_path, monkeypatch, gpus=2.0, address="auto")[1] == []


def test_gpus_that_this_machine_lacks_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ScenarioError, match=r"^--gpus-per-run 0\.5: this machine has 0 GPUs$"):
        results(FakeRay(None), tmp_path, monkeypatch, gpus=0.5)
