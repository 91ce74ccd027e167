"""Nothing that airtune reads can run code: no pickle in the product, and hostile files are
refused.
"""

import io
import re
import shutil
from pathlib import Path

import pytest
import torch
from support.small_runs import ROOT, network, stop_after

from coupling import RunError, run
from coupling.scenario.errors import Interrupted
from coupling.simulation.run import resume

UNPICKLES = re.compile(
    r"\bc?[Pp]ickle\b|\bdill\b|\bjoblib\b|\bshelve\b|\bmarshal\b|torch\.(save|load)\b"
    r"|np\.load\b|numpy\.load\b|allow_pickle|trust_remote_code=True|\bread_pickle\b|\beval\(|\bexec\("
)
PACKAGES = ("airtune", "netsim", "learner", "coupling", "analysis")


def test_no_package_reads_or_writes_pickle() -> None:
    sources = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    assert len(sources) > 50

    found = [f"{path.relative_to(ROOT)}: {line}" for path in sources for line in suspicious(path)]

    assert found == []


def suspicious(path: Path) -> list[str]:
    """Return the lines that could unpickle; the model's ``eval()`` mode is none of them."""
    return [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if UNPICKLES.search(line) and not re.search(r"\.eval\(\)", line)
    ]


class Bomb:
    """Unpickling it leaves a file."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._target,)


@pytest.mark.parametrize(
    "place", ["devices.safetensors", "state.json", "learner/learner.safetensors"]
)
def test_a_hostile_checkpoint_is_refused_and_runs_nothing(
    tmp_path: Path, tiny_learner_table: dict[str, object], place: str
) -> None:
    note, stop = stop_after(3)
    with pytest.raises(Interrupted):
        run(
            network(tmp_path, learner=tiny_learner_table),
            tmp_path / "run",
            on_round=note,
            stop=stop,
        )
    target = tmp_path / "exploded"
    bomb = io.BytesIO()
    torch.save(Bomb(target), bomb)
    (tmp_path / "run" / "checkpoint" / place).write_bytes(bomb.getvalue())
    bomb.seek(0)
    torch.load(bomb, weights_only=False)
    assert target.exists(), "the bomb would work"
    target.unlink()

    with pytest.raises(RunError, match="damaged"):
        resume(tmp_path / "run")

    assert not target.exists()


def test_the_learner_of_another_scenario_is_refused(
    tmp_path: Path, tiny_learner_table: dict[str, object]
) -> None:
    """The checkpoint's identity is forged here; the shapes still differ."""
    for name, rank in (("one", 2), ("other", 3)):
        (tmp_path / name).mkdir()
        lora = {"rank": rank, "alpha": 4, "targets": ["query", "value", "pooler.dense"]}
        note, stop = stop_after(4)
        with pytest.raises(Interrupted):
            run(
                network(tmp_path / name, learner=tiny_learner_table | {"lora": lora}),
                tmp_path / name / "run",
                on_round=note,
                stop=stop,
            )
    part = Path("run/checkpoint/learner/learner.safetensors")
    shutil.copy(tmp_path / "other" / part, tmp_path / "one" / part)

    with pytest.raises(RunError, match=r"learner\.safetensors: is not the state of this learner"):
        resume(tmp_path / "one" / "run")
