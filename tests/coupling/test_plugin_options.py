"""Options of a user's own classes: a wrong name is reported at its key, in every family."""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support.command_line import Airtune, set_arguments
from support.tiny_learner import PhiloxStreams

from learner.codec.registry import require_codecs
from learner.data.plugin_partition import plugin_shares
from learner.errors import LearnerInputError
from learner.settings import Codecs
from learner.settings.data import PlugInPartition

POLICIES = """
from dataclasses import dataclass
from pydantic.dataclasses import dataclass as checked
from netsim.scheduling import Policy, create

class Base(Policy):
    def schedule(self, state):
        return create("all_in").schedule(state)

class Plain(Base):
    def __init__(self, max_count=3):
        self.max_count = max_count

class Needs(Base):
    def __init__(self, max_count):
        self.max_count = max_count

@dataclass(frozen=True)
class Data(Base):
    max_count: int = 3

@checked(frozen=True)
class Checked(Base):
    max_count: int = 3

class Free(Base):
    def __init__(self, **options):
        self.options = options
"""
WORLD = """
from dataclasses import dataclass
from netsim.{module} import {base}
from netsim.{module} import {built_in} as BuiltIn

@dataclass(frozen=True, kw_only=True)
class Own({base}):
    kind: str
    width_m: float = 1.0

    def __getattr__(self, name):
        raise AssertionError(name)

Own.__abstractmethods__ = frozenset()
"""
FAMILIES = {
    "devices.placement": ("placement", "Placement", "Disc"),
    "devices.mobility": ("mobility", "Mobility", "RandomWaypoint"),
    "devices.availability": ("availability", "Availability", "Markov"),
    "channel.path_loss": ("channel.pathloss", "PathLoss", "PowerLaw"),
    "channel.fading": ("channel.fading", "Fading", "Rayleigh"),
}
LEARNER = """
import torch
from learner.codec import Codec
from learner.data.plugin_partition import Partitioner

class OwnCodec(Codec):
    def __init__(self, scale):
        self.scale = scale
    def encode(self, vectors, tokens): ...
    def bits(self, *sizes): ...
    def decode(self, *sent): ...

class OwnPartition(Partitioner):
    def __init__(self, skew):
        self.skew = skew
    def shares(self, labels, sizes, rng): ...
"""


def refused(airtune: Airtune, *settings: str) -> str:
    """Return the line of ``validate`` about wrong settings."""
    answer = airtune("validate", "network.toml", *set_arguments(settings))
    assert (answer.status, answer.err.count("\n")) == (2, 1), answer.err
    return answer.err.strip()


@pytest.mark.parametrize("name", ["Plain", "Data", "Checked", "Needs"])
@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("max_cuont=2", "scheduler.max_cuont is unknown; did you mean max_count? (from --set)"),
        ("self=2", "scheduler.self is unknown; known here: max_count, kind, delay_budget_s,"),
        ("probability=0.5", "scheduler.probability is unknown; known here: max_count, kind,"),
    ],
)
def test_an_option_that_an_own_policy_lacks_is_named(
    option: str, text: str, name: str, folder: Path, airtune: Airtune
) -> None:
    (folder / "own_policies.py").write_text(POLICIES)

    line = refused(airtune, f"scheduler.kind=own_policies:{name}", f"scheduler.{option}")

    assert line.startswith(f"network.toml: {text}")


def test_options_of_own_policies_that_are_missing_or_free(folder: Path, airtune: Airtune) -> None:
    (folder / "own_policies.py").write_text(POLICIES)

    line = refused(airtune, "scheduler.kind=own_policies:Needs")
    free = ["scheduler.kind=own_policies:Free", "scheduler.max_cuont=2"]
    accepted = airtune("validate", "network.toml", *set_arguments(free))

    assert line == "network.toml: scheduler.max_count is missing"
    assert accepted.status == 0, accepted.err


@pytest.mark.parametrize("table", FAMILIES)
def test_an_option_that_an_own_model_lacks_is_named(
    table: str, folder: Path, airtune: Airtune
) -> None:
    module, base, built_in = FAMILIES[table]
    name = f"own_{table.rpartition('.')[2]}"
    (folder / f"{name}.py").write_text(WORLD.format(module=module, base=base, built_in=built_in))

    line = refused(airtune, f"{table}={{kind='{name}:Own', wdith_m=2.0}}")

    hint = "did you mean width_m? (from --set)"
    assert line == f"network.toml: {table}.wdith_m is unknown; {hint}"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"scale": 1, "skew": 1, "extra": 1}, "extra: unknown; known here: "),
        ({"scael": 1, "skwe": 1}, ": unknown; did you mean s"),
        ({}, ": missing; Own"),
    ],
)
def test_options_of_own_codecs_and_partitions(
    options: dict[str, int], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("own_learner")
    exec(LEARNER, module.__dict__)
    monkeypatch.setitem(sys.modules, "own_learner", module)
    codec = {key: value for key, value in options.items() if not key.startswith("sk")}
    skew = {key: value for key, value in options.items() if not key.startswith("sc")}
    codecs = Codecs.model_validate({"feature": {"kind": "own_learner:OwnCodec", **codec}})
    table = PlugInPartition.model_validate({"kind": "own_learner:OwnPartition", **skew})
    numbers = np.zeros(2, np.int64)

    with pytest.raises(LearnerInputError) as of_codec:
        require_codecs(codecs)
    with pytest.raises(LearnerInputError) as of_partition:
        plugin_shares(table, numbers, numbers, rng=PhiloxStreams(1), load=import_module)

    for key, error in (
        ("learner.codec.feature.", of_codec.value),
        ("learner.data.partition.", of_partition.value),
    ):
        assert str(error).startswith(key)
        assert text in str(error)
