"""Adapter files: ranks and scales that differ, and adapters from which training starts."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from support.tiny_learner import Make, PhiloxStreams
from transformers import AutoModel, AutoModelForSequenceClassification

from learner.adapter_files import LowRankUpdate, read_adapter, write_adapter
from learner.errors import LearnerInputError, StateError
from learner.split_learner import build

# peft 0.21 uses a name that transformers 5.23 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
QUERY = "encoder.layer.0.attention.self.query"
VALUE = "encoder.layer.1.attention.self.value"
POOLER = "pooler.dense"
LORA = {"rank": 2, "alpha": 4, "targets": ["query", "value", "pooler.dense"]}


def update(rank: int, scale: float, seed: int) -> LowRankUpdate:
    generator = torch.Generator().manual_seed(seed)
    down = torch.randn(rank, 16, generator=generator)
    up = torch.randn(16, rank, generator=generator)
    return LowRankUpdate(down, up, scale)


def test_peft_loads_an_adapter_whose_ranks_and_scales_differ(
    tiny_model: Path, tmp_path: Path
) -> None:
    updates = {QUERY: update(2, 2.0, 1), VALUE: update(3, 2.0, 2), POOLER: update(2, 0.7, 3)}
    expected = AutoModel.from_pretrained(tiny_model, trust_remote_code=False).eval()
    for name, pair in updates.items():
        with torch.no_grad():
            expected.get_submodule(name).weight += pair.scale * pair.up @ pair.down
    ids = torch.arange(5, 15)[None]

    write_adapter(tmp_path, updates, str(tiny_model))
    loaded = PeftModel.from_pretrained(
        AutoModel.from_pretrained(tiny_model, trust_remote_code=False), tmp_path
    ).eval()
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    again = read_adapter(tmp_path)

    assert torch.allclose(
        loaded(input_ids=ids).pooler_output, expected(input_ids=ids).pooler_output, atol=1e-5
    )
    assert config["rank_pattern"] == {VALUE: 3}
    assert config["alpha_pattern"] == {VALUE: 6, POOLER: pytest.approx(1.4)}
    assert {name: pair.scale for name, pair in again.items()} == pytest.approx(
        {name: pair.scale for name, pair in updates.items()}
    )


@pytest.mark.parametrize("rslora", [False, True])
def test_training_begins_from_an_adapter_that_peft_wrote(
    tiny_model: Path, make_settings: Make, rng: PhiloxStreams, tmp_path: Path, rslora: bool
) -> None:
    """The adapter is one of a model with a head, whose modules have a prefix."""
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model, trust_remote_code=False)
    config = LoraConfig(
        r=2, lora_alpha=4, use_rslora=rslora, target_modules=["query"], init_lora_weights=False
    )
    get_peft_model(model, config).save_pretrained(tmp_path)
    written = load_file(tmp_path / "adapter_model.safetensors")
    name = f"base_model.model.bert.{QUERY}.lora_B.weight"
    lora = {"rank": 2, "alpha": 4, "rslora": rslora, "targets": ["query"], "start": str(tmp_path)}

    adapters = build(make_settings(lora=lora), 3, rng).parts.split.adapters

    assert written[name].abs().max() > 0
    assert torch.equal(adapters[0].up.detach(), written[name].double())
    assert adapters[0].module == QUERY


def with_config(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def with_tensors(change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "adapter_model.safetensors"
        save_file(dict(change(load_file(path))), path)

    return apply


REFUSALS: dict[str, tuple[Callable[[Path], object], dict[str, object], str]] = {
    "missing": (lambda folder: (folder / "adapter_config.json").unlink(), {}, "is missing or dam"),
    "dora": (with_config(use_dora=True), {}, "use_dora = True is not plain LoRA"),
    "kind": (with_config(peft_type="IA3"), {}, "peft_type = 'IA3' is not plain LoRA"),
    "alpha": (with_config(lora_alpha="4"), {}, "lora_alpha = '4' of .* is not a positive number"),
    "scale": (with_config(lora_alpha=5), {}, r"multiplies B A by 2.5, and learner.lora by 2; set"),
    "rank": (
        lambda folder: None,
        {"rank": 3, "alpha": 6},
        "has rank 2, and learner.lora.rank",
    ),
    "fewer targets": (
        lambda folder: None,
        {"targets": ["query"]},
        "which learner.lora.targets",
    ),
    "more targets": (lambda folder: None, {"targets": ["key", *LORA["targets"]]}, "has no updates"),  # type: ignore[misc]
    "one matrix": (
        with_tensors(lambda tensors: dict(sorted(tensors.items())[1:])),
        {},
        "has no two matrices of one rank",
    ),
    "not finite": (
        with_tensors(lambda tensors: {name: values / 0 for name, values in tensors.items()}),
        {},
        "has a value that is not a finite number",
    ),
    "another tensor": (
        with_tensors(lambda tensors: tensors | {"classifier.weight": torch.ones(2)}),
        {},
        "classifier.weight is not a LoRA matrix",
    ),
    "another size": (
        with_tensors(
            lambda tensors: {name: values[:, :2].contiguous() for name, values in tensors.items()}
        ),
        {},
        "has matrices of another size",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_an_adapter_that_does_not_fit_is_refused_with_its_key(
    make_settings: Make, rng: PhiloxStreams, tmp_path: Path, refusal: str
) -> None:
    change, lora, text = REFUSALS[refusal]
    adapter = tmp_path / "adapter"
    build(make_settings(), 3, rng).export(adapter)
    change(adapter)

    with pytest.raises(LearnerInputError, match=text) as error:
        build(make_settings(lora=LORA | lora | {"start": str(adapter)}), 3, rng)

    assert error.value.key == "learner.lora.start"
    assert "\n" not in str(error.value)


def test_a_pattern_of_alphas_is_read_by_the_end_of_a_name(tmp_path: Path) -> None:
    write_adapter(tmp_path, {QUERY: update(2, 2.0, 1), VALUE: update(2, 2.0, 2)}, "model")
    with_config(alpha_pattern={"self.value": 10})(tmp_path)

    updates = read_adapter(tmp_path)
    with_config(alpha_pattern={"value": -1})(tmp_path)

    assert (updates[QUERY].scale, updates[VALUE].scale) == (2.0, 5.0)
    with pytest.raises(StateError, match="is not a positive number"):
        read_adapter(tmp_path)
