"""Verdict rule of a claim, fixed before the runs."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

import pandas as pd
from pydantic import BaseModel, ConfigDict

from analysis.intervals import Interval, paired_interval

FILE: Final = Path(__file__).parent / "claims.toml"
MINIMUM_PAIRS: Final = 3
"""A claim with fewer paired seeds stays undecided."""
Verdict: TypeAlias = Literal["held", "not held", "undecided"]
Numbers: TypeAlias = Callable[[str, str], Mapping[int, float]]
"""Returns a measure of each seed of runs, named ``stage/variant/policy``."""


@final
class Contrast(BaseModel):
    """Difference that a claim says is positive: plus runs minus minus runs, seed by seed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    measure: str
    """Column of the stages' tables."""
    plus: list[str]
    """Runs that count positively, as ``stage/variant/policy/further values``."""
    minus: list[str] = []
    """Runs that count negatively."""


@final
class Claim(BaseModel):
    """Claim in words, and the contrasts that must all be positive if it is true."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    says: str
    """The claim in words."""
    source: Literal["paper", "ours"]
    """The author of the claim: the paper, or airtune (``ours``)."""
    contrasts: list[Contrast]
    """Contrasts that must be positive."""


@final
@dataclass(frozen=True)
class ContrastResult:
    """Result of a contrast: mean over paired seeds with its 95 % interval, and verdict."""

    contrast: Contrast
    interval: Interval
    verdict: Verdict


def read(path: Path = FILE) -> dict[str, Claim]:
    """Return the claims of a file by their names."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: Claim.model_validate(table) for name, table in tables.items()}


def judge(mean: Interval) -> Verdict:
    """Return the verdict on one contrast.

    The contrast is held if its 95 % interval (Student's t over paired seeds) lies above 0, not held
    if it lies below 0, and undecided if it contains 0 or fewer than 3 seeds are paired. An interval
    of zero width belongs to a number that is equal for all seeds; its sign decides.
    """
    if mean.seeds < MINIMUM_PAIRS:
        return "undecided"
    if mean.low > 0:
        return "held"
    return "not held" if mean.high < 0 else "undecided"


def combine(verdicts: list[Verdict]) -> Verdict:
    """Return the verdict on a claim from those on its contrasts.

    The claim is held if all contrasts are held, not held if one is not held, otherwise undecided.
    """
    if not verdicts:
        return "undecided"
    if "not held" in verdicts:
        return "not held"
    return "held" if set(verdicts) == {"held"} else "undecided"


def decide(claim: Claim, numbers: Numbers) -> list[ContrastResult]:
    """Return the result of each contrast of a claim."""
    return [_result(contrast, numbers) for contrast in claim.contrasts]


def _result(contrast: Contrast, numbers: Numbers) -> ContrastResult:
    plus = [numbers(runs, contrast.measure) for runs in contrast.plus]
    minus = [numbers(runs, contrast.measure) for runs in contrast.minus]
    paired = pd.concat(
        [pd.Series(entry, dtype=float) for entry in [*plus, *minus]], axis=1, join="inner"
    )
    paired = paired.dropna()
    signs = [1.0] * len(plus) + [-1.0] * len(minus)
    mean = paired_interval((paired.to_numpy() * signs).sum(axis=1))
    return ContrastResult(contrast, mean, judge(mean))
