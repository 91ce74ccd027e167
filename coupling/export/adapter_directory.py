"""Adapter directory: a finished run's adapter in peft's format, with heads, loader and card."""

import os
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from coupling.export.model_card import MODEL_CARD, CardFacts, model_card
from coupling.files import documents
from coupling.run_directory.layout import ADAPTER, PROVENANCE, SCENARIO, refuse_links_in_run
from coupling.run_directory.provenance import read_facts
from coupling.run_directory.status import run_status
from coupling.scenario.errors import RunError, ScenarioError, os_error_text
from coupling.simulation.result import RunResult
from learner.errors import LearnerInputError, StateError, require_docstrings
from learner.settings import LearnerSettings

MERGED: Final = "merged"
"""Folder of the merged model, within that of the export."""
_MODEL_KEYS: Final = ("model", "pooling", "max_tokens", "precision")
"""Keys of the learner that an export depends on."""
_CODED_LEGS: Final = ("default", "embedding", "feature")
"""Keys of codecs that change the features of an evaluation."""

Summarise = Callable[[Path], Mapping[str, Any]]
"""Returns the summary of a run directory; raises ValueError where it cannot be read."""


def export_adapter(
    run: Path, folder: Path, *, summarise: Summarise, merge: bool = False
) -> list[Path]:
    """Write what a finished run has learned into a new or empty folder; return the files.

    The files are ``adapter_config.json``, ``adapter_model.safetensors``, ``heads.safetensors``,
    ``load.py`` and ``README.md``; with ``merge`` the base model with merged weights, too. The
    folder is complete or absent. Nothing that the run directory names is imported or executed.

    Raises:
        ScenarioError: it is no finished run, it has no adapter, or the folder cannot be written.
        RunError: a file of the run is damaged, or does not fit the base model.
    """
    facts = _finished(run)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ScenarioError(f"{folder}: is not empty; name a new directory")
    if not (run / ADAPTER).is_dir():
        raise ScenarioError(
            f"{run}: has no adapter: it was run without learning, or by a version that kept none; "
            "run the scenario anew"
        )
    refuse_links_in_run(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True
        ) as scratch:
            place = Path(scratch) / "export"
            place.mkdir()
            _write(place, run, facts, folder=folder, summarise=summarise, merge=merge)
            os.replace(place, folder)
    except OSError as error:
        raise ScenarioError(f"{folder}: cannot be written: {os_error_text(error)}") from None
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _write(
    place: Path,
    run: Path,
    facts: Mapping[str, Any],
    *,
    folder: Path,
    summarise: Summarise,
    merge: bool,
) -> None:
    """Write all files of the export of a run into ``place``."""
    try:
        require_docstrings()
    except LearnerInputError as error:
        raise ScenarioError(f"{run / SCENARIO}: {error}") from None
    from learner.adapter_files import read_adapter, read_heads, write_adapter
    from learner.adapter_files.head_file import write_all_heads
    from learner.adapter_files.loader import LOADER, loader
    from learner.adapter_files.merge import write_merged
    from learner.adapter_files.peft_format import public_name

    tables = _scenario(run)
    settings = _settings(run, tables)
    try:
        updates = read_adapter(run / ADAPTER)
        heads = read_heads(run / ADAPTER)
        write_adapter(place, updates, settings.model)
        write_all_heads(place, heads)
        text = loader(settings, heads.inputs, heads.special_tokens)
        (place / LOADER).write_text(text, encoding="utf-8")
        if merge:
            write_merged(place / MERGED, updates, settings)
        evaluations = RunResult(run).arrow("evaluations").to_pylist()
        summary = summarise(run)
    except LearnerInputError as error:
        raise ScenarioError(f"{run / SCENARIO}: {error}") from None
    except (StateError, ValueError) as error:
        raise RunError(str(error)) from None
    data = tables["learner"].get("data", {})
    columns = data.get("columns") or {}
    card = CardFacts(
        provenance=facts,
        summary=summary,
        evaluation=evaluations[-1] if evaluations else None,
        model=public_name(settings.model),
        data=data.get("name") or Path(str(data.get("path", ""))).name,
        classes=columns.get("classes") or (),
        protocol=str(dict(tables.get("protocol", {})).get("kind")),
        rank=max(update.rank for update in updates.values()),
        device_count=heads.device_count,
        trained=heads.trained_count,
        images="pixel_values" in heads.inputs,
        coded=any(leg in tables["learner"].get("codec", {}) for leg in _CODED_LEGS),
    )
    (place / MODEL_CARD).write_text(model_card(folder, card), encoding="utf-8")


def _finished(run: Path) -> dict[str, Any]:
    """Return the provenance of a finished run.

    Raises:
        ScenarioError: it is no run directory, or the run is not finished.
        RunError: the provenance is damaged.
    """
    if not (run / PROVENANCE).is_file():
        raise ScenarioError(f"{run}: is not a run directory: it has no {PROVENANCE}")
    facts = read_facts(run)
    state = run_status(str(run)).state
    if state != "finished":
        remedy = "wait until it ends" if state == "running" else "continue it with airtune resume"
        raise ScenarioError(f"{run}: is {state}, not finished; {remedy}")
    return facts


def _scenario(run: Path) -> dict[str, Any]:
    """Return the tables of the run's scenario, which has a learner; plug-ins are not imported."""
    path = run / SCENARIO
    try:
        tables = tomllib.loads(documents.read_bytes(path).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from None
    if not isinstance(tables.get("learner"), dict):
        raise ScenarioError(f"{run}: has no adapter: its scenario has no [learner] table")
    return tables


def _settings(run: Path, tables: Mapping[str, Any]) -> LearnerSettings:
    """Return the settings of the run's model; the other keys of the learner have any value."""
    table = tables["learner"]
    rest = {
        "lora": {"rank": 1, "alpha": 1},
        "optimizer": {"kind": "sgd", "lr": 1.0},
        "batch_size": 1,
        "evaluate_every": 1,
        "data": {"name": "movie_reviews"},
    }
    try:
        return LearnerSettings.model_validate(
            rest | {key: table[key] for key in _MODEL_KEYS if key in table}
        )
    except ValidationError as error:
        key = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RunError(f"{run / SCENARIO}: learner.{key}: is not allowed") from None
