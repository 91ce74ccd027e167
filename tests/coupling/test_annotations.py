import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import NETWORK

# NumPy's ArrayLike counts on int being a float and float being a complex, which PEP 484 says and
# beartype can.
TYPECHECKER = """
from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""
CODE = """
from jaxtyping import install_import_hook

with install_import_hook(["netsim", "coupling.simulation"], "tower.checked"):
    import coupling
    from netsim.streams import uniform


for policy in {policies}:
    overrides = {{"scheduler.kind": policy, "devices.count": 20}}
    scenario = coupling.Scenario.load("network.toml", overrides)
    coupling.run(scenario, policy, learning=False)

try:
    uniform("words")
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(
    "policies", [("all_in", "aaba", "greedy", "algorithm1", "exact")], ids=" ".join
)
def test_the_shapes_and_types_that_the_radio_is_annotated_with_hold_in_a_run(
    policies: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "network.toml").write_text(NETWORK)
    (tmp_path / "tower.py").write_text(TYPECHECKER)

    done = subprocess.run(
        [sys.executable, "-c", CODE.format(policies=policies)],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert "TypeCheckError" in done.stdout, "the annotations were not executed"
