"""Facts of provenance.json: each that a command reads has a schema, and a wrong type is refused."""

import json
import re
from pathlib import Path

import pytest

import coupling
from coupling.run_directory.provenance import Facts, read_facts
from coupling.run_directory.status import run_status
from coupling.scenario.errors import RunError

READ = re.compile(r"(?:facts|provenance)(?:\.get\(|\[)[\"'](\w+)[\"']")
"""An entry that code takes out of the facts."""


def test_every_fact_that_a_command_reads_is_in_the_schema() -> None:
    folder = Path(coupling.__file__).parent
    names = {name for file in folder.rglob("*.py") for name in READ.findall(file.read_text())}
    assert "input_files" in names
    known = set(Facts.model_fields)
    # Read by ``resume`` alone, which has the stricter schema.
    assert names - known <= {"policy", "torch_threads", "resumed", "provenance.json"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input_files", [1]),
        ("input_files", {"channel.gains.path": ["a"]}),
        ("input_files", {"channel.gains.path": {"path": "a", "sha256": 1}}),
        ("torch_numerics", ["bfloat16"]),
        ("torch_numerics", {"precision": 1}),
        ("versions", ["airtune"]),
        ("versions", {"airtune": None}),
        ("scenario_sha256", ["0"]),
        ("scenario_folder", 1),
    ],
)
def test_a_fact_of_another_type_is_refused(key: str, value: object, tmp_path: Path) -> None:
    facts = {"state": "finished", "wall_s": 1.0}
    place = tmp_path / "provenance.json"
    place.write_text(json.dumps(facts))
    assert read_facts(tmp_path) == facts
    place.write_text(json.dumps(facts | {key: value}))
    with pytest.raises(RunError, match=key):
        read_facts(tmp_path)
    assert run_status(str(tmp_path)).state == "damaged"
