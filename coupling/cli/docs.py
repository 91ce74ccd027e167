"""Command ``docs``: the pages of the documentation, which the wheel brings along."""

import difflib
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markdown import Markdown

from coupling.cli.console import plain_console
from coupling.scenario.errors import ScenarioError

FOR_DEVELOPERS: Final = ("api", "decisions", "faults", "files", "log")
"""Pages that only matter with the source tree, or on the site of the documentation."""


def docs(
    page: Annotated[str | None, typer.Argument(metavar="[PAGE]", help="Name of a page.")] = None,
) -> None:
    """Print a page of the documentation, or the list of pages."""
    if page is None:
        for name, path in _pages().items():
            with path.open(encoding="utf-8") as file:
                title = next(line for line in file if line.startswith("# "))
            print(f"{name:20}  {title.lstrip('# ').strip()}")
        return
    name = page.removesuffix(".md")
    pages = _pages()
    if name in FOR_DEVELOPERS:
        raise ScenarioError(f"{page}: is in the folder docs of the source tree only")
    if name not in pages:
        near = difflib.get_close_matches(name, pages, n=1)
        hint = f"did you mean {near[0]}?" if near else "'airtune docs' lists the pages"
        raise ScenarioError(f"{page}: is not a page; {hint}")
    text = pages[name].read_text(encoding="utf-8")
    if sys.stdout.isatty():
        plain_console().print(Markdown(text))
    else:
        print(text, end="")


def _pages() -> dict[str, Path]:
    """Return the pages by name: package data, or those of the source tree."""
    here = Path(__file__).resolve()
    packaged = here.parent / "pages"
    folder = packaged if packaged.is_dir() else here.parents[2] / "docs"
    paths = {path.stem: path for path in sorted(folder.glob("*.md"))}
    return {name: path for name, path in paths.items() if name not in FOR_DEVELOPERS}
