"""Long fuzz run, ``make fuzz``: mutants for a stated time in two processes, counts and findings.

``python -m support.fuzz_run SECONDS FOLDER`` writes ``FOLDER/summary.json`` and two files per
finding: ``NAME.json`` and the scene ``NAME.tar.gz``. ``python -m support.fuzz_run again NAME.json``
runs the command of a finding once more. The exit status is 1 if there is a finding.
"""

import json
import multiprocessing
import re
import secrets
import shutil
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from support.fuzz import Fuzzer, Trial
from support.fuzz_kinds import LEARNING_KINDS

PROCESSES = 2
_KEPT = 3
"""Number of findings with one signature that are stored; all are counted."""
_REPORT_S = 60.0


def main(arguments: list[str]) -> int:
    """Run for a time, or repeat a finding; return the exit status."""
    if arguments[:1] == ["again"]:
        return again(Path(arguments[1]))
    seconds, folder = float(arguments[0]), Path(arguments[1]).resolve()
    seed = int(arguments[2]) if len(arguments) > 2 else secrets.randbelow(10**6)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "findings").mkdir(parents=True)
    deadline = time.monotonic() + seconds
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_work, args=(folder, number, seed, deadline))
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        processes[0].join(min(_REPORT_S, max(1.0, deadline - time.monotonic())))
        mutants = sum(_total(folder)["mutants"].values())
        print(f"{mutants:,} mutants, {len(_findings(folder))} findings stored", flush=True)
        for process in processes:
            process.join(1.0)
    total = _total(folder) | {"seed": seed, "seconds": seconds}
    total["exit_codes"] = [process.exitcode for process in processes]
    (folder / "summary.json").write_text(json.dumps(total, indent=2))
    print(_summary(total, folder))
    if any(total["exit_codes"]):
        print(f"the processes ended with {total['exit_codes']}")
    return 1 if total["signatures"] or any(total["exit_codes"]) else 0


def again(path: Path) -> int:
    """Run the command of a finding in its scene once more."""
    finding = json.loads(path.read_text())
    root = Path(finding["root"])
    if root.parent.exists():
        print(f"{root.parent}: exists; a fuzz run works there, or another one has left it")
        return 2
    with Fuzzer(root.parent, learning=finding["learning"]) as fuzzer:
        shutil.rmtree(root, ignore_errors=True)
        with tarfile.open(path.with_suffix(".tar.gz")) as archive:
            archive.extractall(root, filter="fully_trusted")
        trial = fuzzer.run(finding["kind"], tuple(finding["command"]))
    shutil.rmtree(root.parent)
    print(trial.end.out, trial.end.err, sep="\n")
    print(f"{' '.join(trial.command)}: status {trial.end.status}, problems: {trial.problems}")
    return 1 if trial.problems else 0


def _work(folder: Path, number: int, seed: int, deadline: float) -> None:
    """Run mutants of all kinds in turn until the time is over; write counts after each round."""
    counts: dict[str, Counter[str]] = {
        "mutants": Counter(),
        "statuses": Counter(),
        "signatures": Counter(),
    }
    place = _scratch() / f"airtune-fuzz-{seed}-{number}"
    with Fuzzer(place, learning=True) as fuzzer:
        index = number
        while time.monotonic() < deadline:
            for kind in LEARNING_KINDS:
                if time.monotonic() >= deadline:
                    break
                trial = _trial(fuzzer, kind, f"{seed}:{index}:{kind}", folder=folder, counts=counts)
                counts["mutants"][f"{kind} | {trial.command[0]}"] += 1
                stopped = " after a request to stop" if trial.end.stopped else ""
                counts["statuses"][f"{trial.command[0]} | {trial.end.status}{stopped}"] += 1
                partial = folder / f"{number}.partial"
                partial.write_text(json.dumps(counts))
                partial.replace(folder / f"counts-{number}.json")
            index += PROCESSES
    shutil.rmtree(place, ignore_errors=True)


def _scratch() -> Path:
    """Return a folder in memory, where the system has one: airtune waits for the disk."""
    shared = Path("/dev/shm")
    return shared if shared.is_dir() else Path(tempfile.gettempdir())


def _trial(
    fuzzer: Fuzzer, kind: str, name: str, *, folder: Path, counts: dict[str, Counter[str]]
) -> Trial:
    """Carry out a trial; store the scene before the command if there is a problem."""
    command = fuzzer.mutate(kind, Random(name))
    trial = fuzzer.run(kind, command)
    if trial.problems:
        signature = _signature(trial)
        counts["signatures"][signature] += 1
        if counts["signatures"][signature] <= _KEPT:
            fuzzer.mutate(kind, Random(name))
            _store(fuzzer, trial, name, folder / "findings", signature=signature)
    return trial


def _store(fuzzer: Fuzzer, trial: Trial, name: str, folder: Path, *, signature: str) -> None:
    """Write the files that reproduce a finding."""
    stem = re.sub(r"[^a-z0-9]+", "-", name)
    with tarfile.open(folder / f"{stem}.tar.gz", "w:gz") as archive:
        archive.add(fuzzer.scene.root, arcname=".")
    document: dict[str, Any] = {
        "signature": signature,
        "kind": trial.kind,
        "command": trial.command,
        "draws": name,
        "root": str(fuzzer.scene.root),
        "learning": True,
        "problems": trial.problems,
        "status": trial.end.status,
        "out": trial.end.out[-5_000:],
        "err": trial.end.err[-5_000:],
        "peak_bytes": trial.end.peak_bytes,
    }
    (folder / f"{stem}.json").write_text(json.dumps(document, indent=2))


def _signature(trial: Trial) -> str:
    """Return the text that findings of one cause share."""
    frames = re.findall(r'File "[^"]*/([^"/]+/[^"/]+)", line (\d+)', trial.end.err)
    last = (trial.end.err.strip().splitlines() or [""])[-1]
    text = f"{':'.join(frames[-1])} {last[:60]}" if frames else re.sub(r"\d+", "N", last)[:80]
    problems = re.sub(r"\d[\d,]*", "N", "; ".join(trial.problems))[:120]
    return f"{trial.command[0]} | {problems} | {text}"


def _findings(folder: Path) -> list[Path]:
    return sorted((folder / "findings").glob("*.json"))


def _total(folder: Path) -> dict[str, Any]:
    """Return the counts of all processes."""
    total: dict[str, Counter[str]] = {
        "mutants": Counter(),
        "statuses": Counter(),
        "signatures": Counter(),
    }
    for path in sorted(folder.glob("counts-*.json")):
        counts = json.loads(path.read_text())
        for name, entries in counts.items():
            total[name].update(entries)
    return {name: dict(sorted(entries.items())) for name, entries in total.items()}


def _summary(total: dict[str, Any], folder: Path) -> str:
    """Return the counts as a table in Markdown: a row per kind, a column per command."""
    cells = {tuple(key.split(" | ")): count for key, count in total["mutants"].items()}
    commands = sorted({command for _, command in cells})
    kinds = [kind for kind in LEARNING_KINDS if any(name == kind for name, _ in cells)]
    rows = [f"| kind | {' | '.join(commands)} |", "|---" * (len(commands) + 1) + "|"]
    rows += [
        f"| {kind} | {' | '.join(str(cells.get((kind, name), 0)) for name in commands)} |"
        for kind in kinds
    ]
    signatures = [f"{count} x {text}" for text, count in total["signatures"].items()]
    statuses = [f"{key}: {count}" for key, count in total["statuses"].items()]
    return "\n".join(
        [
            *rows,
            *statuses,
            f"{sum(total['mutants'].values()):,} mutants in {total['seconds']:g} s, "
            f"seed {total['seed']}: {len(signatures)} findings in {folder / 'findings'}",
            *signatures,
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
