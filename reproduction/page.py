"""Page ``docs/reproduction.md``: prose of ``page.md``, numbers of the tables."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Final, final

import pandas as pd

from analysis.groups import policy_name as label
from reproduction import verdicts
from reproduction.cells import cell, coverages, difference, estimate, judged, runs_label
from reproduction.figures import FIGURES
from reproduction.laws import delay_law
from reproduction.stages import POLICY, StagePlan
from reproduction.tables import groups
from reproduction.verdicts import Claim, ClaimResult, Contrast

TEMPLATE: Final = Path(__file__).parent / "page.md"
_DIRECTIVE: Final = re.compile(r"^\{\{(\w+) ?([^}]*)\}\}$", re.MULTILINE)
_ORDER: Final = ("all_in", "algorithm1", "greedy", "aaba")
"""The paper's order of the policies, the best first."""


@final
@dataclass(frozen=True)
class Page:
    """Page of the stages' tables and the claims; it renders the directives of the template."""

    tables: Mapping[str, pd.DataFrame]
    claims: Mapping[str, Claim]
    plan: StagePlan

    def render(self, template: str) -> str:
        """Return the template with each ``{{directive arguments}}`` replaced."""
        directives: dict[str, Callable[..., str]] = {
            "claims": self.judged,
            "table": self.table,
            "ranking": self.ranking,
            "order": self.order,
            "figure": self.figure,
            "cost": self.cost,
        }
        return _DIRECTIVE.sub(lambda match: directives[match[1]](*match[2].split()), template)

    @cached_property
    def results(self) -> dict[str, ClaimResult]:
        """Results of all claims, each judged within its family."""
        return verdicts.judge(self.claims, self.numbers)

    def judged(self, *names: str) -> str:
        """Return the claims of some families, or of all but those of dropped runs."""
        lines = [
            "| family | claim | source | differences that must be positive (95 % interval; "
            "seeds; coverage) | p | smallest difference, simultaneous | verdict |",
            "|---|---|---|---|---|---|---|",
        ]
        for result in self.results.values():
            claim = result.claim
            if (claim.earlier is None) is ("earlier" in names):
                continue
            differences = "; ".join(map(difference, result.contrasts))
            lines.append(
                f"| {claim.family} | {claim.says} | {claim.source} | {differences} "
                f"| {judged(result)} |"
            )
        return "\n".join(lines)

    def numbers(self, runs: str, measure: str) -> Mapping[int, float]:
        """Return a measure of each seed of the named runs; none if they were not run."""
        stage, _, rest = runs.partition("/")
        rows = groups(self.tables[stage]).get(rest) if stage in self.tables else None
        if rows is None or measure not in rows:
            return {}
        known = rows[measure].dropna()
        return dict(zip(known.index.astype(int), known.astype(float), strict=True))

    def table(self, stage: str, *names: str) -> str:
        """Return the estimates over seeds of columns of a table, with their 95 % intervals."""
        if stage not in self.tables:
            return "*Not run.*"
        lines = [f"| runs | seeds | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
        columns = []
        for name, rows in groups(self.tables[stage]).items():
            law = delay_law(self.plan, stage, name.split("/")[0], rows)
            intervals = [estimate(column, rows, law) for column in names]
            columns.append(intervals)
            lines.append(
                f"| {runs_label(name)} | {len(rows)} | {' | '.join(map(cell, intervals))} |"
            )
        reached = " | ".join(coverages(column) for column in zip(*columns, strict=True))
        return "\n".join([*lines, f"| *coverage* | | {reached} |"])

    def ranking(self, measure: str, *stages: str) -> str:
        """Return a measure of all policies per variant, and the verdicts on their order.

        All claims of the table are one family: per variant the paper's order, and that the optimum
        of P1 has more than Algorithm 1.
        """
        claims = {
            f"{stage}/{variant}/{claim.says}": claim
            for stage, variant in self._places(stages)
            for claim in self._order_claims(stage, variant, measure)
        }
        results = verdicts.judge(claims, self.numbers)
        lines = [
            f"| variant | seeds | {measure}, largest first | claim "
            "| differences (95 % interval; seeds; coverage) | p "
            "| smallest difference, simultaneous | verdict |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for name, result in results.items():
            stage, variant, _ = name.split("/", 2)
            differences = "; ".join(map(difference, result.contrasts))
            lines.append(
                f"| {self._ranked(stage, variant, measure)} | {result.claim.says} | {differences} "
                f"| {judged(result)} |"
            )
        return "\n".join(lines)

    def order(self, measure: str, *stages: str) -> str:
        """Return a measure of all policies per variant, and its differences without a verdict."""
        lines = [
            f"| variant | seeds | {measure}, largest first "
            "| differences (95 % interval; seeds; coverage) |",
            "|---|---|---|---|",
        ]
        for stage, variant in self._places(stages):
            results = [
                result
                for claim in self._order_claims(stage, variant, measure)
                for result in verdicts.decide(claim, self.numbers)
            ]
            differences = "; ".join(map(difference, results))
            lines.append(f"| {self._ranked(stage, variant, measure)} | {differences} |")
        return "\n".join(lines)

    def _places(self, stages: Sequence[str]) -> list[tuple[str, str]]:
        """Return the variants of stages that have a table."""
        return [
            (stage, str(variant))
            for stage in stages
            if stage in self.tables
            for variant in dict.fromkeys(self.tables[stage]["variant"])
        ]

    def _ranked(self, stage: str, variant: str, measure: str) -> str:
        rows = self.tables[stage]
        rows = rows[rows["variant"] == variant]
        means = rows.groupby(POLICY)[measure].mean().sort_values(ascending=False)
        order = " > ".join(f"{label(policy)} {mean:.4g}" for policy, mean in means.items())
        return f"{stage}: {variant} | {rows['seed'].nunique()} | {order}"

    def _order_claims(self, stage: str, variant: str, measure: str) -> list[Claim]:
        rows = self.tables[stage]
        policies = set(rows.loc[rows["variant"] == variant, POLICY])
        orders = [
            [policy for policy in _ORDER if policy in policies],
            [policy for policy in ("exact", "algorithm1") if policy in policies],
        ]
        return [
            Claim(
                says=" > ".join(map(label, order)),
                source="ours",
                family="ranking",
                contrasts=[
                    Contrast(
                        measure=measure,
                        plus=[f"{stage}/{variant}/{more}"],
                        minus=[f"{stage}/{variant}/{less}"],
                    )
                    for more, less in pairwise(order)
                ],
            )
            for order in orders
            if len(order) > 1
        ]

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
