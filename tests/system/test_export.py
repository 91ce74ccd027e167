"""Exported adapters: logits in a process without airtune, the files, and refusals."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from markdown_it import MarkdownIt
from safetensors.torch import load_file, save_file
from support.small_runs import ROOT, learner_table, network, stop_after
from support.tiny_models import TEXT, save_model, save_pictures
from torch import Tensor

import airtune
from coupling import RunError, ScenarioError
from coupling.cli import main
from coupling.scenario.errors import Interrupted
from learner import split_learner

DEVICES = 5
CASES: dict[str, dict[str, object]] = {
    "bert": {},
    "roberta": {"pooling": "cls_mean", "heads": {"init": "equal"}},
    "distilbert": {"pooling": "mean", "lora": {"rank": 3, "alpha": 5, "rslora": True}},
    "vit": {"pooling": "mean"},
    "electra": {"pooling": "cls"},
    "mpnet": {},
    "deit": {},
    "dinov2": {"pooling": "cls_mean"},
}


class LastEvaluation:
    """Logits of every device and the labels, as the last evaluation of a run saw them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.logits: dict[str, Tensor] = {}
        self.labels: dict[str, Tensor] = {}
        self.name = ""
        evaluate = split_learner.evaluate

        def recorded(bank: Any, device_count: int, pooled: Tensor, labels: Tensor) -> object:
            stack = bank.stack(range(device_count))
            copies = pooled.expand(device_count, -1, -1)
            self.logits[self.name] = stack.logits(copies).detach()
            self.labels[self.name] = labels
            return evaluate(bank, device_count, pooled, labels=labels)

        monkeypatch.setattr(split_learner, "evaluate", recorded)


def learner_of(folder: Path, kind: str) -> dict[str, object]:
    """Return a ``[learner]`` table with a tiny model of a kind, and write what it needs."""
    folder.mkdir()
    table = learner_table(folder)
    if kind == "bert":
        return table
    table |= {"model": str(save_model(folder / kind, kind)), "lora": {"rank": 2, "alpha": 4}}
    if kind not in TEXT:
        table["data"] = {"path": str(save_pictures(folder / "pictures"))}
    return table


def samples_of(table: Any) -> dict[str, list[str]]:
    """Return the test texts and the test pictures in hexadecimal digits."""
    data = Path(table["data"]["path"])
    if (data / "test.parquet").exists():
        images = pd.read_parquet(data / "test.parquet").img
        return {"texts": [], "pictures": [image["bytes"].hex() for image in images]}
    return {"texts": pd.read_parquet(data / "validation.parquet").sentence.tolist(), "pictures": []}


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LastEvaluation]:
    """Return the folder of runs and exports of every case, and their last evaluations."""
    folder = tmp_path_factory.mktemp("exports")
    jobs = {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        last = LastEvaluation(monkeypatch)
        for kind, changes in CASES.items():
            last.name = kind
            table = learner_of(folder / kind, kind) | changes
            scenario = network(folder / kind, rounds=4, every=None, learner=table)
            airtune.run(scenario, folder / kind / "run")
            airtune.export(folder / kind / "run", folder / kind / "export", merge=kind == "bert")
            place = str(folder / kind / "export")
            jobs[kind] = {"folder": place, "devices": DEVICES, **samples_of(table)}
    (folder / "jobs.json").write_text(json.dumps(jobs))
    script = ROOT / "tests" / "support" / "load_exports.py"
    done = subprocess.run(
        [sys.executable, str(script), "jobs.json", "logits.safetensors"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder, last


@pytest.mark.parametrize("kind", CASES)
def test_an_export_has_the_logits_and_accuracy_of_the_last_evaluation(
    exports: tuple[Path, LastEvaluation], kind: str
) -> None:
    folder, last = exports
    logits = load_file(folder / "logits.safetensors")[kind]
    expected = last.logits[kind]
    evaluation = airtune.load(folder / kind / "run").evaluations.iloc[-1]
    correct = (logits.argmax(2) == last.labels[kind]).double().mean(1)

    assert logits.shape == expected.shape == (DEVICES, 30, 3)
    assert (logits - expected).abs().max() < 1e-5
    assert expected.abs().max() > 0.01
    assert torch.equal(logits.argmax(2), expected.argmax(2))
    assert correct.mean().item() == pytest.approx(evaluation.accuracy, abs=1e-12)
    assert evaluation["round"] == 4


def test_an_export_has_the_files_of_peft_and_a_card(exports: tuple[Path, LastEvaluation]) -> None:
    folder, _ = exports
    export = folder / "bert" / "export"
    config = json.loads((export / "adapter_config.json").read_text())
    heads = load_file(export / "heads.safetensors")
    card = (export / "README.md").read_text()
    run = airtune.load(folder / "bert" / "run")

    assert {path.name for path in export.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "heads.safetensors",
        "load.py",
        "README.md",
        "merged",
    }
    assert config["peft_type"] == "LORA"
    assert (config["r"], config["lora_alpha"]) == (2, 4)
    assert set(heads) == {f"{k}.{part}" for k in range(DEVICES) for part in ("weight", "bias")}
    assert run.provenance["scenario_sha256"] in card
    assert f"{run.evaluations.accuracy.iloc[-1]:.2%}" in card
    assert f"{run.rounds.energy_j.sum():,.4g} J" in card


def test_the_model_card_escapes_what_markdown_reads(
    exports: tuple[Path, LastEvaluation], tmp_path: Path
) -> None:
    folder, _ = exports
    shutil.copytree(folder / "bert" / "run", tmp_path / "run")
    path = tmp_path / "run" / "provenance.json"
    facts = json.loads(path.read_text()) | {"scenario": "br[1]:x|<b>`_*\n"}
    path.write_text(json.dumps(facts))

    assert main(["export", str(tmp_path / "run"), str(tmp_path / "a[1]`b")]) == 0

    tokens = MarkdownIt().enable("table").parse((tmp_path / "a[1]`b" / "README.md").read_text())
    texts = ["".join(t.content for t in token.children or ()) for token in tokens]
    assert "br[1]:x|<b>`_*\\n" in texts
    assert any(
        'PeftModel.from_pretrained(AutoModel.from_pretrained(...), "a[1]`b")' in t for t in texts
    )
    assert any(t.startswith("br[1]:x|<b>`_*\\n, digest ") for t in texts)


def test_the_merged_model_has_the_adapter_in_its_weights(
    exports: tuple[Path, LastEvaluation],
) -> None:
    folder, _ = exports
    export = folder / "bert" / "export"
    name = "encoder.layer.1.attention.self.query"
    matrices = load_file(export / "adapter_model.safetensors")
    down, up = (matrices[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
    base = load_file(folder / "bert" / "model" / "model.safetensors")[f"{name}.weight"]
    merged = load_file(export / "merged" / "model.safetensors")[f"{name}.weight"]

    assert torch.allclose(merged, base + 4 / 2 * up @ down, atol=1e-6)
    assert (merged - base).abs().max() > 1e-4


def test_a_run_begins_from_an_exported_adapter(
    exports: tuple[Path, LastEvaluation], tmp_path: Path
) -> None:
    folder, _ = exports
    export = folder / "bert" / "export"
    (tmp_path / "new").mkdir()
    table = learner_table(tmp_path / "new")
    lora = {**table["lora"], "frozen": True, "start": str(export)}  # type: ignore[dict-item]
    airtune.run(network(tmp_path, rounds=1, learner=table | {"lora": lora}), tmp_path / "run")

    again = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    before = load_file(export / "adapter_model.safetensors")

    assert set(again) == set(before)
    assert all(torch.equal(again[name], before[name]) for name in before)


def test_a_run_that_was_interrupted_keeps_the_adapter_of_one_that_was_not(
    exports: tuple[Path, LastEvaluation], tmp_path: Path
) -> None:
    folder, _ = exports
    scenario = airtune.Scenario.load(folder / "bert" / "small.toml")
    note, stop = stop_after(2)
    with pytest.raises(Interrupted):
        airtune.run(scenario, tmp_path / "run", on_round=note, stop=stop)
    assert not (tmp_path / "run" / "adapter").exists()
    (tmp_path / "run" / "adapter.new").mkdir()
    airtune.resume(tmp_path / "run")

    for name in ("adapter_config.json", "adapter_model.safetensors", "heads.safetensors"):
        kept = (tmp_path / "run" / "adapter" / name).read_bytes()
        assert kept == (folder / "bert" / "run" / "adapter" / name).read_bytes()
    assert not (tmp_path / "run" / "adapter.new").exists()


def test_a_network_run_keeps_no_adapter_and_its_export_is_refused(tmp_path: Path) -> None:
    airtune.run(network(tmp_path), tmp_path / "run")

    assert not (tmp_path / "run" / "adapter").exists()
    with pytest.raises(ScenarioError, match="has no adapter"):
        airtune.export(tmp_path / "run", tmp_path / "export")
    assert not (tmp_path / "export").exists()


def without_state(run: Path) -> None:
    facts = json.loads((run / "provenance.json").read_text())
    (run / "provenance.json").write_text(json.dumps(facts | {"state": "interrupted"}))


def killed(run: Path) -> None:
    facts = json.loads((run / "provenance.json").read_text())
    (run / "provenance.json").write_text(json.dumps(facts | {"state": "running"}))


def with_unknown_input(run: Path) -> None:
    path = run / "adapter" / "heads.safetensors"
    facts = {"devices": 5, "inputs": ["__import__"], "special_tokens": 0, "trained": 5}
    save_file(load_file(path), path, {"airtune": json.dumps(facts)})


def with_infinite_head(run: Path) -> None:
    path = run / "adapter" / "heads.safetensors"
    save_file({"0.weight": torch.full((3, 16), np.inf), "0.bias": torch.zeros(3)}, path)


def with_model_code(run: Path) -> None:
    path = run / "scenario.toml"
    path.write_text(path.read_text().replace('pooling = "pooler"', 'pooling = "import os"'))


DAMAGES: dict[str, tuple[Callable[[Path], object], str, int]] = {
    "no run": (shutil.rmtree, "is not a run directory", 2),
    "not finished": (without_state, "is interrupted, not finished; continue it with", 2),
    "killed": (killed, "is stopped, not finished; continue it with", 2),
    "no adapter": (lambda run: shutil.rmtree(run / "adapter"), "has no adapter", 2),
    "cut off": (
        lambda run: (run / "adapter" / "adapter_model.safetensors").write_bytes(b"\x80\x04"),
        "adapter_model.safetensors: is missing or damaged",
        1,
    ),
    "no configuration": (
        lambda run: (run / "adapter" / "adapter_config.json").write_text("[]"),
        "adapter_config.json: is no table",
        1,
    ),
    "unknown input": (with_unknown_input, "heads.safetensors: is no file of heads", 1),
    "infinite": (with_infinite_head, "0.weight has a value that is not a finite number", 1),
    "pooling": (with_model_code, "learner.pooling: is not allowed", 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_refused_in_one_line_and_nothing_is_written(
    exports: tuple[Path, LastEvaluation],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: str,
) -> None:
    folder, _ = exports
    change, text, status = DAMAGES[damage]
    shutil.copytree(folder / "bert" / "run", tmp_path / "run")
    change(tmp_path / "run")

    assert main(["export", str(tmp_path / "run"), str(tmp_path / "export")]) == status

    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("*export*"))


def test_a_hostile_run_directory_executes_nothing(
    exports: tuple[Path, LastEvaluation], tmp_path: Path
) -> None:
    """The model's name is code, and the scheduler names a module beside the scenario."""
    folder, _ = exports
    run = tmp_path / "run"
    shutil.copytree(folder / "bert" / "run", run)
    target = tmp_path / "exploded"
    code = f"open({str(target)!r}, 'w')"
    (tmp_path / "evil.py").write_text(code)
    facts = json.loads((run / "provenance.json").read_text())
    name = f'x"\n{code}\n"""|<b>'
    facts |= {"scenario_folder": str(tmp_path), "scenario": name}
    (run / "provenance.json").write_text(json.dumps(facts))
    text = (run / "scenario.toml").read_text()
    model = json.dumps(f'x\'"""\n{code}\n')
    text = text.replace('kind = "algorithm1"', 'kind = "evil:Policy"')
    text = re.sub("^model = .*$", lambda _: f"model = {model}", text, flags=re.MULTILINE)
    (run / "scenario.toml").write_text(text)
    config = json.loads((run / "adapter" / "adapter_config.json").read_text())
    config |= {"auto_mapping": {"base_model_class": "evil", "parent_library": "evil"}}
    (run / "adapter" / "adapter_config.json").write_text(json.dumps(config))

    airtune.export(run, tmp_path / "export")
    exported = json.loads((tmp_path / "export" / "adapter_config.json").read_text())
    compiled = compile((tmp_path / "export" / "load.py").read_text(), "load.py", "exec")

    assert exported["auto_mapping"] is None
    assert f'x\'"""\n{code}\n' in compiled.co_consts
    assert not target.exists()


def test_an_export_into_a_directory_that_is_not_empty_is_refused(
    exports: tuple[Path, LastEvaluation],
) -> None:
    folder, _ = exports
    before = (folder / "bert" / "export" / "README.md").read_bytes()

    with pytest.raises(ScenarioError, match="is not empty; name a new directory"):
        airtune.export(folder / "bert" / "run", folder / "bert" / "export")

    assert (folder / "bert" / "export" / "README.md").read_bytes() == before


def test_a_push_uploads_the_folder(
    exports: tuple[Path, LastEvaluation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    class Hub:
        def create_repo(self, name: str, *, exist_ok: bool) -> str:
            return f"https://hub/{name}"

        def upload_folder(self, *, repo_id: str, folder_path: Path) -> None:
            calls.append((repo_id, sorted(path.name for path in folder_path.iterdir())))

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    run = exports[0] / "bert" / "run"
    airtune.export(run, tmp_path / "export", push="alice/reviews")

    ((repository, files),) = calls
    assert repository == "alice/reviews"
    assert {"README.md", "adapter_config.json", "load.py"} <= set(files)


def test_a_push_without_a_network_names_the_complete_folder(
    exports: tuple[Path, LastEvaluation], tmp_path: Path
) -> None:
    run = exports[0] / "bert" / "run"

    with pytest.raises(RunError, match=r"--push alice/reviews: .*; .*export is complete"):
        airtune.export(run, tmp_path / "export", push="alice/reviews")
    with pytest.raises(ScenarioError, match="is not OWNER/NAME"):
        airtune.export(run, tmp_path / "other", push="reviews")

    assert (tmp_path / "export" / "load.py").is_file()
    assert not (tmp_path / "other").exists()
