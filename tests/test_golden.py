"""Golden traces: three network-only rounds of every scenario, which change only on purpose.

``python tests/test_golden.py`` writes them. A change belongs into the changelog, with its reason.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

import analysis
import coupling

ROOT = Path(__file__).resolve().parents[1]
SCENARIOS = sorted(
    path.relative_to(ROOT / "scenarios") for path in (ROOT / "scenarios").rglob("*.toml")
)
GOLDEN = ROOT / "tests" / "golden.json"
ROUNDS = 3


def trace(name: str, folder: Path) -> list[dict[str, Any]]:
    """Return the scheduled devices, the delay, the energy and the bits per leg of each round."""
    scenario = coupling.Scenario.load(ROOT / "scenarios" / name, {"rounds": ROUNDS})
    run = analysis.load(coupling.run(scenario, folder / "run", learning=False))
    rounds = []
    for row in run.rounds.itertuples():
        devices = run.devices[(run.devices["round"] == row.round) & run.devices.scheduled]
        legs = run.transfers[run.transfers["round"] == row.round]
        rounds.append(
            {
                "scheduled": devices.device.tolist(),
                "gain": devices.gain.sum(),
                "delay_s": row.delay_s,
                "end_s": row.end_s,
                "virtual_queue_s": row.virtual_queue_s,
                "energy_j": row.energy_j,
                "bits": {
                    leg: int(bits) for leg, bits in legs.groupby("leg").bits_delivered.sum().items()
                },
            }
        )
    return rounds


@pytest.mark.parametrize("name", [str(name) for name in SCENARIOS])
def test_the_first_rounds_of_a_scenario_are_as_they_were(name: str, tmp_path: Path) -> None:
    golden = json.loads(GOLDEN.read_text())

    rounds = trace(name, tmp_path)

    assert len(rounds) == len(golden[name]) == ROUNDS
    for now, before in zip(rounds, golden[name], strict=True):
        # Waves are summed in float32, whose last digits differ between processors.
        assert now == {
            key: value if key == "scheduled" else pytest.approx(value, rel=1e-5)
            for key, value in before.items()
        }


def test_no_golden_trace_is_left_of_a_scenario_that_is_gone() -> None:
    assert set(json.loads(GOLDEN.read_text())) == {str(name) for name in SCENARIOS}


def main() -> None:
    """Write the traces of all scenarios."""
    traces = {}
    for name in map(str, SCENARIOS):
        with tempfile.TemporaryDirectory() as folder:
            traces[name] = trace(name, Path(folder))
    lines = [f"{json.dumps(name)}: {json.dumps(rounds)}" for name, rounds in traces.items()]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
