"""Command ``python -m reproduction``: run stages, judge claims, write tables and the page."""

import argparse
import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Final

from reproduction import figures, stages, tables, verdicts
from reproduction.figures import FIGURES, Variants
from reproduction.page import TEMPLATE, Page

RUNS: Final = Path("reproduction/runs")
DOCS: Final = Path("docs")


def main() -> int:
    """Run the requested stages, write their tables, figures and the page; return the exit status.

    The status is 0 on success, 2 for an unknown stage, 1 if runs are missing, and that of airtune
    if a call of it fails.
    """
    plan = stages.read()
    given = _arguments(plan)
    names = list(plan.stages) if given.stage is None else given.stage.split(",")
    for name in names:
        if name not in plan.stages:
            known = ", ".join(plan.stages)
            print(f"--stage {name}: there is no such stage; known here: {known}", file=sys.stderr)
            return 2
    if not given.only_write:
        for name in names:
            for command in stages.commands(
                plan, name, given.scale, runs=RUNS, data=given.data, jobs=given.jobs
            ):
                print(f"airtune {' '.join(command.arguments)}", file=sys.stderr)
                if status := _run(command):
                    return status
    # Only the scale for two cores has its tables in the repository.
    docs = DOCS if given.scale == "cpu" else RUNS / given.scale
    try:
        _write(plan, names, given.scale, docs=docs)
    except tables.MissingRunsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(command: stages.Command) -> int:
    airtune = Path(sys.executable).parent / "airtune"
    return subprocess.run(
        [airtune, *command.arguments], stdout=subprocess.DEVNULL, check=False
    ).returncode


def _write(plan: stages.StagePlan, names: list[str], scale: stages.Scale, *, docs: Path) -> None:
    """Write the tables of the stages, their figures if all runs exist, and the page."""
    folder = docs / "reproduction"
    variants: dict[str, Variants] = {}
    for name in names:
        variants[name] = tables.variants(name, plan.stages[name], scale, runs=RUNS)
        tables.write(tables.table(plan.stages[name], variants[name]), folder / f"{name}.csv")
    for figure, drawing in FIGURES.items():
        needed = dict.fromkeys(stage for stage, _ in drawing.runs)
        if set(needed) & set(names):
            # A figure may need the runs of a stage that was not requested.
            with contextlib.suppress(tables.MissingRunsError):
                for stage in needed:
                    if stage not in variants:
                        variants[stage] = tables.variants(
                            stage, plan.stages[stage], scale, runs=RUNS
                        )
                figures.draw(figure, variants, folder)
    page = Page(tables.read_all(folder), verdicts.read(), plan)
    text = page.render(TEMPLATE.read_text(encoding="utf-8"))
    (docs / "reproduction.md").write_text(text, encoding="utf-8")


def _arguments(plan: stages.StagePlan) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m reproduction", description=__doc__)
    known = ", ".join(plan.stages)
    parser.add_argument("--stage", metavar="A,B", help=f"stages to run (default: all): {known}")
    parser.add_argument("--scale", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--data", help="folder with local data (default: the Hugging Face hub)")
    parser.add_argument("--jobs", type=int, default=2, help="number of parallel runs")
    parser.add_argument(
        "--only-write", action="store_true", help="run nothing; write tables, figures and page"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
