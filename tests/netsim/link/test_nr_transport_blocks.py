"""Transport block sizes and segmentation against values of the standard and against Sionna."""

import pytest

from netsim.link.nr.schemes import ALL_SCHEMES, TABLES, Scheme
from netsim.link.nr.transport_blocks import (
    LIFTING_SIZES,
    SMALL_SIZES,
    base_graph,
    resource_elements,
    segmentation,
    transport_block_size,
)

HIGHEST = {table: schemes[-1] for table, schemes in TABLES.items()}


def test_table_of_small_sizes_has_93_rows() -> None:
    # Rows of table 5.1.3.2-1 by index: ends of its columns.
    assert len(SMALL_SIZES) == 93
    ends = {1: 24, 30: 320, 31: 336, 60: 1256, 61: 1288, 90: 3496, 91: 3624, 93: 3824}
    assert {index: SMALL_SIZES[index - 1] for index in ends} == ends
    assert sorted(set(SMALL_SIZES)) == list(SMALL_SIZES)


def test_lifting_sizes_are_51_up_to_384() -> None:
    assert len(LIFTING_SIZES) == 51
    assert (LIFTING_SIZES[0], LIFTING_SIZES[-1]) == (2, 384)


def test_resource_elements_of_a_block_are_at_most_156() -> None:
    assert resource_elements(273, symbols=14) == 273 * 156
    assert resource_elements(2, symbols=12, reference=12, overhead=6) == 2 * 126


@pytest.mark.parametrize(
    ("scheme", "elements", "size"),
    [
        # Four layers of 273 blocks under 256-QAM: the largest transport block of a 100 MHz slot.
        (HIGHEST[2], 4 * 273 * 156, 1_277_992),
        (Scheme(2, 30.0), 156, 24),  # 9.1 bits: the smallest row
        (Scheme(2, 120.0), 156, 32),  # 36.6 bits, in whole bytes
        (Scheme(2, 120.0), 0, 0),
    ],
)
def test_transport_block_size_of_known_allocations(
    scheme: Scheme, elements: int, size: int
) -> None:
    assert transport_block_size(scheme, elements) == size


def test_transport_block_size_equals_that_of_sionna() -> None:
    nr = pytest.importorskip("sionna.phy.nr.utils")
    for scheme in ALL_SCHEMES:
        for blocks in (1, 5, 24, 106):
            elements = resource_elements(blocks, symbols=12, reference=12)
            size = transport_block_size(scheme, elements)
            parts = segmentation(size, scheme.code_rate)
            expected = nr.calculate_tb_size(
                modulation_order=scheme.modulation_order,
                target_coderate=scheme.code_rate,
                num_prbs=blocks,
                num_ofdm_symbols=12,
                num_dmrs_per_prb=12,
                verbose=False,
            )
            found = (size, parts.bits, parts.code_blocks)
            assert found == tuple(int(value) for value in expected[:3]), (scheme, blocks)


def test_code_blocks_are_whole_and_fit_their_graph() -> None:
    for scheme in ALL_SCHEMES:
        for elements in range(60, 60_000, 371):
            size = transport_block_size(scheme, elements)
            parts = segmentation(size, scheme.code_rate)
            checks = 24 if size > 3824 else 16
            each = 24 if parts.code_blocks > 1 else 0
            assert parts.bits * parts.code_blocks == size + checks + each * parts.code_blocks
            assert parts.bits <= (8448 if parts.base_graph == 1 else 3840)
            assert parts.bits <= parts.filled_bits


def test_base_graph_changes_at_the_limits_of_the_standard() -> None:
    assert [base_graph(size, 0.9) for size in (292, 293)] == [2, 1]
    assert [base_graph(size, 0.67) for size in (3824, 3825)] == [2, 1]
    assert [base_graph(100_000, rate) for rate in (0.25, 0.26)] == [2, 1]


@pytest.mark.parametrize(
    ("size", "code_rate", "expected"),
    [
        (3824, 0.5, (2, 1, 3840, 384)),
        (8424, 0.5, (1, 1, 8448, 384)),
        (8456, 0.5, (1, 2, 4264, 208)),
        (24, 0.5, (2, 1, 40, 7)),
        (176, 0.5, (2, 1, 192, 32)),
        (184, 0.5, (2, 1, 200, 26)),
        (552, 0.5, (2, 1, 568, 64)),
    ],
)
def test_segmentation_at_the_limits_of_the_standard(
    size: int, code_rate: float, expected: tuple[int, int, int, int]
) -> None:
    assert segmentation(size, code_rate) == expected
