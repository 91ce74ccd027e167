"""Code of the page on writing a codec: it runs and does the documented thing."""

import re
import sys
import tomllib
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from support.tiny_learner import Make, PhiloxStreams, train

from learner.codec import create
from learner.settings import Codecs, codec, plugins
from learner.split_learner import build

PAGE = (Path(__file__).parents[2] / "docs" / "writing-a-codec.md").read_text()


@pytest.fixture
def documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Save the page's codec in the file that the page names, and return its kind."""
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    (tmp_path / "my_codecs.py").write_text(code[1])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_codecs", raising=False)
    return "my_codecs:Signs"


@pytest.mark.parametrize("executor", ["batched", "eager"])
def test_the_table_of_the_page_trains(
    make_settings: Make, rng: PhiloxStreams, documented: str, executor: str
) -> None:
    table = re.search(r"```toml\n\[learner.codec\]\n(.*?)```", PAGE, re.DOTALL)
    assert table is not None
    codecs = tomllib.loads(table[1])
    assert codecs["gradient"]["kind"] == documented
    subject = build(make_settings(codec=codecs, executor=executor), 6, rng)

    assert len(train(subject, 1, [0, 1]).losses) == 2
    assert subject.leg_bits(0, 1)["gradient"] == 4 * (16 * 8 + 32)


def test_the_codec_of_the_page_does_what_it_says(documented: str) -> None:
    signs = create(documented, gain=0.5)
    vectors = torch.tensor([[1.0, -3.0], [0.0, 4.0]])
    tokens = np.array([2])

    assert signs.decode(signs.encode(vectors, tokens), tokens, 2).tolist() == [
        [1.0, -1.0],
        [0.0, 1.0],
    ]


def test_an_installed_package_registers_codecs_by_name(
    documented: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("signs", documented, codec.ENTRY_POINTS)
    monkeypatch.setattr(
        plugins, "entry_points", lambda group: EntryPoints([point]).select(group=group)
    )

    assert Codecs.model_validate({"gradient": {"kind": "signs", "gain": 2.0}}).gradient is not None
    assert type(create("signs", gain=2.0)).__name__ == "Signs"
    with pytest.raises(
        ValidationError, match=r"'sings' is not one of .*low_rank, signs, .*; did you mean signs?"
    ):
        Codecs.model_validate({"gradient": {"kind": "sings"}})
