"""Verdict rule of the claims: families under Holm's correction, with simultaneous intervals."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

import numpy as np
import pandas as pd
from numpy import ndarray
from pydantic import BaseModel, ConfigDict

from analysis.comparison import in_half
from analysis.intervals import (
    DELAY_SUMS,
    Differences,
    Interval,
    Judgement,
    judge_family,
    metric_difference,
)
from reproduction.laws import LONG

FILE: Final = Path(__file__).parent / "claims.toml"
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
    family: str
    """Family of claims that are corrected for their number together: a section of the page."""
    earlier: Verdict | None = None
    """Verdict of an earlier version of the page, without a correction, on runs dropped since."""
    contrasts: list[Contrast]
    """Contrasts that must be positive."""


@final
@dataclass(frozen=True)
class ContrastResult:
    """Result of a contrast: estimate over paired seeds with its single 95 % interval."""

    contrast: Contrast
    values: ndarray
    """Difference of each paired seed."""
    interval: Interval

    @property
    def differences(self) -> Differences:
        """Differences as a family of claims judges them."""
        return Differences(self.values, by_median=self.interval.kind == "median")


@final
@dataclass(frozen=True)
class ClaimResult:
    """Result of a claim: its contrasts, and its judgement within its family."""

    claim: Claim
    contrasts: list[ContrastResult]
    judgement: Judgement | None
    """None if no contrast was run."""


def read(path: Path = FILE) -> dict[str, Claim]:
    """Return the claims of a file by their names."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: Claim.model_validate(table) for name, table in tables.items()}


def judge(claims: Mapping[str, Claim], numbers: Numbers) -> dict[str, ClaimResult]:
    """Return the result of each claim, judged within its family (``analysis.intervals.family``).

    A claim is held if all its contrasts are positive, at a family-wise error of 5 %; not held if
    one is negative; otherwise undecided, as with fewer seeds than a test needs. A claim of which
    nothing was run is none of its family.
    """
    contrasts = {name: decide(claim, numbers) for name, claim in claims.items()}
    families: dict[str, dict[str, Sequence[Differences]]] = {}
    for name, results in contrasts.items():
        if any(entry.interval.seeds for entry in results):
            members = families.setdefault(claims[name].family, {})
            members[name] = [entry.differences for entry in results]
    judgements: dict[str, Judgement] = {}
    for members in families.values():
        judgements |= judge_family(members)
    return {
        name: ClaimResult(claims[name], results, judgements.get(name))
        for name, results in contrasts.items()
    }


def decide(claim: Claim, numbers: Numbers) -> list[ContrastResult]:
    """Return the result of each contrast of a claim."""
    return [_result(contrast, numbers) for contrast in claim.contrasts]


def _result(contrast: Contrast, numbers: Numbers) -> ContrastResult:
    plus = [numbers(runs, contrast.measure) for runs in contrast.plus]
    minus = [numbers(runs, contrast.measure) for runs in contrast.minus]
    paired = pd.concat(
        [pd.Series(entry, dtype=float) for entry in [*plus, *minus]], axis=1, join="inner"
    )
    signs = [1.0] * len(plus) + [-1.0] * len(minus)
    values = (paired.dropna().to_numpy() * signs).sum(axis=1)
    # A sum of delays has no variance under some laws: the sign test needs none.
    heavy_tail = contrast.measure in DELAY_SUMS
    long = any(
        in_half([count > 0 for count in numbers(runs, LONG).values()])
        for runs in (*contrast.plus, *contrast.minus)
    )
    interval = metric_difference(contrast.measure, values, heavy_tail=heavy_tail, long_rounds=long)
    return ContrastResult(contrast, np.asarray(values, float), interval)
