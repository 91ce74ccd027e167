"""Block error rates of NR: the shipped table against its points and against independent facts."""

import csv
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks.nr_bler import normal_approximation
from benchmarks.nr_bler.probit import ProbitLine
from netsim.link.nr.block_errors import TABLE, error_line
from netsim.link.nr.schemes import ALL_SCHEMES, TABLES

POINTS = Path(normal_approximation.__file__).with_name("points.csv")
DATA = Path(os.environ.get("AIRTUNE_DATA", "../shared/data"))


def curves() -> dict[tuple[int, float, int, int], list[tuple[float, int, int]]]:
    """Return SINR in dB, words and errors of each modulation, rate, size and coded bits."""
    found = defaultdict(list)
    with POINTS.open(newline="") as file:
        for row in csv.DictReader(file):
            address = row["modulation_order"], row["rate_1024"], row["bits"], row["coded_bits"]
            key = int(address[0]), float(address[1]), int(address[2]), int(address[3])
            count = int(row["sinr_cdb"]) / 100, int(row["words"]), int(row["block_errors"])
            found[key].append(count)
    return found


def table_rows() -> list[dict[str, str]]:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def simulated() -> dict[tuple[int, float, int], int]:
    """Return the number of points behind each row of the table."""
    return {
        (int(row["modulation_order"]), float(row["rate_1024"]), int(row["bits"])): int(
            row["points"]
        )
        for row in table_rows()
    }


def test_lines_at_the_nodes_equal_fits_to_the_points():
    known = simulated()
    checked = list(curves().items())[::17]

    assert len(checked) > 12
    for (order, rate, bits, coded_bits), counts in checked:
        line = error_line(order, rate / 1024, bits)
        if known[order, rate, bits] and np.isfinite(line.median_db):
            slope = normal_approximation.probit_slope(order, bits, coded_bits)
            fit = ProbitLine.fitted(counts, slope)
            for sinr_db, _, _ in counts:
                assert line.error_rate(sinr_db) == pytest.approx(fit.error_rate(sinr_db), abs=1e-3)


def test_lines_agree_with_the_counts_of_block_errors():
    scores = []
    known = simulated()
    for (order, rate, bits, _), counts in curves().items():
        line = error_line(order, rate / 1024, bits)
        # A curve of too few points is continued from smaller blocks.
        if not known[order, rate, bits] or not np.isfinite(line.median_db):
            continue
        for sinr_db, words, errors in counts:
            expected = float(line.error_rate(sinr_db))
            if 0.015 <= expected <= 0.85:
                scores.append((errors - words * expected) / np.sqrt(words * expected))

    # A line has two parameters for four to ten points; misfit would widen the scores.
    assert len(scores) > 900
    assert np.sqrt(np.mean(np.square(scores))) < 1.2
    assert np.max(np.abs(scores)) < 5


def test_targets_lie_close_above_the_normal_approximation():
    known = simulated()
    distances = {
        (order, rate, bits): error_line(order, rate / 1024, bits).sinr_db_at(0.1)
        - normal_approximation.sinr_db_at(order, bits, coded_bits, 0.1)
        for order, rate, bits, coded_bits in curves()
        if bits >= 300 and known[order, rate, bits]
    }

    assert len(distances) > 120
    assert min(distances.values()) > 0
    assert max(distances.values()) < 2


@pytest.mark.parametrize("bits", [400, 1056, 3000, 8448])
@pytest.mark.parametrize("index", [1, 2, 3])
def test_targets_are_ordered_by_scheme(index, bits):
    target_db = [
        error_line(scheme.modulation_order, scheme.code_rate, bits).sinr_db_at(0.1)
        for scheme in TABLES[index]
    ]

    assert all(np.diff(target_db) > 0)


def test_error_rate_between_sizes_and_rates_lies_between_its_neighbours():
    for order, rate, low, high in [(2, 193, 160, 400), (6, 719, 1056, 3824)]:
        ends = [error_line(order, rate / 1024, bits).sinr_db_at(0.1) for bits in (low, high)]
        inner = error_line(order, rate / 1024, (low + high) // 2).sinr_db_at(0.1)
        assert min(ends) - 0.15 <= inner <= max(ends) + 0.15
    rates = [error_line(4, rate / 1024, 1056).sinr_db_at(0.1) for rate in (490, 520, 553)]
    assert rates == sorted(rates)


def test_code_rate_above_the_decodable_one_always_fails():
    line = error_line(6, 0.951, 1000)

    assert line.error_rate(60.0) == 1.0
    assert error_line(6, 0.949, 1000).error_rate(60.0) < 1e-12


def test_every_scheme_has_seven_sizes_or_six():
    number = defaultdict(int)
    for row in table_rows():
        number[int(row["modulation_order"]), float(row["rate_1024"])] += 1

    assert set(number) == {tuple(scheme) for scheme in ALL_SCHEMES}
    # Base graph 2, the only one at low rates, has at most 3,840 bits.
    assert all(count == (6 if rate <= 256 else 7) for (_, rate), count in number.items())


@pytest.mark.slow
def test_shipped_table_is_made_from_the_points():
    pytest.importorskip("sionna.phy")
    from benchmarks.nr_bler.fit import table
    from benchmarks.nr_bler.simulate import read_points

    assert table(read_points(POINTS)) == TABLE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_three_curves_are_simulated_again_to_the_same_points():
    pytest.importorskip("sionna.phy")
    from benchmarks.nr_bler.simulate import read_points, simulate_curve

    points = read_points(POINTS)
    blocks = list({point.block: None for point in points})
    wanted = {(2, 308.0, 64), (4, 490.0, 160), (6, 873.0, 399)}
    chosen = [block for block in blocks if (*block.scheme, block.bits) in wanted]
    for block in chosen[:3]:
        stored = [point for point in points if point.block == block]
        again = sorted(simulate_curve(block, [], 1), key=lambda point: point.sinr_cdb)
        assert again == sorted(stored, key=lambda point: point.sinr_cdb)
    assert chosen
