"""Sweeps on a Ray cluster: two real nodes on this machine, one of which is lost."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest
from support.small_runs import (
    ENDLESS,
    assert_same_tables,
    environment,
    network,
    scenario_file,
    start,
    wait_until,
)

from coupling.run_directory.status import run_status
from coupling.sweeps.engines import LocalEngine
from coupling.sweeps.engines.ray import RayEngine
from coupling.sweeps.grid import plan
from coupling.sweeps.sweep import Sweep

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    # Ray 2.60 opens pipes and sockets of its own and leaves their closing to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # It announces changes of its own defaults.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Yield a cluster of a head that runs nothing and two nodes with one core each."""
    for name in ("PYTHONPATH", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, environment()[name])
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    found = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    yield found
    found.shutdown()


def saved_round(folder: Path) -> int:
    """Return the round of a run's checkpoint; 0 where there is none, or none at the moment."""
    try:
        return int(json.loads((folder / "checkpoint" / "state.json").read_text())["round"])
    except OSError:
        return 0


def test_a_node_lost_in_mid_sweep_costs_no_run(tmp_path: Path, cluster: Cluster) -> None:
    rounds = 6000
    path = scenario_file(tmp_path, rounds=rounds, trace={"checkpoint_every": 200})
    kinds = {"scheduler.kind": ["algorithm1", "all_in"]}
    lost, _ = (cluster.add_node(num_cpus=1) for _ in range(2))
    there, here = (
        plan(path, str(tmp_path / name), kinds, list(range(6)), settings={}, learning=False)
        for name in ("ray", "local")
    )
    several = Sweep(there, retry=False)
    engine = RayEngine(cluster.address, 0.0, None)
    killed: list[str] = []

    def stop() -> bool:
        """Use the engine's regular question to lose a node while both are amid a run that has a
        checkpoint.
        """
        amid = [one.task.path for one in there if 0 < saved_round(Path(one.task.path)) < rounds / 2]
        if len(amid) == 2 and not killed:
            killed.extend(amid)
            cluster.remove_node(lost, allow_graceful=False)
        return False

    several.run(engine, stop, lambda _: None)

    assert len(killed) == 2
    assert [result.state for result in several.results] == ["finished"] * 12, several.results
    resumed = [
        json.loads((Path(one.task.path) / "provenance.json").read_text())["resumed"]
        for one in there
    ]
    assert sum(map(len, resumed)) >= 1, "a run was taken up by the other node"
    alone = Sweep(here, retry=False)
    alone.run(LocalEngine(jobs=2), lambda: False, lambda _: None)
    for one, other in zip(there, here, strict=True):
        assert one.task.name == other.task.name
        assert_same_tables(Path(one.task.path), Path(other.task.path))
    command = ["sweep", path, "--vary", "scheduler.kind=algorithm1,all_in", "--seeds", "0:7"]
    more = start(
        *command,
        "--engine",
        "ray",
        "--address",
        cluster.address,
        "--out",
        tmp_path / "ray",
        "--json",
    )
    out, err = more.communicate()
    assert more.returncode == 0, err
    assert [row["state"] for row in json.loads(out)] == ["finished"] * 14, (
        "the command line adds two"
    )


def test_a_signal_ends_the_runs_of_a_cluster_with_their_states_saved(tmp_path: Path) -> None:
    network(tmp_path, rounds=ENDLESS, every=3)
    process = start(
        "sweep", "small.toml", "--engine", "ray", "--jobs", "1", "--seeds", "0:2",
        "--out", "sweep", "--json",
        cwd=tmp_path,
    )  # fmt: skip
    wait_until(lambda: list((tmp_path / "sweep").glob("*/rounds/part-000001.parquet")), process)

    os.kill(process.pid, signal.SIGTERM)

    out, err = process.communicate()
    assert process.returncode == 130, err
    states = {row["run"]: row["state"] for row in json.loads(out)}
    assert sorted(states.values()) == ["interrupted", "waiting"]
    begun = next(name for name, state in states.items() if state == "interrupted")
    assert run_status(str(tmp_path / "sweep" / begun)).state == "interrupted"


def listening(process: psutil.Process) -> dict[str, set[str]]:
    """Return the addresses at which a process and those below it listen, by their names."""
    addresses: dict[str, set[str]] = {}
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            for socket in one.net_connections(kind="inet"):
                if socket.status == psutil.CONN_LISTEN:
                    addresses.setdefault(one.name(), set()).add(socket.laddr.ip)
    return addresses


def test_a_cluster_of_this_machine_listens_on_loopback_only(tmp_path: Path) -> None:
    network(tmp_path, rounds=ENDLESS)
    process = start(
        "sweep", "small.toml", "--engine", "ray", "--jobs", "1", "--out", "sweep", cwd=tmp_path
    )
    wait_until(lambda: list((tmp_path / "sweep").glob("*/rounds")), process)

    addresses = listening(psutil.Process(process.pid))

    os.kill(process.pid, signal.SIGTERM)
    assert process.communicate() is not None
    assert process.returncode == 130
    assert {"gcs_server", "raylet"} <= set(addresses)
    found = {ip_address(text.removeprefix("::ffff:")) for one in addresses.values() for text in one}
    assert all(address.is_loopback for address in found), addresses


def test_what_nodes_print_does_not_stand_in_the_answer(tmp_path: Path) -> None:
    (tmp_path / "talking.py").write_text(
        "from netsim.scheduling import Policy, create\n"
        "class Talking(Policy):\n"
        "    def schedule(self, state):\n"
        "        print('round', state.round, flush=True)\n"
        "        return create('all_in').schedule(state)\n"
    )
    network(tmp_path, rounds=200)
    process = start(
        "sweep", "small.toml", "--engine", "ray", "--jobs", "1", "--seeds", "0:2",
        "--out", "sweep", "--json",
        "--set", "scheduler.kind='talking:Talking'", cwd=tmp_path,
    )  # fmt: skip

    out, err = process.communicate()

    assert process.returncode == 0, err
    assert [row["state"] for row in json.loads(out)] == ["finished"] * 2


def test_runs_that_no_node_could_ever_take_are_refused(tmp_path: Path) -> None:
    network(tmp_path)
    process = start(
        "sweep",
        "small.toml",
        "--engine",
        "ray",
        "--gpus-per-run",
        "64",
        "--out",
        "sweep",
        cwd=tmp_path,
    )

    _, err = process.communicate()

    assert process.returncode == 2, err
    assert err.splitlines()[-1].startswith("--gpus-per-run 64: this machine has ")


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    network(tmp_path)
    process = start(
        "sweep",
        "small.toml",
        "--engine",
        "ray",
        "--address",
        "127.0.0.1:1",
        "--out",
        "sweep",
        cwd=tmp_path,
    )

    _, err = process.communicate()

    assert process.returncode == 2, err
    assert err.splitlines()[-1].startswith("--address 127.0.0.1:1: no Ray cluster answers")
