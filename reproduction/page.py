"""Page ``docs/reproduction.md``: prose of ``page.md``, numbers of the tables."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, final

import numpy as np
import pandas as pd

from analysis.groups import policy_name as label
from analysis.intervals import mean_interval
from reproduction import verdicts
from reproduction.figures import FIGURES
from reproduction.stages import POLICY
from reproduction.tables import groups
from reproduction.verdicts import Claim, ContrastResult

TEMPLATE: Final = Path(__file__).parent / "page.md"
_DIRECTIVE: Final = re.compile(r"^\{\{(\w+) ?([^}]*)\}\}$", re.MULTILINE)
_SIGNS: Final = {"held": "✓", "not held": "✗", "undecided": "?"}
_ORDER: Final = ("all_in", "algorithm1", "greedy", "aaba")
"""The paper's order of the policies, the best first."""


@final
@dataclass(frozen=True)
class Page:
    """Page of the stages' tables and the claims; it renders the directives of the template."""

    tables: Mapping[str, pd.DataFrame]
    claims: Mapping[str, Claim]

    def render(self, template: str) -> str:
        """Return the template with each ``{{directive arguments}}`` replaced."""
        directives: dict[str, Callable[..., str]] = {
            "claims": self.judged,
            "table": self.table,
            "ranking": self.ranking,
            "figure": self.figure,
            "cost": self.cost,
        }
        return _DIRECTIVE.sub(lambda match: directives[match[1]](*match[2].split()), template)

    def judged(self, *names: str) -> str:
        """Return the named claims with their verdicts; a name may end in a star."""
        chosen = [name for name in self.claims if any(_fits(name, pattern) for pattern in names)]
        lines = [
            "| claim | source | differences that must be positive (95 % interval, seeds) "
            "| verdict |",
            "|---|---|---|---|",
        ]
        for name in chosen:
            claim = self.claims[name]
            results = self.results(name)
            differences = "; ".join(_difference(entry) for entry in results) or "not run"
            run = any(entry.interval.seeds for entry in results)
            verdict = verdicts.combine([entry.verdict for entry in results]) if run else "not run"
            lines.append(f"| {claim.says} | {claim.source} | {differences} | **{verdict}** |")
        return "\n".join(lines)

    def results(self, name: str) -> list[ContrastResult]:
        """Return the results of a claim's contrasts."""
        return verdicts.decide(self.claims[name], self.numbers)

    def numbers(self, runs: str, measure: str) -> Mapping[int, float]:
        """Return a measure of each seed of the named runs; none if they were not run."""
        stage, _, rest = runs.partition("/")
        rows = groups(self.tables[stage]).get(rest) if stage in self.tables else None
        if rows is None or measure not in rows:
            return {}
        known = rows[measure].dropna()
        return dict(zip(known.index.astype(int), known.astype(float), strict=True))

    def table(self, stage: str, *names: str) -> str:
        """Return the means over seeds of columns of a table, with their 95 % intervals."""
        if stage not in self.tables:
            return "*Not run.*"
        lines = [f"| runs | seeds | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
        for name, rows in groups(self.tables[stage]).items():
            cells = [_cell(rows[column]) if column in rows else "" for column in names]
            lines.append(f"| {_label(name)} | {len(rows)} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def ranking(self, measure: str, *stages: str) -> str:
        """Return a measure of all policies per variant, and the differences of neighbours."""
        lines = [
            f"| variant | seeds | {measure}, largest first "
            "| difference of neighbours (95 % interval) |",
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
        differences = "; ".join(
            self._against(f"{stage}/{variant}", pair, measure) for pair in pairs
        )
        return f"| {stage}: {variant} | {rows['seed'].nunique()} | {order} | {differences} |"

    def _against(self, runs: str, pair: tuple[str, str], measure: str) -> str:
        more, less = pair
        contrast = verdicts.Contrast(
            measure=measure, plus=[f"{runs}/{more}"], minus=[f"{runs}/{less}"]
        )
        claim = Claim(says="", source="ours", contrasts=[contrast])
        return _difference(verdicts.decide(claim, self.numbers)[0])

    def figure(self, name: str, *words: str) -> str:
        """Return a figure with the command that draws it from all its stages."""
        stages = dict.fromkeys(stage for stage, _ in FIGURES[name].runs)
        command = f"`make reproduce STAGE={','.join(stages)}`"
        if not set(stages) <= set(self.tables):
            return f"*Not run: {command}.*"
        return f"![{' '.join(words)}](reproduction/{name}.png)\n\n{command}"

    def cost(self) -> str:
        """Return the total wall time of the runs of each stage."""
        lines = ["| stage | runs | hours |", "|---|---|---|"]
        hours = {stage: float(rows["wall_s"].sum()) / 3600 for stage, rows in self.tables.items()}
        lines += [
            f"| {stage} | {len(self.tables[stage])} | {time:.2f} |" for stage, time in hours.items()
        ]
        total = sum(map(len, self.tables.values()))
        return "\n".join([*lines, f"| together | {total} | {sum(hours.values()):.2f} |"])


def _fits(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _label(name: str) -> str:
    return ", ".join(label(part) for part in name.split("/") if part != "all" and ":" not in part)


def _cell(values: pd.Series) -> str:
    mean = mean_interval(values.to_numpy(float))
    if not mean.seeds:
        return ""
    if np.isnan(mean.low) or mean.low == mean.high:
        return f"{mean.estimate:.4g}"
    return f"{mean.estimate:.4g} ({mean.low:.4g} to {mean.high:.4g})"


def _difference(result: ContrastResult) -> str:
    both = (result.contrast.plus, result.contrast.minus)
    apart = len({name.split("/")[1] for names in both for name in names}) > 1
    plus, minus = (_short(names, apart=apart) for names in both)
    name = f"{plus} − {minus}" if minus else plus
    if not result.interval.seeds:
        return f"{name}: not run"
    interval = result.interval
    numbers = (
        f"{interval.estimate:.3g} ({interval.low:.3g} to {interval.high:.3g}; {interval.seeds})"
    )
    return f"{name}: {numbers} {_SIGNS[result.verdict]}"


def _short(names: list[str], *, apart: bool) -> str:
    """Return the names of runs, with their variants if the runs of one difference differ in it."""
    parts = [_label("/".join(name.split("/")[1 if apart else 2 :])) for name in names]
    return parts[0] if len(parts) == 1 else f"({' + '.join(parts)})" if parts else ""
