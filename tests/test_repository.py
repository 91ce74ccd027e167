"""Repository as a whole: language, structure, pinned environment and pages."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.source_tree import (
    Prose,
    class_places,
    import_cycles,
    imports,
    module_counts,
    prose,
)

ROOT = Path(__file__).resolve().parent.parent
MAXIMUM_MODULES = 15
# Rules of docs/style.md; a space stands for any white space.
PATTERNS = {
    "Return what": r"Return (what|which|how|where|who|whose)",
    "tell": r"(tell|tells|told)",
    "goes on": r"(go|goes) on",
    "but for": r"but for",
    "so many": r"so many",
    "nobody": r"(nobody|everybody|somebody|everyone)",
    "in one go": r"in one go",
}
OPENING = re.compile(r"[^\w]*(What|How|Where|Who|Whose|Whether|Why)\b")


def matches(pattern: str, texts: tuple[Prose, ...]) -> list[str]:
    """Return the places of a pattern in texts, with the words around each."""
    spaced = pattern.replace(" ", r"[\s#]+")
    expression = re.compile(rf"\b{spaced}\b", re.IGNORECASE)
    places = []
    for prose_text in texts:
        for match in expression.finditer(prose_text.text):
            line = prose_text.line + prose_text.text.count("\n", 0, match.start())
            around = prose_text.text[max(0, match.start() - 30) : match.end() + 30]
            places.append(f"{prose_text.path}:{line}: ... {' '.join(around.split())} ...")
    return places


@pytest.mark.parametrize("name", PATTERNS)
def test_no_text_of_the_tree_has_a_pattern_of_unclear_language(name: str) -> None:
    texts = tuple(text for text in prose() if text.path != "tests/test_repository.py")

    places = matches(PATTERNS[name], texts)

    assert not places, f"{len(places)} places:\n" + "\n".join(places)


def test_no_module_docstring_opens_with_a_clause_instead_of_a_name() -> None:
    docstrings = [text for text in prose() if text.module_docstring]

    places = [f"{text.path}: {text.text[:80]}" for text in docstrings if OPENING.match(text.text)]

    assert len(docstrings) > 250
    assert not places, f"{len(places)} modules:\n" + "\n".join(places)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Return what", "Return  which\n    device is next."),
        ("tell", "An error that tells the user."),
        ("goes on", "It goes\n# on."),
        ("nobody", "Nobody is scheduled."),
    ],
)
def test_a_planted_pattern_is_found_with_its_line(name: str, text: str) -> None:
    (place,) = matches(PATTERNS[name], (Prose("a.py", 7, "\n" + text),))

    assert place.startswith("a.py:8: ")


def test_a_pattern_inside_another_word_is_not_found() -> None:
    text = Prose("a.py", 1, "A satellite is not retold, for nobodys_allocation.")

    assert not [place for name in PATTERNS for place in matches(PATTERNS[name], (text,))]


def test_no_class_name_is_used_twice_in_the_tree() -> None:
    twice = {name: places for name, places in class_places().items() if len(places) > 1}

    assert not twice


def test_no_folder_of_the_packages_has_more_than_15_modules() -> None:
    counts = module_counts()

    assert len(counts) > 20
    assert {folder: count for folder, count in counts.items() if count > MAXIMUM_MODULES} == {}


def test_no_modules_of_the_packages_import_each_other_in_a_cycle() -> None:
    graph = imports()

    assert len(graph) > 200
    assert import_cycles(graph) == []


def test_a_planted_import_cycle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}

    assert import_cycles(graph) == [["b", "c"]]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements() -> list[Requirement]:
    """Return everything that pyproject names, in the dependencies and in every extra."""
    named = [*project()["dependencies"]]
    for extra in project()["optional-dependencies"].values():
        named += extra
    named += tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    return [parsed for text in named if (parsed := Requirement(text)).name != "airtune"]


def pins() -> dict[str, str]:
    """Return the exact version of each package in the constraints."""
    versions = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, equals, version = line.partition("==")
            assert equals, f"{line} is not pinned exactly"
            versions[canonicalize_name(name)] = version
    return versions


def test_the_constraints_pin_everything_that_the_project_names() -> None:
    pinned = pins()

    assert len(requirements()) > 25
    for requirement in requirements():
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not pinned"
        assert requirement.specifier.contains(version), (
            f"{requirement} excludes the pinned {version}"
        )
    assert pinned["torch"] == "2.13.0"


def test_dependencies_have_open_lower_bounds() -> None:
    for text in project()["dependencies"]:
        assert re.fullmatch(r"[\w\-]+>=[\d.]+", text), text


def page_writer(name: str = "generate") -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["files.md", "scenarios.md", "trace.md"])
def test_the_reference_pages_are_those_that_the_code_gives(page: str) -> None:
    written = (ROOT / "docs" / page).read_text()

    assert written == page_writer().PAGES[page](), "run python docs/generate.py"


def test_the_page_of_worlds_lists_every_one_of_them_with_its_map() -> None:
    writer = page_writer("worlds")
    written = (ROOT / "docs" / "worlds.md").read_text()

    assert written == writer.page(), "run python docs/worlds.py"
    names = [
        path.relative_to(ROOT / "scenarios").as_posix() for path in ROOT.glob("scenarios/*/*.toml")
    ]
    worlds = [name for name in names if name.startswith(("geometry/", "mobility/", "energy/"))]
    assert len(worlds) >= 10
    for name in worlds:
        assert f"](../scenarios/{name})" in written
    maps = {path.name for path in ROOT.glob("docs/worlds/*.png")}
    assert maps == {Path(writer.picture(name)).name for name in writer.names()}


@pytest.mark.parametrize(
    "page", ["README.md", "ARCHITECTURE.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
)
def test_the_links_of_the_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text()):
        assert target.startswith("http") or ((ROOT / page).parent / target).exists(), target


def test_the_citation_is_of_this_version_and_names_its_authors() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

    paper = citation["references"][0]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["cff-version"], citation["version"]) == ("1.2.0", project()["version"])
    assert citation["license"] == project()["license"]
    assert citation["authors"] == [{"name": "airtune contributors"}]
    assert all(author["given-names"] and author["family-names"] for author in paper["authors"])
