"""The page ``docs/reproduction.md``: prose from ``page.md``, every number from the tables."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, final

import numpy as np
import pandas as pd

from analysis.comparison import interval
from analysis.figures.style import label
from reproduction import verdicts
from reproduction.figures import FIGURES
from reproduction.stages import POLICY
from reproduction.tables import groups
from reproduction.verdicts import Claim, Found

TEMPLATE: Final = Path(__file__).parent / "page.md"
_DIRECTIVE: Final = re.compile(r"^\{\{(\w+) ?([^}]*)\}\}$", re.MULTILINE)
_SIGNS: Final = {"held": "✓", "not held": "✗", "undecided": "?"}
_ORDER: Final = ("all_in", "algorithm1", "greedy", "aaba")
"""The paper's order of the policies, the best first."""


@final
@dataclass(frozen=True)
class Page:
    """The stages' tables and the claims, as the directives of the template show them."""

    tables: Mapping[str, pd.DataFrame]
    claims: Mapping[str, Claim]

    def render(self, template: str) -> str:
        """Return the template with every line ``{{directive arguments}}`` replaced by what it
        stands for.
        """
        directives: dict[str, Callable[..., str]] = {
            "claims": self.judged,
            "table": self.table,
            "ranking": self.ranking,
            "figure": self.figure,
            "cost": self.cost,
        }
        return _DIRECTIVE.sub(lambda found: directives[found[1]](*found[2].split()), template)

    def judged(self, *names: str) -> str:
        """Return the claims of some names, or whose names begin so before a star, with their
        verdicts.
        """
        chosen = [name for name in self.claims if any(_fits(name, pattern) for pattern in names)]
        lines = [
            "| claim | whose | differences that must be positive (95 % interval, seeds) | verdict |",
            "|---|---|---|---|",
        ]
        for name in chosen:
            claim, found = self.claims[name], self.found(name)
            differences = "; ".join(_difference(entry) for entry in found) or "not run"
            run = any(entry.interval.count for entry in found)
            verdict = verdicts.together([entry.verdict for entry in found]) if run else "not run"
            lines.append(f"| {claim.says} | {claim.source} | {differences} | **{verdict}** |")
        return "\n".join(lines)

    def found(self, name: str) -> list[Found]:
        """Return what came out of a claim's contrasts."""
        return verdicts.decide(self.claims[name], self.numbers)

    def numbers(self, runs: str, measure: str) -> Mapping[int, float]:
        """Return a measure of every seed of some runs; none where they were not run."""
        stage, _, rest = runs.partition("/")
        rows = groups(self.tables[stage]).get(rest) if stage in self.tables else None
        if rows is None or measure not in rows:
            return {}
        known = rows[measure].dropna()
        return dict(zip(known.index.astype(int), known.astype(float), strict=True))

    def table(self, stage: str, *names: str) -> str:
        """Return the means over seeds of some columns of a stage's table, with their 95 %
        intervals.
        """
        if stage not in self.tables:
            return "*Not run.*"
        lines = [f"| runs | seeds | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
        for name, rows in groups(self.tables[stage]).items():
            cells = [_cell(rows[column]) if column in rows else "" for column in names]
            lines.append(f"| {_told(name)} | {len(rows)} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def ranking(self, measure: str, *stages: str) -> str:
        """Return, for each variant of some stages, a measure of all policies and how neighbours
        differ.
        """
        lines = [
            f"| variant | seeds | {measure}, largest first | difference of neighbours (95 % interval) |",
            "|---|---|---|---|",
        ]
        for stage in stages:
            if stage not in self.tables:
                continue
            variants = dict.fromkeys(self.tables[stage]["variant"])
            lines += [self._ranked(stage, variant, measure) for variant in variants]
        return "\n".join(lines)

    def _ranked(self, stage: str, variant: str, measure: str) -> str:
        rows = self.tables[stage]
        rows = rows[rows["variant"] == variant]
        means = rows.groupby(POLICY)[measure].mean().sort_values(ascending=False)
        order = " > ".join(f"{label(policy)} {mean:.4g}" for policy, mean in means.items())
        paper = [policy for policy in _ORDER if policy in means.index]
        pairs = list(pairwise(paper))
        if {"exact", "algorithm1"} <= set(means.index):
            pairs.append(("exact", "algorithm1"))
        differences = [self._against(f"{stage}/{variant}", *pair, measure) for pair in pairs]
        return f"| {stage}: {variant} | {rows['seed'].nunique()} | {order} | {'; '.join(differences)} |"

    def _against(self, runs: str, more: str, less: str, measure: str) -> str:
        contrast = verdicts.Contrast(
            measure=measure, plus=[f"{runs}/{more}"], minus=[f"{runs}/{less}"]
        )
        claim = Claim(says="", source="ours", contrasts=[contrast])
        return _difference(verdicts.decide(claim, self.numbers)[0])

    def figure(self, name: str, *words: str) -> str:
        """Return a figure with the command that draws it again, from all stages whose runs it
        shows.
        """
        stages = dict.fromkeys(stage for stage, _ in FIGURES[name].of)
        command = f"`make reproduce STAGE={','.join(stages)}`"
        if not set(stages) <= set(self.tables):
            return f"*Not run: {command}.*"
        return f"![{' '.join(words)}](reproduction/{name}.png)\n\n{command}"

    def cost(self) -> str:
        """Return how long the runs of each stage took, added up."""
        lines = ["| stage | runs | hours |", "|---|---|---|"]
        hours = {stage: float(rows["wall_s"].sum()) / 3600 for stage, rows in self.tables.items()}
        lines += [
            f"| {stage} | {len(self.tables[stage])} | {time:.2f} |" for stage, time in hours.items()
        ]
        total = sum(map(len, self.tables.values()))
        return "\n".join([*lines, f"| together | {total} | {sum(hours.values()):.2f} |"])


def _fits(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _told(name: str) -> str:
    return ", ".join(label(part) for part in name.split("/") if part != "all" and ":" not in part)


def _cell(values: pd.Series) -> str:
    found = interval(values.to_numpy(float))
    if not found.count:
        return ""
    if np.isnan(found.low) or found.low == found.high:
        return f"{found.mean:.4g}"
    return f"{found.mean:.4g} ({found.low:.4g} to {found.high:.4g})"


def _difference(found: Found) -> str:
    both = found.contrast.plus, found.contrast.minus
    apart = len({name.split("/")[1] for names in both for name in names}) > 1
    plus, minus = (_short(names, apart=apart) for names in both)
    name = f"{plus} − {minus}" if minus else plus
    if not found.interval.count:
        return f"{name}: not run"
    across = found.interval
    numbers = f"{across.mean:.3g} ({across.low:.3g} to {across.high:.3g}; {across.count})"
    return f"{name}: {numbers} {_SIGNS[found.verdict]}"


def _short(names: list[str], *, apart: bool) -> str:
    """Return the names of some runs; with their variant where that sets runs of one difference
    apart.
    """
    parts = [_told("/".join(name.split("/")[1 if apart else 2 :])) for name in names]
    return parts[0] if len(parts) == 1 else f"({' + '.join(parts)})" if parts else ""
