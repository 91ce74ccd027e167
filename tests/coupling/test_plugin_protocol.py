"""Plug-in protocol: a table and its process in a user's file, outside the tree."""

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from support.command_line import LEARNER, NETWORK, Airtune

from coupling import Scenario, ScenarioError

PLUGIN = '''
"""A protocol whose devices send a header and a body."""

from typing import Literal

from coupling.scenario import ProtocolTable
from coupling.scenario.tables import ScenarioTable
from coupling.simulation.payloads import FixedSizes
from coupling.simulation.protocols.aggregate import Aggregate
from netsim.parameters import Bits


class Sizes(ScenarioTable):
    """Bits of the two parts."""

    header: Bits
    body: Bits


class HeaderTable(ProtocolTable):
    """Each scheduled device sends a header and a body."""

    sizes: Sizes
    repeat: Literal[1, 2] = 1

    @property
    def fixed_bits(self):
        return self.repeat * self.sizes.header + self.sizes.body

    def check(self, cell, channel, learner):
        if learner is not None:
            raise ValueError("protocol.kind = 'headers:HeaderTable' has no learner")

    def build(self, env, *, cell, devices, streams, learner):
        header = float(self.repeat * self.sizes.header)
        legs = {"header": header, "body": float(self.sizes.body)}
        return Aggregate(env, FixedSizes(devices.count, legs), learner)


class Unbuilt(ProtocolTable):
    """A table whose process is missing."""

    @property
    def fixed_bits(self):
        return 1.0

    def check(self, cell, channel, learner):
        pass
'''
HEADERS = """
kind = "headers:HeaderTable"
sizes = { header = 1_000, body = 51_903_512 }
"""


@pytest.fixture
def plugin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder with the plug-in and a scenario that is not the working directory."""
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "headers.py").write_text(PLUGIN)
    old = 'kind = "aggregate"\npayload_bit = 51_904_512\n'
    (folder / "plugin.toml").write_text(NETWORK.replace(old, HEADERS))
    (folder / "plain.toml").write_text(NETWORK)
    (folder / "learning.toml").write_text(NETWORK.replace(old, HEADERS) + LEARNER)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield folder
    sys.modules.pop("headers", None)


def test_a_protocol_beside_the_scenario_runs(plugin_folder: Path, airtune: Airtune) -> None:
    for name in ("plugin", "plain"):
        answer = airtune("run", str(plugin_folder / f"{name}.toml"), "--out", name)
        assert answer.status == 0, answer.err

    plugin, plain = (pd.read_parquet(f"{name}/devices") for name in ("plugin", "plain"))
    pd.testing.assert_frame_equal(plugin, plain)
    assert len(plain) == 12


def test_a_plugin_survives_its_run_directory(plugin_folder: Path) -> None:
    scenario = Scenario.load(plugin_folder / "plugin.toml", {"protocol.repeat": 2})

    copy = pickle.loads(pickle.dumps(scenario))

    assert copy.tables() == scenario.tables()
    assert copy.digest() == scenario.digest()
    assert scenario.tables()["protocol"] == {
        "kind": "headers:HeaderTable",
        "sizes": {"header": 1_000, "body": 51_903_512},
        "repeat": 2,
    }
    assert scenario.digest() != Scenario.load(plugin_folder / "plugin.toml").digest()


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("protocol.repeat", 3, "protocol.repeat = 3 is not one of 1 or 2 (from --set)"),
        (
            "protocol.bits",
            3,
            "protocol.bits is unknown; known here: kind, sizes, repeat (from --set)",
        ),
        (
            "protocol.sizes.had",
            3,
            "protocol.sizes.had is unknown; did you mean header? (from --set)",
        ),
        (
            "protocol",
            {"kind": "nowhere:Table"},
            "protocol: kind = 'nowhere:Table' cannot be imported: No module named 'nowhere' "
            "(from --set)",
        ),
        (
            "protocol",
            {"kind": "headers:Sizes"},
            "protocol: kind = 'headers:Sizes' is not a subclass of "
            "coupling.scenario.ProtocolTable (from --set)",
        ),
    ],
)  # fmt: skip
def test_a_wrong_plugin_table_ends_in_one_line(
    key: str, value: object, line: str, plugin_folder: Path
) -> None:
    with pytest.raises(ScenarioError) as error:
        Scenario.load(plugin_folder / "plugin.toml", {key: value})

    assert str(error.value) == f"{plugin_folder / 'plugin.toml'}: {line}"


def test_a_plugin_checks_the_other_tables(plugin_folder: Path, airtune: Airtune) -> None:
    answer = airtune("validate", str(plugin_folder / "learning.toml"))

    assert answer.status == 2
    assert answer.err.endswith("protocol.kind = 'headers:HeaderTable' has no learner\n")


def test_a_plugin_without_a_process_ends_in_one_line(plugin_folder: Path, airtune: Airtune) -> None:
    table = "protocol={kind='headers:Unbuilt'}"
    answer = airtune("run", str(plugin_folder / "plain.toml"), "--set", table, "--out", "out")

    assert answer.status == 2
    assert "protocol: kind = 'headers:Unbuilt' has no method build" in answer.err
    assert not Path("out").exists()


def test_a_sweep_runs_a_plugin_in_its_worker_processes(
    plugin_folder: Path, airtune: Airtune
) -> None:
    scenario = str(plugin_folder / "plugin.toml")

    answer = airtune("sweep", scenario, "--seeds", "0:2", "--out", "sweep")

    assert answer.status == 0, answer.err
    assert set(pd.read_parquet("sweep/sweep.parquet").state) == {"finished"}
