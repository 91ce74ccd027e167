"""Link adaptation of NR: the scheme of maximum goodput at each SINR and number of blocks."""

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple, final

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from netsim.link.nr.block_errors import error_line
from netsim.link.nr.schemes import TABLES, Scheme
from netsim.link.nr.transport_blocks import (
    SUBCARRIERS_PER_BLOCK,
    resource_elements,
    segmentation,
    transport_block_size,
)

SYMBOLS: Final = 14
"""Symbols of a slot with normal cyclic prefix: TS 38.211, 4.3.2."""
SLOT_CYCLES: Final = 180
"""Slot times width of a resource block, the same for every subcarrier spacing: 1 ms x 180 kHz."""
_GRID_DB: Final = 0.1
_BEYOND_DB: Final = 12.0
"""Range above the last target in which the best scheme may still change; blocks of 24 bits, the
flattest, fail there with a probability of 1e-6.
"""
_LOWEST_DB: Final = -1000.0
_KEY_DB: Final = 4096.0
"""Distance of the keys of two numbers of blocks in a ladder; SINRs are within 1,000 dB."""
_BISECTIONS: Final = 48
_NOTHING: Final = 1e-17
"""Probability that changes no sum from 1 on."""


class Rungs(NamedTuple):
    """Schemes at one number of blocks or at many, one entry each, and their error lines."""

    order: Int[ndarray, " m"]
    """Modulation order."""
    size: Float[ndarray, " m"]
    """Transport block size in bits."""
    code_blocks: Float[ndarray, " m"]
    """Code blocks of the transport block."""
    median_db: Float[ndarray, " m"]
    width_db: Float[ndarray, " m"]

    def at(self, index: Int[ndarray, "*n"]) -> "Rungs":
        """Return the entries at some positions."""
        return Rungs(*(column[index] for column in self))


@final
@dataclass(frozen=True)
class GoodputOptions:
    """Options of link adaptation: what the goodput depends on besides SINR and blocks."""

    table: int
    """Table 5.1.3.1-x of TS 38.214."""
    bler_target: float
    """Maximum error rate of the first transmission of a transport block."""
    transmissions: int
    """Maximum number of transmissions of a transport block with chase combining; 1 without."""
    elements: int
    """Resource elements for data per block and slot, at most 156."""


def elements_per_block(overhead: float) -> int:
    """Return the resource elements for data of a block in a slot at a share of overhead."""
    lost = int(np.ceil(SUBCARRIERS_PER_BLOCK * SYMBOLS * overhead - 1e-9))
    return resource_elements(1, symbols=SYMBOLS, reference=lost)


def rungs(options: GoodputOptions, blocks: int) -> Rungs:
    """Return the schemes of the table over a number of blocks, in the order of the table.

    The code rate of a code block is that of the coded bits sent: payload and checksums over the
    resource elements, which exceeds the scheme's rate for small blocks.
    """
    elements = options.elements * blocks
    columns = zip(*(_rung(scheme, elements) for scheme in TABLES[options.table]), strict=True)
    return Rungs(*map(np.array, columns))


def _rung(scheme: Scheme, elements: int) -> tuple[int, float, float, float, float]:
    size = transport_block_size(scheme, elements)
    code_blocks = segmentation(size, scheme.code_rate)
    sent = elements * scheme.modulation_order / code_blocks.code_blocks
    line = error_line(scheme.modulation_order, code_blocks.bits / sent, code_blocks.bits)
    return scheme.modulation_order, float(size), float(code_blocks.code_blocks), *line


def error_rate(
    rung: Rungs, sinr_db: Float[ndarray, "*n"], transmissions: int = 1
) -> Float[ndarray, "*n"]:
    """Return the probability that a transport block fails after a number of transmissions.

    Chase combining adds the SINRs of the transmissions, so the block fails all n times where it
    fails at n times the SINR: P(fail at n, given failed before) = BLER(n SINR) / BLER((n - 1)
    SINR). The transport block fails if one of its code blocks does.
    """
    from scipy.special import ndtr

    combined_db = sinr_db + 10 * np.log10(transmissions)
    of_code_block = ndtr((rung.median_db - combined_db) / rung.width_db)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(rung.code_blocks * np.log1p(-of_code_block)))


def slots(rung: Rungs, sinr_db: Float[ndarray, "*n"], transmissions: int) -> Float[ndarray, "*n"]:
    """Return the mean number of slots of a transport block: its transmissions until it ends."""
    number = np.ones(np.broadcast_shapes(np.shape(sinr_db), rung.size.shape))
    for before in range(1, transmissions):
        failed = error_rate(rung, sinr_db, before)
        if not failed.max(initial=0.0) > _NOTHING:
            break
        number += failed
    return number


def goodput(rung: Rungs, sinr_db: Float[ndarray, "*n"], transmissions: int) -> Float[ndarray, "*n"]:
    """Return the goodput in bits per slot: mean bits over mean slots of a transport block."""
    arrived = rung.size * (1.0 - error_rate(rung, sinr_db, transmissions))
    if transmissions == 1:
        return np.asarray(arrived)
    return np.asarray(arrived / slots(rung, sinr_db, transmissions))


def best(rung: Rungs, options: GoodputOptions, sinr_db: Float[ndarray, " n"]) -> Int[ndarray, " n"]:
    """Return the scheme of maximum goodput among those within the target; -1 for an outage.

    *The goodput of the best scheme never falls with the SINR.* The schemes within the target become
    more, and the goodput of each rises: its error rates fall. (The highest scheme within the target
    may have less goodput than the one below it, just above the SINR at which it qualifies.)
    """
    allowed = sinr_db[:, None] >= target_sinr_db(rung, options.bler_target)
    value = np.where(allowed, goodput(rung, sinr_db[:, None], options.transmissions), -1.0)
    return np.where(allowed.any(1), value.argmax(1), -1)


def target_sinr_db(rung: Rungs, target: float) -> Float[ndarray, " m"]:
    """Return the SINR in dB at which the transport block of each scheme fails at the target."""
    from scipy.special import ndtri

    of_code_block = -np.expm1(np.log1p(-target) / rung.code_blocks)
    return np.asarray(rung.median_db - rung.width_db * ndtri(of_code_block))


class SchemeSteps(NamedTuple):
    """Steps of link adaptation: where the best scheme begins, in ascending order of the SINR.

    The first step begins at -1,000 dB and is the outage: a scheme of size 0.
    """

    begin_db: Float[ndarray, " s"]
    rung: Rungs


@cache
def steps(options: GoodputOptions, blocks: int) -> SchemeSteps:
    """Return the steps over a number of blocks: the switching SINRs to the last digits.

    Between the points of a grid that has all SINRs of the target, only two goodputs can cross.
    """
    rung = rungs(options, blocks)
    target_db = target_sinr_db(rung, options.bler_target)
    target_db = target_db[np.isfinite(target_db)]
    if not target_db.size:
        return SchemeSteps(np.array([_LOWEST_DB]), _outage())
    regular_db = np.arange(target_db.min(), target_db.max() + _BEYOND_DB, _GRID_DB)
    grid_db = np.unique(np.concatenate([[target_db.min() - 1.0], target_db, regular_db]))
    scheme = best(rung, options, grid_db)
    changed = np.flatnonzero(scheme[1:] != scheme[:-1])
    low_db, high_db = grid_db[changed], grid_db[changed + 1]
    left, right = scheme[changed], scheme[changed + 1]
    begin_db, chosen = [low_db[:0]], [left[:0]]
    while low_db.size:
        upper_db = high_db
        for _ in range(_BISECTIONS):
            middle_db = 0.5 * (low_db + upper_db)
            stays = best(rung, options, middle_db) == left
            low_db = np.where(stays, middle_db, low_db)
            upper_db = np.where(stays, upper_db, middle_db)
        reached = best(rung, options, upper_db)
        begin_db.append(upper_db)
        chosen.append(reached)
        # Two crossings in one cell: continue to the second.
        more = (reached != right) & (upper_db < high_db)
        low_db, high_db, left, right = upper_db[more], high_db[more], reached[more], right[more]
    switch_db, after = np.concatenate(begin_db), np.concatenate(chosen)
    order = np.argsort(switch_db, kind="stable")
    columns = (np.append(a, b) for a, b in zip(_outage(), rung.at(after[order]), strict=True))
    return SchemeSteps(np.append(_LOWEST_DB, switch_db[order]), Rungs(*columns))


def _outage() -> Rungs:
    zero = np.zeros(1)
    return Rungs(np.zeros(1, int), zero, np.ones(1), zero, np.ones(1))


@final
class Ladder:
    """Ladder of link adaptation: the steps of the numbers of blocks so far, in a sorted array."""

    def __init__(self, options: GoodputOptions) -> None:
        self._options = options
        self._known: set[int] = set()
        self._key_db = np.empty(0)
        self._rung = _outage()

    def rung_at(self, sinr_db: Float[ndarray, "*n"], blocks: Int[ndarray, "*#n"]) -> Rungs:
        """Return the best scheme at each SINR in dB over a number of blocks; size 0: outage."""
        numbers = set(np.unique(blocks).tolist())
        if not numbers <= self._known:
            self._extend(numbers)
        key_db = blocks * _KEY_DB + np.clip(sinr_db, _LOWEST_DB, -_LOWEST_DB)
        return self._rung.at(np.searchsorted(self._key_db, key_db, side="right") - 1)

    def _extend(self, numbers: set[int]) -> None:
        self._known |= numbers
        known = sorted(self._known)
        parts = [steps(self._options, blocks) for blocks in known]
        self._key_db = np.concatenate(
            [blocks * _KEY_DB + part.begin_db for blocks, part in zip(known, parts, strict=True)]
        )
        self._rung = Rungs(*map(np.concatenate, zip(*(part.rung for part in parts), strict=True)))


@cache
def ladder(options: GoodputOptions) -> Ladder:
    """Return the ladder of some options; a process has one."""
    return Ladder(options)
