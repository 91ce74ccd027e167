"""``python -m reproduction``: run stages, judge the claims, write tables, figures and the page."""

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
    """Run the stages that are asked for and write what they came to; return the exit status.

    It is that of airtune where a call of it fails, 2 for an unknown stage, 1 where runs are
    missing.
    """
    plan = stages.read()
    given = _arguments(plan)
    names = list(plan.stages) if given.stage is None else given.stage.split(",")
    for name in names:
        if name not in plan.stages:
            known = ", ".join(plan.stages)
            print(f"--stage {name}: there is no such stage; there is {known}", file=sys.stderr)
            return 2
    if not given.only_write:
        for name in names:
            for command in stages.commands(plan, name, given.scale, RUNS, given.data, given.jobs):
                print(f"airtune {' '.join(command.arguments)}", file=sys.stderr)
                if status := _run(command):
                    return status
    # Only the scale for two cores has its tables in the repository.
    docs = DOCS if given.scale == "cpu" else RUNS / given.scale
    try:
        _write(plan, names, given.scale, docs)
    except tables.MissingRunsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(command: stages.Command) -> int:
    airtune = Path(sys.executable).parent / "airtune"
    return subprocess.run(
        [airtune, *command.arguments], stdout=subprocess.DEVNULL, check=False
    ).returncode


def _write(plan: stages.StagePlan, names: list[str], scale: stages.Scale, docs: Path) -> None:
    """Write the tables of some stages, the figures whose runs are there, and the page from all
    tables.
    """
    folder = docs / "reproduction"
    found: dict[str, Variants] = {}
    for name in names:
        found[name] = tables.variants(name, plan.stages[name], scale, RUNS)
        tables.write(tables.table(plan.stages[name], found[name]), folder / f"{name}.csv")
    for figure, drawing in FIGURES.items():
        needed = dict.fromkeys(stage for stage, _ in drawing.of)
        if set(needed) & set(names):
            with contextlib.suppress(
                tables.MissingRunsError
            ):  # another stage's, which nobody asked for
                for stage in needed:
                    if stage not in found:
                        found[stage] = tables.variants(stage, plan.stages[stage], scale, RUNS)
                figures.draw(figure, found, folder)
    kept = {path.stem: tables.read(path) for path in sorted(folder.glob("*.csv"))}
    page = Page(kept, verdicts.read()).render(TEMPLATE.read_text(encoding="utf-8"))
    (docs / "reproduction.md").write_text(page, encoding="utf-8")


def _arguments(plan: stages.StagePlan) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m reproduction", description=__doc__)
    known = ", ".join(plan.stages)
    parser.add_argument("--stage", metavar="A,B", help=f"stages to run; by default all: {known}")
    parser.add_argument("--scale", choices=("cpu", "full"), default="cpu")
    parser.add_argument(
        "--data", help="folder with local data; by default it comes from the Hugging Face hub"
    )
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument(
        "--only-write", action="store_true", help="run nothing; write what is there"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
