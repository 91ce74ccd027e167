"""Commands about scenario files: ``init``, ``scenarios`` and ``schema``."""

import json
import shutil
from pathlib import Path
from typing import Annotated, Final

import typer

from coupling.scenario import bundled
from coupling.scenario.errors import ScenarioError, os_error_text
from coupling.scenario.json_schema import file_schema
from coupling.scenario.scenario import Scenario, json_schema
from coupling.scenario.template import Template, meanings_of, template

_FILE: Final = "scenario.toml"


def complete(text: str) -> list[str]:
    """Return the names of bundled scenarios that begin with a text, for completion."""
    return [name for name in bundled.names() if name.startswith(text)]


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder of the file.")] = Path(),
    scenario: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Bundled scenario to begin with.", autocompletion=complete
        ),
    ] = bundled.FIRST,
) -> None:
    """Write DIR/scenario.toml, a commented copy of a bundled scenario, to be changed."""
    source = bundled.find(scenario)
    if source is None:
        known = bundled.hint(scenario).lstrip("; ")
        raise ScenarioError(f"--scenario {scenario}: is not a bundled scenario; {known}")
    for path in _write(folder, template(source, meanings_of(Scenario.load(source)))):
        print(path)


def _write(folder: Path, content: Template) -> list[Path]:
    """Write a template and its files into a folder, without overwriting any.

    Raises:
        ScenarioError: a file is there already, or the folder cannot be written.
    """
    targets = [folder / name for name in (_FILE, *content.files)]
    for target in targets:
        if target.exists() or target.is_symlink():
            raise ScenarioError(f"{target}: is there already; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in content.files.items():
            shutil.copyfile(source, folder / name)
        with (folder / _FILE).open("x", encoding="utf-8") as file:
            file.write(content.text)
    except OSError as error:
        raise ScenarioError(f"{folder}: cannot be written: {os_error_text(error)}") from None
    return targets


def scenarios(
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the bundled scenarios; 'airtune run NAME' runs one."""
    described = dict(bundled.descriptions())
    if as_json:
        print(json.dumps([{"name": name, "about": about} for name, about in described.items()]))
        return
    width = max(map(len, described))
    for name, about in described.items():
        print(f"{name:{width}}  {about}")


def schema() -> None:
    """Print the JSON Schema of scenario files."""
    print(json.dumps(file_schema(json_schema()), indent=2))
