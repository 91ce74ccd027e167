"""Transport block size of TS 38.214, and its segmentation into code blocks by TS 38.212."""

from bisect import bisect_left
from math import ceil, floor, log2
from typing import Final, NamedTuple

from netsim.link.nr.schemes import Scheme

SUBCARRIERS_PER_BLOCK: Final = 12
_MAXIMUM_ELEMENTS_PER_BLOCK = 156

SMALL_SIZES: Final = (
    *range(24, 192, 8),
    *range(192, 384, 16),
    *range(384, 576, 24),
    *range(576, 768, 32),
    *(768, 808, 848, 888, 928, 984, 1032, 1064, 1128),
    *range(1160, 1352, 32),
    *range(1352, 1928, 64),
    *(1928, 2024, 2088, 2152, 2216, 2280, 2408, 2472, 2536, 2600, 2664, 2728, 2792, 2856),
    *(2976, 3104, 3240, 3368, 3496, 3624, 3752, 3824),
)
"""Sizes of transport blocks up to 3,824 bits: TS 38.214, table 5.1.3.2-1."""

LIFTING_SIZES: Final = tuple(
    sorted(a << j for a in (2, 3, 5, 7, 9, 11, 13, 15) for j in range(8) if a << j <= 384)
)
"""Lifting sizes of the LDPC base graphs: TS 38.212, table 5.3.2-1."""


class Segmentation(NamedTuple):
    """Segmentation of a transport block: code blocks of equal size, and their LDPC code."""

    base_graph: int
    """LDPC base graph, 1 or 2."""
    code_blocks: int
    """Number of code blocks."""
    bits: int
    """Bits of each code block with its checksums, before filler bits: K' of TS 38.212."""
    lifting_size: int
    """Lifting size of the base graph."""

    @property
    def filled_bits(self) -> int:
        """Bits of each code block with filler bits: K of TS 38.212."""
        return (22 if self.base_graph == 1 else 10) * self.lifting_size


def resource_elements(blocks: int, *, symbols: int, reference: int = 0, overhead: int = 0) -> int:
    """Return the resource elements for data in a slot: N_RE of TS 38.214 5.1.3.2, step 1.

    ``symbols`` are those of the slot that carry data; ``reference`` (demodulation reference
    signals) and ``overhead`` (``xOverhead``) are resource elements of each block.
    """
    elements = SUBCARRIERS_PER_BLOCK * symbols - reference - overhead
    return min(_MAXIMUM_ELEMENTS_PER_BLOCK, elements) * blocks


def transport_block_size(scheme: Scheme, elements: int) -> int:
    """Return the transport block size in bits for a number of resource elements and one layer.

    Source: TS 38.214 5.1.3.2, steps 2 to 4. Without resource elements the size is 0. Several
    layers are as many times the resource elements. All products are exact in double precision.
    """
    information = elements * scheme.spectral_efficiency
    if information <= 0:
        return 0
    if information <= SMALL_SIZES[-1]:
        step = 1 << max(3, floor(log2(information)) - 6)
        quantised = max(24, step * floor(information / step))
        return SMALL_SIZES[bisect_left(SMALL_SIZES, quantised)]
    step = 1 << (floor(log2(information - 24)) - 5)
    quantised = max(3840, step * floor((information - 24) / step + 0.5))
    code_blocks = 1
    if scheme.code_rate <= 0.25:
        code_blocks = ceil((quantised + 24) / 3816)
    elif quantised > 8424:
        code_blocks = ceil((quantised + 24) / 8424)
    return 8 * code_blocks * ceil((quantised + 24) / (8 * code_blocks)) - 24


def base_graph(size: int, code_rate: float) -> int:
    """Return the LDPC base graph of a transport block size in bits: TS 38.212 7.2.2."""
    small = size <= 292 or (size <= 3824 and code_rate <= 0.67) or code_rate <= 0.25
    return 2 if small else 1


def segmentation(size: int, code_rate: float) -> Segmentation:
    """Return the segmentation of a transport block of a size in bits: TS 38.212 5.2.2, 7.2.1.

    Sizes of ``transport_block_size`` give code blocks of whole bits; others are rounded up.
    """
    graph = base_graph(size, code_rate)
    total = size + (24 if size > 3824 else 16)
    maximum = 8448 if graph == 1 else 3840
    code_blocks = 1
    if total > maximum:
        code_blocks = ceil(total / (maximum - 24))
        total += 24 * code_blocks
    bits = ceil(total / code_blocks)
    columns = 22 if graph == 1 else _columns_of_graph_2(bits, code_blocks)
    lifting_size = LIFTING_SIZES[bisect_left(LIFTING_SIZES, ceil(bits / columns))]
    return Segmentation(graph, code_blocks, bits=bits, lifting_size=lifting_size)


def _columns_of_graph_2(bits: int, code_blocks: int) -> int:
    """Return the columns of base graph 2 that carry information: K_b, by the bits before 5.2.2."""
    if code_blocks > 1 or bits > 640:
        return 10
    return 9 if bits > 560 else 8 if bits > 192 else 6
