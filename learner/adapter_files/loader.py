"""Loader script ``load.py``: model and head of one device, without airtune."""

from collections.abc import Sequence
from typing import Final

from learner.adapter_files.peft_format import public_name
from learner.settings import LearnerSettings

LOADER: Final = "load.py"

_TEMPLATE: Final = '''\
"""Model and head of one device of an airtune run; needs torch, transformers and peft only."""

from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel, {processor}

HERE = Path(__file__).resolve().parent
BASE = {base}
INPUTS = {names}


def load(device=0, base=BASE):
    """Return a function of {samples} that returns the logits of a device's head."""
    encoder = AutoModel.from_pretrained(
        base, dtype=torch.{dtype}, trust_remote_code=False, use_safetensors=True
    )
    model = PeftModel.from_pretrained(encoder, HERE).eval()
    heads = load_file(HERE / "heads.safetensors")
    processor = {processor}.from_pretrained(base, trust_remote_code=False{processor_options})

    @torch.no_grad()
    def logits(*samples):
        encoded = processor(*samples, {call_options}return_tensors="pt")
        output = model(**{{name: encoded[name] for name in INPUTS}})
        states = output.last_hidden_state
{pooling}
        return features @ heads[f"{{device}}.weight"].T + heads[f"{{device}}.bias"]

    return logits
'''


def loader(settings: LearnerSettings, inputs: Sequence[str], special_tokens: int) -> str:
    """Return the text of ``load.py`` for a model whose inputs have these names.

    Every text that comes from the scenario is a Python literal in it.
    """
    images = "pixel_values" in inputs
    return _TEMPLATE.format(
        processor="AutoImageProcessor" if images else "AutoTokenizer",
        base=repr(public_name(settings.model)),
        samples="a list of images" if images else "one or two lists of texts",
        dtype="float64" if settings.precision == "float64" else "float32",
        processor_options=', backend="pil"' if images else "",
        call_options=(
            "" if images else f"padding=True, truncation=True, max_length={settings.max_tokens}, "
        ),
        names=tuple(inputs),
        pooling="\n".join(f"        {line}" for line in _pooling(settings, images, special_tokens)),
    )


def _pooling(settings: LearnerSettings, images: bool, special_tokens: int) -> list[str]:
    """Return the lines that compute the features, the input of the heads."""
    if settings.pooling == "pooler":
        return ["features = output.pooler_output"]
    if settings.pooling == "cls":
        return ["features = states[:, 0]"]
    mean = (
        [f"features = states[:, {special_tokens}:].mean(1)"]
        if images
        else [
            'mask = encoded["attention_mask"][:, :, None].to(states.dtype)',
            "features = (states * mask).sum(1) / mask.sum(1)",
        ]
    )
    both = ["features = torch.cat([states[:, 0], features], dim=1)"]
    return mean + both if settings.pooling == "cls_mean" else mean
