"""Weights of a model lie in its mapped file, whose pages the runs of one machine share."""

import sys
from pathlib import Path

import pytest
from support.tiny_learner import Make, PhiloxStreams, train

from learner.split_learner import build


def mapped_bytes(name: str) -> list[range]:
    """Return the addresses at which this process maps files of a name."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    bounds = [line.split()[0].split("-") for line in lines if line.endswith(f"/{name}")]
    return [range(int(first, 16), int(last, 16)) for first, last in bounds]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the maps of Linux")
def test_frozen_weights_stay_in_the_mapped_file_of_the_model(make_settings: Make) -> None:
    subject = build(make_settings(precision="float32"), 6, PhiloxStreams(1))

    train(subject, 1, [0, 1])

    places = mapped_bytes("model.safetensors")
    frozen = {
        name: weight.data_ptr()
        for name, weight in subject.parts.split.model.named_parameters()
        if not weight.requires_grad
    }
    own = [name for name, start in frozen.items() if not any(start in place for place in places)]
    assert len(frozen) > 30
    assert not own
