"""Figures: the drawn data is the data of the tables."""

import builtins
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from support.written_runs import SCENARIO, four_rounds, write_table

import analysis
from analysis.figures import ALIASES, FIGURES, draw, save

LEARNER: dict[str, Any] = {"optimizer": {"kind": "sgd", "lr": 0.1}, "data": {"name": "sst2"}}
CONSTANTS = {
    "smoothness": 0.05,
    "gradient_variance": 1.0,
    "diversity": 0.1,
    "polyak": 1.0,
    "lora_size": 5,
    "head_size": 2,
}


def scenario(policy: str, seed: int, budget: float = 0.002) -> dict[str, Any]:
    scheduler = {**SCENARIO["scheduler"], "kind": policy, "delay_budget_s_per_bit": budget}
    placement = {"kind": "disc", "center_m": [100.0, 0.0], "radius_m": 150.0}
    devices = {**SCENARIO["devices"], "placement": placement}
    return {"seed": seed, "scheduler": scheduler, "learner": LEARNER, "devices": devices}


@pytest.fixture
def runs(tmp_path: Path) -> analysis.Runs:
    """Return two seeds of Algorithm 1, whose queues differ, and one of GS."""
    four_rounds(tmp_path / "a1", scenario("algorithm1", 1))
    four_rounds(
        tmp_path / "a2",
        scenario("algorithm1", 2),
        virtual_queue_s=[2.0, 3.0, 5.0, 8.0],
        end_s=[2.0, 8.0, 12.0, 16.0],
        train_loss=[0.7, 0.6, None, 0.1],
    )
    four_rounds(tmp_path / "g1", scenario("greedy", 1))
    return analysis.load_many(tmp_path)


def line(figure: Figure, panel: int, name: str) -> np.ndarray:
    """Return the drawn points of the line whose legend begins with a name."""
    result = [
        entry for entry in figure.axes[panel].get_lines() if str(entry.get_label()).startswith(name)
    ]
    assert len(result) == 1, [entry.get_label() for entry in figure.axes[panel].get_lines()]
    return np.array(result[0].get_xydata())


def test_the_queue_is_the_mean_over_seeds_and_its_band(runs: analysis.Runs) -> None:
    figure = draw("queue", runs, band="range")

    np.testing.assert_allclose(line(figure, 0, "Algorithm 1"), [[1, 1], [2, 2], [3, 3], [4, 4]])
    np.testing.assert_allclose(line(figure, 0, "GS"), [[1, 0], [2, 1], [3, 1], [4, 0]])
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    at_3 = band[band[:, 0] == 3][:, 1]
    assert (at_3.min(), at_3.max()) == (1.0, 5.0)
    np.testing.assert_allclose(line(figure, 1, "GS"), [[1, 1], [2, 2], [3, 1], [4, 0]])


@pytest.mark.parametrize("name", ["fig3", "fig4"])
def test_learning_curves_against_rounds_and_time(runs: analysis.Runs, name: str) -> None:
    figure = draw(name, runs)

    loss, loss_in_time, accuracy, accuracy_in_time = range(4)
    # Round 3 has a loss with one seed only, and round 4 with the other.
    np.testing.assert_allclose(
        line(figure, loss, "Algorithm 1"), [[1, 0.8], [2, 0.7], [3, 0.7], [4, 0.1]]
    )
    np.testing.assert_allclose(line(figure, loss, "GS"), [[1, 0.9], [2, 0.8], [3, 0.7]])
    np.testing.assert_allclose(line(figure, accuracy, "GS"), [[0, 50], [2, 70], [4, 80]])
    in_time = line(figure, loss_in_time, "GS")
    assert in_time[[0, -1], 0].tolist() == [1.0, 8.0]
    np.testing.assert_allclose(np.interp(4.0, *in_time.T), 0.8, atol=1e-3)
    np.testing.assert_allclose(
        np.interp(2.0, *line(figure, accuracy_in_time, "GS").T), 60.0, atol=0.1
    )


def test_final_numbers_against_the_budget(tmp_path: Path) -> None:
    for budget, scheduled in ((0.001, [1, 1, 1, 1]), (0.004, [3, 3, 3, 1])):
        for seed in range(1, 8):
            folder = tmp_path / f"{budget}-{seed}"
            extra = {
                "scheduled": [count * seed for count in scheduled],
                "train_loss": [0.9, 0.8, 0.7, 0.5],
            }
            four_rounds(folder, scenario("exact", seed, budget), **extra)

    figure = draw("fig5", analysis.load_many(tmp_path))

    loss, accuracy, scheduled_mean = (
        np.array(axes.get_lines()[0].get_xydata()) for axes in figure.axes
    )
    np.testing.assert_allclose(loss, [[1.0, 0.5], [4.0, 0.5]])  # ms per bit
    np.testing.assert_allclose(accuracy, [[1.0, 80.0], [4.0, 80.0]])
    np.testing.assert_allclose(scheduled_mean, [[1.0, 4.0], [4.0, 10.0]])
    bars = figure.axes[2].collections[0].get_segments()
    # 1 to 7: t(6) = 2.4469 times sqrt(14 / 3) / sqrt(7).
    np.testing.assert_allclose(bars[0][:, 1], [4 - 1.9979, 4 + 1.9979], rtol=1e-4)


def test_boxes_are_those_of_the_run_times(runs: analysis.Runs) -> None:
    figure = draw("fig6", runs)

    medians = [entry for entry in figure.axes[0].get_lines() if entry.get_color() == "black"]
    heights = sorted(
        {
            round(float(entry.get_ydata()[0]), 9)
            for entry in medians
            if np.ptp(entry.get_ydata()) == 0
        }
    )
    assert 0.25 in heights  # of 0.1, 0.2, 0.3 and 0.4 ms


def test_run_times_of_zero_have_a_linear_axis(tmp_path: Path) -> None:
    run = four_rounds(tmp_path / "run", policy_wall_s=[0.0] * 4)

    figure = draw("runtime", analysis.load_many([run]))

    assert figure.axes[0].get_yscale() == "linear"
    assert save(figure, tmp_path, "runtime")


def test_the_map_shows_positions_and_participation(runs: analysis.Runs) -> None:
    figure = draw("geometry", runs)

    drawn = figure.axes[0].collections[0]
    np.testing.assert_allclose(drawn.get_offsets(), [[0, 40], [100, 40], [200, 40]])
    np.testing.assert_allclose(drawn.get_array(), [75.0, 25.0, 0.0])
    track = figure.axes[0].get_lines()[1].get_xydata()
    np.testing.assert_allclose(track, [[100, 10], [100, 20], [100, 30], [100, 40]])


@pytest.mark.parametrize(
    ("center_m", "radius_m", "outlines"),
    [([300.0, 0.0], 50.0, 1), ([0.0, 0.0, 9.0], 50.0, 0), ("ab", 50.0, 0), ([0.0, 0.0], [], 0)],
)
def test_a_disc_that_is_none_has_no_outline(
    tmp_path: Path, center_m: Any, radius_m: Any, outlines: int
) -> None:
    placement = {"kind": "disc", "center_m": center_m, "radius_m": radius_m}
    four_rounds(
        tmp_path / "run",
        {
            "cell": {"position_m": [1, 2.0, 25.0]},
            "devices": {**SCENARIO["devices"], "placement": placement},
        },
    )

    drawn = draw("geometry", analysis.load_many(tmp_path)).axes[0].get_lines()

    dashed = [entry for entry in drawn if entry.get_linestyle() == "--"]
    server = [entry.get_xydata().tolist() for entry in drawn if entry.get_marker() == "^"]
    assert len(dashed) == outlines
    assert server == [[[1.0, 2.0]]]


def test_five_maps_fit_a_column(tmp_path: Path) -> None:
    for policy in ("all_in", "algorithm1", "exact", "greedy", "aaba"):
        four_rounds(tmp_path / policy, scenario(policy, 1))

    figure = draw("geometry", analysis.load_many(tmp_path), "print", size=(3.4, None))

    figure.draw_without_rendering()  # a warning of matplotlib is an error
    assert len(figure.legends[0].get_texts()) == 1
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    for place, box in enumerate(boxes):
        assert min(box.x0, box.y0) >= -1, place
        assert box.x1 <= figure.bbox.width + 1, place
        assert not any(box.overlaps(other) for other in boxes[:place]), place
    assert min(axes.get_window_extent().width for axes in figure.axes) > 0.9 * figure.dpi


def test_participation_is_ranked(runs: analysis.Runs) -> None:
    figure = draw("participation", runs)

    np.testing.assert_allclose(line(figure, 0, "GS"), [[1, 75], [2, 25], [3, 0]])
    assert "Jain 0.533" in figure.axes[0].get_lines()[0].get_label()  # 16 / 30


def test_energy_adds_up(runs: analysis.Runs) -> None:
    figure = draw("energy", runs)

    np.testing.assert_allclose(line(figure, 0, "GS")[:, 1], [1, 6, 8, 8])
    in_time = line(figure, 1, "Algorithm 1")  # seed 1 ends rounds at 1 4 6 8 s, seed 2 at 2 8 12 16
    assert in_time[[0, -1], 0].tolist() == [2.0, 8.0]
    # The median of 6 J and, a third of the way from 1 to 6 J, 8 / 3 J.
    np.testing.assert_allclose(np.interp(4.0, *in_time.T), 13 / 3, atol=0.02)
    assert figure.axes[0].get_ylabel() == "energy so far,\nmedian (J)"


def test_the_bound_stands_beside_the_measured_loss(runs: analysis.Runs, tmp_path: Path) -> None:
    alone = analysis.load_many(tmp_path / "g1")

    figure = draw("bound", alone, constants=CONSTANTS)

    np.testing.assert_allclose(line(figure, 0, "measured"), [[0, 0.7], [2, 0.6], [4, 0.5]])
    constants = analysis.bound.Constants.from_run(alone[0], **CONSTANTS)
    wanted = analysis.bound.corrected([1, 2, 1, 0], constants).gap
    np.testing.assert_allclose(line(figure, 0, "corrected")[:, 1], wanted)
    assert "negative from round" in str(figure.axes[0].get_lines()[2].get_label())


@pytest.mark.parametrize("name", sorted({*FIGURES} - {"battery"}))
def test_every_axis_has_its_unit(runs: analysis.Runs, name: str) -> None:
    figure = draw(name, runs)

    dimensionless = ("round", "device", "devices")
    for axes in figure.axes:
        for text in (axes.get_xlabel(), axes.get_ylabel()):
            assert not text or "(" in text or text.startswith(dimensionless), text


@pytest.mark.parametrize("look", ["light", "print"])
def test_both_files_of_both_styles_are_written(
    runs: analysis.Runs, tmp_path: Path, look: Any
) -> None:
    paths = save(draw("geometry", runs, look), tmp_path / "out", "geometry", look=look)

    assert [path.name for path in paths] == ["geometry.svg", "geometry.png"]
    assert paths[0].read_text().startswith("<?xml")
    assert paths[1].read_bytes().startswith(b"\x89PNG")


def test_the_same_figure_is_the_same_file(runs: analysis.Runs, tmp_path: Path) -> None:
    first = save(draw("queue", runs), tmp_path / "one", "queue")[0]
    second = save(draw("queue", runs), tmp_path / "two", "queue")[0]

    assert first.read_bytes() == second.read_bytes()


def test_the_band_is_the_interval_of_the_mean(tmp_path: Path) -> None:
    for seed, accuracy in ((1, 0.1), (2, 0.2), (3, 0.6)):
        folder = four_rounds(tmp_path / str(seed), scenario("exact", seed))
        shutil.rmtree(folder / "evaluations")
        columns = {"round": [0, 4], "time_s": [0.0, 8.0], "accuracy": [0.1, accuracy]}
        write_table(
            folder / "evaluations", "evaluations", columns, version=analysis.SCHEMA_VERSION, parts=1
        )

    figure = draw("accuracy", analysis.load_many(tmp_path))

    band = figure.axes[0].collections[0].get_paths()[0].vertices
    at_4 = band[band[:, 0] == 4][:, 1]
    # Mean 30 %, deviation sqrt(700), t(2) = 4.3027: 30 + 65.724; the lower end is cut at 0.
    np.testing.assert_allclose([at_4.min(), at_4.max()], [0.0, 95.724], atol=1e-3)
    assert figure.legends[0].get_title().get_text() == (
        "3 seeds, band: 95 % interval (coverage 93.7 %)"
    )


@pytest.mark.parametrize(
    ("seeds", "title"),
    [
        (7, "7 seeds, band: 95 % interval (coverage 93.6 %)"),
        (5, "5 seeds, too few for a 95 % interval"),
    ],
)
def test_the_band_of_devices_is_that_of_the_median(tmp_path: Path, seeds: int, title: str) -> None:
    for seed in range(1, seeds + 1):
        devices = [1, 1, 1, seed**2]
        four_rounds(tmp_path / str(seed), scenario("exact", seed), scheduled=devices)

    figure = draw("queue", analysis.load_many(tmp_path))

    assert figure.axes[1].get_ylabel() == "devices scheduled,\nmedian"
    assert figure.axes[1].get_lines()[0].get_ydata()[-1] == ((seeds + 1) / 2) ** 2
    assert figure.legends[0].get_title().get_text() == title
    if seeds == 7:
        band = figure.axes[1].collections[0].get_paths()[0].vertices
        at_4 = band[band[:, 0] == 4][:, 1]
        assert (at_4.min(), at_4.max()) == (1, 49)


def test_accuracy_against_energy_and_time_on_air(tmp_path: Path) -> None:
    runs = analysis.load_many(
        four_rounds(tmp_path / "run", scenario("greedy", 1), air_time_s=[1.0, 4.0, 6.0, 6.0])
    )

    energy = line(draw("accuracy_energy", runs), 0, "GS")
    air = line(draw("accuracy_time", runs, clock="air"), 0, "GS")

    # Evaluations after rounds 0, 2 and 4: 0, 6 and 8 J, 0, 4 and 6 s on air; 50, 70 and 80 %.
    assert energy[[0, -1]].tolist() == [[0, 50], [8, 80]]
    np.testing.assert_allclose(np.interp(6.0, *energy.T), 70.0, atol=0.1)
    assert air[[0, -1]].tolist() == [[0, 50], [6, 80]]
    np.testing.assert_allclose(np.interp(4.0, *air.T), 70.0, atol=0.1)


def test_time_on_air_of_old_runs_is_the_sum_of_delays(tmp_path: Path) -> None:
    run = four_rounds(tmp_path / "run", scenario("greedy", 1))
    part = run / "rounds" / "part-000000.parquet"
    table = pq.read_table(part)
    if "air_time_s" in table.column_names:
        pq.write_table(table.drop_columns("air_time_s"), part)

    figure = draw("energy", analysis.load_many(run), clock="air")

    assert line(figure, 1, "GS")[[0, -1], 0].tolist() == [1.0, 6.0]  # delays 1, 3, 2 and 0 s
    assert figure.axes[1].get_xlabel() == "time on air (s)"


def test_devices_stand_at_their_realised_delay(runs: analysis.Runs) -> None:
    figure = draw("devices_delay", runs)

    points = np.array(figure.axes[0].get_lines()[0].get_xydata())
    np.testing.assert_allclose(points, [[1.5, 1.0]])  # (1 + 3 + 2 + 0) / 4 s, (1 + 2 + 1 + 0) / 4


def test_points_of_one_policy_differ_in_the_filling_of_their_markers(tmp_path: Path) -> None:
    for policy in ("greedy", "exact"):
        for size in (8, 16):
            learner = LEARNER | {"batch_size": size}
            four_rounds(tmp_path / f"{policy}{size}", scenario(policy, 1) | {"learner": learner})

    drawn = draw("devices_delay", analysis.load_many(tmp_path)).axes[0].get_lines()

    looks = {
        (entry.get_marker(), entry.get_fillstyle())
        for entry in drawn
        if entry.get_marker() not in ("_", "|")
    }
    assert len(looks) == 4
    assert {filling for _, filling in looks} == {"full", "none"}


def test_energy_per_device_is_ranked(runs: analysis.Runs) -> None:
    figure = draw("device_energy", runs)

    np.testing.assert_allclose(line(figure, 0, "GS"), [[1, 6], [2, 2], [3, 0]])


def test_arrivals_and_their_share(tmp_path: Path) -> None:
    run = four_rounds(tmp_path / "run", scenario("greedy", 1), arrived=[1, 1, 0, 0])

    figure = draw("arrivals", analysis.load_many(run))

    np.testing.assert_allclose(line(figure, 0, "GS"), [[1, 1], [2, 1], [3, 0], [4, 0]])
    # No share in round 4, in which no device was scheduled.
    np.testing.assert_allclose(line(figure, 1, "GS"), [[1, 100], [2, 50], [3, 0]])


def test_charge_and_available_devices_over_time(tmp_path: Path) -> None:
    run = four_rounds(tmp_path / "run", scenario("greedy", 1))
    shutil.rmtree(run / "devices")
    columns = {
        "round": [1, 1, 2, 2, 3, 3, 4, 4],
        "device": [0, 1] * 4,
        "battery_j": [10.0, 20.0, 6.0, 20.0, 0.0, 20.0, 0.0, 18.0],
        "available": [True, True, True, True, False, True, False, True],
    }
    write_table(run / "devices", "devices", columns, version="2", parts=1)

    figure = draw("battery", analysis.load_many(run))

    charge, available = line(figure, 0, "GS"), line(figure, 1, "GS")
    assert charge[[0, -1]].tolist() == [[0, 15], [6, 9]]  # the starts of rounds 1 and 4
    np.testing.assert_allclose(np.interp(1.0, *charge.T), 13.0, atol=0.02)
    assert available[[0, -1]].tolist() == [[0, 2], [6, 1]]


def test_rounding_errors_are_zero(tmp_path: Path) -> None:
    run = four_rounds(tmp_path / "run", scenario("greedy", 1), virtual_queue_s=[0, 1e-15, 0, 3e-16])

    figure = draw("queue", analysis.load_many(run))

    assert line(figure, 0, "GS")[:, 1].tolist() == [0, 0, 0, 0]


def test_the_order_of_the_legend_can_be_chosen(runs: analysis.Runs) -> None:
    by_default = [text.get_text() for text in draw("queue", runs).legends[0].get_texts()]
    chosen = draw("queue", runs, order=["greedy"]).legends[0].get_texts()

    assert by_default == ["Algorithm 1", "GS"]
    assert [text.get_text() for text in chosen] == ["GS", "Algorithm 1"]
    with pytest.raises(analysis.TraceError, match="no policy or group 'gredy'; did you mean gree"):
        draw("queue", runs, order=["gredy"])


@pytest.mark.parametrize("name", ["queue", "learning", "arrivals", "budget", "runtime", "energy"])
def test_five_policies_fit_a_column(tmp_path: Path, name: str) -> None:
    for policy in ("all_in", "algorithm1", "exact", "greedy", "aaba"):
        for seed in (1, 2):
            four_rounds(tmp_path / f"{policy}-{seed}", scenario(policy, seed))

    figure = draw(name, analysis.load_many(tmp_path), "print", size=(3.4, None))

    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert len(figure.legends[0].get_texts()) == 5
    assert legend.x0 >= 0
    assert legend.x1 <= figure.bbox.width
    for axes in figure.axes:
        tight = axes.get_tightbbox()
        assert tight.x0 >= -1, axes
        assert tight.x1 <= figure.bbox.width + 1, axes
        assert tight.y0 >= -1, axes
        assert tight.y1 <= legend.y0 + 1, axes
        assert axes.get_window_extent().height > 0.6 * figure.dpi, axes


@pytest.mark.parametrize(
    "name",
    ["$x^2$ and $y$", "_hidden", "a $ b", "<a href='http://evil.example'>x</a>", "a\nb\0c", "%$#&"],
)
def test_names_are_shown_as_they_are(tmp_path: Path, name: str) -> None:
    four_rounds(tmp_path / "run", scenario(name, 1))
    runs = analysis.load_many(tmp_path)
    visible = name.replace("\n", "\\n").replace("\0", "\\x00")

    paths = save(draw("queue", runs), tmp_path / "out", "queue", formats=("svg", "pdf", "png"))
    for kind in ("geometry", "runtime", "participation", "budget"):
        save(draw(kind, runs), tmp_path / "out", kind, formats=("svg",))

    root = ElementTree.parse(paths[0]).getroot()
    texts = ["".join(entry.itertext()) for entry in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any(visible in text for text in texts), texts
    assert not list(root.iter("{http://www.w3.org/2000/svg}a"))


def test_a_home_directory_does_not_stand_in_a_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "jane"))
    for seed, folder in enumerate((tmp_path / "jane" / "data", Path("/home/ann/sets/b"))):
        given = scenario("greedy", 1) | {"learner": {**LEARNER, "data": {"path": str(folder)}}}
        four_rounds(tmp_path / str(seed), given)

    figure = draw("queue", analysis.load_many(tmp_path))

    names = sorted(text.get_text() for text in figure.legends[0].get_texts())
    assert names == ["GS, path = ~/data", "GS, path = ~/sets/b"]


def test_the_papers_numbers_are_aliases(runs: analysis.Runs, tmp_path: Path) -> None:
    for alias, name in ALIASES.items():
        one = save(draw(alias, runs), tmp_path / "out", "a", formats=("svg",))[0].read_bytes()
        two = save(draw(name, runs), tmp_path / "out", "b", formats=("svg",))[0].read_bytes()
        assert one == two, alias


def test_figures_that_cannot_be_drawn_give_the_reason(runs: analysis.Runs, tmp_path: Path) -> None:
    with pytest.raises(analysis.TraceError, match="there is no figure 'fig9'; did you mean fig"):
        draw("fig9", runs)
    with pytest.raises(
        analysis.TraceError, match="figure bound shows one run, and 3 were given; name one run"
    ):
        draw("bound", runs)
    for part in tmp_path.glob("*/evaluations/*"):
        part.unlink()
    with pytest.raises(
        analysis.TraceError, match="holds no evaluation; the figure needs runs with learning"
    ):
        draw("fig3", runs)


def test_without_matplotlib_the_error_names_the_extra(
    runs: analysis.Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def missing(name: str, *arguments: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "matplotlib":
            raise ImportError(name)
        return imported(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", missing)

    with pytest.raises(analysis.MissingExtraError, match=r"pip install 'airtune\[report\]'"):
        draw("queue", runs)
