"""The rule by which a claim is judged, fixed before anything was run."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

import pandas as pd
from pydantic import BaseModel, ConfigDict

from analysis.comparison import Interval, interval

FILE: Final = Path(__file__).parent / "claims.toml"
LEAST_PAIRS: Final = 3
"""With fewer paired seeds a claim stays undecided."""
Verdict: TypeAlias = Literal["held", "not held", "undecided"]
Numbers: TypeAlias = Callable[[str, str], Mapping[int, float]]
"""Returns a measure of every seed of some runs, named ``stage/variant/policy``."""


@final
class Contrast(BaseModel):
    """A number that the claim says is positive: some runs' measure less that of others, seed by
    seed.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    measure: str
    """Column of the stages' tables."""
    plus: list[str]
    """Runs that count positively, as ``stage/variant/policy``; where further keys are varied, their
    values follow, each after a slash.
    """
    minus: list[str] = []
    """Runs that count negatively."""


@final
class Claim(BaseModel):
    """A sentence, and the numbers that must all be positive if it is true."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    says: str
    """The claim in words."""
    source: Literal["paper", "ours"]
    """Whose claim it is."""
    contrasts: list[Contrast]
    """What must be positive."""


@final
@dataclass(frozen=True)
class Found:
    """A contrast and what came out: the mean over paired seeds with its 95 % interval."""

    contrast: Contrast
    interval: Interval
    verdict: Verdict


def read(path: Path = FILE) -> dict[str, Claim]:
    """Return the claims of a file by their names."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: Claim.model_validate(table) for name, table in tables.items()}


def judge(found: Interval) -> Verdict:
    """Return the verdict on one contrast.

    Held where the 95 % interval (Student's t over paired seeds) lies above 0; not held where it
    lies below 0; undecided where it contains 0 or fewer than 3 seeds are paired. An interval of no
    width is that of a number that no seed changes, and is judged by its sign.
    """
    if found.count < LEAST_PAIRS:
        return "undecided"
    if found.low > 0:
        return "held"
    return "not held" if found.high < 0 else "undecided"


def together(verdicts: list[Verdict]) -> Verdict:
    """Return the verdict on a claim: held if all its contrasts are, not held if one is not, or else
    undecided.
    """
    if not verdicts:
        return "undecided"
    if "not held" in verdicts:
        return "not held"
    return "held" if set(verdicts) == {"held"} else "undecided"


def decide(claim: Claim, numbers: Numbers) -> list[Found]:
    """Return what came out of each contrast of a claim."""
    return [_found(contrast, numbers) for contrast in claim.contrasts]


def _found(contrast: Contrast, numbers: Numbers) -> Found:
    plus = [numbers(runs, contrast.measure) for runs in contrast.plus]
    minus = [numbers(runs, contrast.measure) for runs in contrast.minus]
    paired = pd.concat(
        [pd.Series(entry, dtype=float) for entry in [*plus, *minus]], axis=1, join="inner"
    )
    paired = paired.dropna()
    signs = [1.0] * len(plus) + [-1.0] * len(minus)
    found = interval((paired.to_numpy() * signs).sum(axis=1))
    return Found(contrast, found, judge(found))
