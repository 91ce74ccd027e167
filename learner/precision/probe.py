"""Probes: short measurements that choose the faster of two computations on this machine.

An answer is kept in a file per machine, PyTorch version, number of threads and question. The first
process that writes the file decides for all others, so the runs of a sweep on one machine agree.
"""

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Final

import torch
from huggingface_hub.constants import HF_HOME

REPEATS: Final = 7
"""Times that each side is measured, in turn with the other; the minimum counts."""
MINIMUM_GAIN: Final = 2.0
"""Speed of bfloat16 matrix products over those of float32 from which bfloat16 is taken."""
_SHAPE: Final = (1024, 512, 512)


def folder() -> Path:
    """Return the folder of the answers, inside Hugging Face's cache."""
    return Path(HF_HOME) / "airtune-probes"


def faster_precision(device: torch.device) -> str:
    """Return ``bfloat16`` if its matrix products are twice as fast as those of float32.

    Otherwise ``float32``. The device is that of the model.
    """
    return answer(
        {"question": "precision", "gain": MINIMUM_GAIN, "shape": _SHAPE, "device": device.type},
        ("float32", "bfloat16"),
        lambda: _measured_precision(device),
    )


def _measured_precision(device: torch.device) -> str:
    rows, inner, columns = _SHAPE

    def product(dtype: torch.dtype) -> Callable[[], object]:
        left = torch.linspace(-1, 1, rows * inner, device=device).view(rows, inner).to(dtype)
        right = torch.linspace(-1, 1, inner * columns, device=device).view(inner, columns).to(dtype)
        return lambda: left @ right

    wide_s, narrow_s = minimum_s([product(torch.float32), product(torch.bfloat16)], device)
    return "bfloat16" if narrow_s * MINIMUM_GAIN <= wide_s else "float32"


def minimum_s(sides: list[Callable[[], object]], device: torch.device) -> list[float]:
    """Return the minimum seconds of each side, measured in turn after a first call of each."""
    seconds = [float("inf")] * len(sides)
    for repeat in range(REPEATS + 1):
        for number, side in enumerate(sides):
            _synchronise(device)
            start_s = perf_counter()
            side()
            _synchronise(device)
            if repeat:
                seconds[number] = min(seconds[number], perf_counter() - start_s)
    return seconds


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def answer(
    question: Mapping[str, object], allowed: tuple[str, ...], measure: Callable[[], str]
) -> str:
    """Return the answer that is kept for the question on this machine; measure it if there is none.

    A folder that cannot be written only means that the next process measures again.
    """
    path = folder() / f"{_key(question)}.json"
    kept = _read(path, allowed)
    if kept is not None:
        return kept
    measured = measure()
    _keep(path, question, measured, allowed=allowed)
    return _read(path, allowed) or measured


def _key(question: Mapping[str, object]) -> str:
    cuda = torch.cuda.is_available()
    facts = {
        **question,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "host": platform.node(),
        "processor": _processor(),
        "card": torch.cuda.get_device_name() if cuda else None,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _processor() -> str:
    """Return the name of the processor, as the system gives it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "Model", "CPU part")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _read(path: Path, allowed: tuple[str, ...]) -> str | None:
    with suppress(OSError, ValueError, RecursionError):
        document = json.loads(path.read_text(encoding="utf-8"))
        kept = document.get("answer") if isinstance(document, dict) else None
        return kept if kept in allowed else None
    return None


def _keep(
    path: Path, question: Mapping[str, object], measured: str, *, allowed: tuple[str, ...]
) -> None:
    """Write an answer, complete or not at all; one that another process wrote first stays."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump({"question": dict(question), "answer": measured}, file)
        try:
            os.link(file.name, path)
        except FileExistsError:
            if _read(path, allowed) is None:
                Path(file.name).replace(path)
        Path(file.name).unlink(missing_ok=True)
