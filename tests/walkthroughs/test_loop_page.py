"""Page ``docs/writing-a-loop.md``: its code is executed."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_code_of_the_page_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "writing-a-loop.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}

    for block in blocks:
        exec(compile(block, "writing-a-loop.md", "exec"), names)

    printed = capsys.readouterr().out.splitlines()
    assert len(blocks) == 4
    assert float(printed[0].split()[0]) > 0
    assert printed[2:] == [
        "Compute(step='embed', side=<Side.DEVICE: 'device'>)",
        "Send(leg='embedding', direction='uplink')",
        "Compute(step='encode', side=<Side.SERVER: 'server'>)",
        "Send(leg='feature', direction='downlink')",
        "Compute(step='head', side=<Side.DEVICE: 'device'>)",
        "Send(leg='gradient', direction='uplink')",
        "Compute(step='backward', side=<Side.SERVER: 'server'>)",
    ]
    assert isinstance(names["Median"], type)
