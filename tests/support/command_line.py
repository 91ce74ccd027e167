"""Scenario files of a small network, and answers of the command line."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

NETWORK = """\
seed = 1
rounds = 3

[cell]
bandwidth_hz = 10e6
noise_psd_w_per_hz = 1e-11

[devices]
count = 4
placement = { kind = "disc", center_m = [300.0, 0.0], radius_m = 50.0 }

[channel]
path_loss = { kind = "power_law", exponent = 3.5, reference_m = 10.0 }
fading = { kind = "rayleigh" }

[protocol]
kind = "aggregate"
payload_bit = 51_904_512

[scheduler]
kind = "algorithm1"
delay_budget_s_per_bit = 1e-6
zeta = { kind = "inverse_sqrt", initial = 1.0 }
drift = "full"
"""

LEARNER = """
[learner]
model = "minilm"
pooling = "mean"
lora = { rank = 8, alpha = 16, targets = ["query"] }
optimizer = { kind = "sgd", lr = 1e-4 }
batch_size = 4
evaluate_every = 50
data = { name = "movie_reviews" }
"""


@dataclass(frozen=True)
class Answer:
    """Exit status, standard output and standard error of a command."""

    status: int
    out: str
    err: str


Airtune = Callable[..., Answer]


def dotted(changes: Mapping[str, object]) -> dict[str, object]:
    """Return changes of scenario keys with dots for ``__``."""
    return {key.replace("__", "."): value for key, value in changes.items()}


def set_arguments(settings: Iterable[str]) -> list[str]:
    """Return the command-line arguments that set keys of a scenario."""
    return [word for setting in settings for word in ("--set", setting)]


def listing(folder: Path) -> dict[str, bytes | None]:
    """Return the entries of a folder: the content of each file, and None per directory."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
