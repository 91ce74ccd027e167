"""``python -m reproduction``: run stages, judge the claims, write the page."""

import argparse
import subprocess
import sys
from pathlib import Path

from reproduction import stages

RUNS = Path("reproduction/runs")


def main() -> int:
    """Run the stages that are asked for; return airtune's exit status, that of the first call that failed."""
    plan = stages.read()
    given = _arguments(plan)
    names = list(plan.stages) if given.stage is None else given.stage.split(",")
    for name in names:
        if name not in plan.stages:
            print(
                f"STAGE = {name}: there is no such stage; there is {', '.join(plan.stages)}", file=sys.stderr
            )
            return 2
    for name in names:
        for command in stages.commands(plan, name, given.scale, RUNS, given.data, given.jobs):
            print(f"{name}, {command.variant}: airtune {' '.join(command.arguments)}", file=sys.stderr)
            status = _run(command)
            if status:
                return status
    return 0


def _run(command: stages.Command) -> int:
    airtune = Path(sys.executable).parent / "airtune"
    return subprocess.run([airtune, *command.arguments], stdout=subprocess.DEVNULL, check=False).returncode


def _arguments(plan: stages.Plan) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m reproduction", description=__doc__)
    parser.add_argument(
        "--stage", metavar="A,B", help=f"stages to run; by default all: {', '.join(plan.stages)}"
    )
    parser.add_argument("--scale", choices=("cpu", "full"), default="cpu")
    parser.add_argument(
        "--data", help="folder with local data; by default it comes from the Hugging Face hub"
    )
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
