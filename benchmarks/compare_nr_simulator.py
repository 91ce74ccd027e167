"""Comparison of the NR link with isaac-net 0.2.0, an independent system-level simulator.

    pip install --no-deps isaac-net==0.2.0
    python benchmarks/compare_nr_simulator.py

One static user, one layer, no overhead beyond the maximum of 156 resource elements per block, one
transmission per transport block. First the sizes of transport blocks and their segmentation for
tables 1 and 2, every scheme and 1 to 273 blocks; then scheme and goodput at -2 to 25 dB.

isaac-net ships the block error rates of Sionna SYS, so its curves are not independent of Sionna,
but its sizes, segmentation and adaptation are of its own. At last these rates as simulated, 1.6 to
1.8 dB apart, against ours: they agree. Between them isaac-net interpolates the rate linearly, which
moves its switching SINRs by up to a dB. Goodput differs by more than 5 % only where that changes
the scheme, or in the waterfall of the same one; the table has the SINRs of the target in both.
"""

import json
from importlib.metadata import version

import numpy as np
import torch
from isaac_net.core.phy import DATA, PHY, segment, tbs_38214

from netsim.link.nr import link_adaptation
from netsim.link.nr.block_errors import error_line
from netsim.link.nr.link_adaptation import SLOT_CYCLES
from netsim.link.nr.nr_link import NrLink
from netsim.link.nr.schemes import TABLES
from netsim.link.nr.transport_blocks import resource_elements, segmentation, transport_block_size

_VERSION = "0.2.0"
_SYMBOLS = 13
"""Symbols of 12 resource elements each that carry data: 156, the maximum of TS 38.214."""


def differing_sizes(table: int) -> int:
    """Return the number of schemes and blocks whose size or segmentation differs."""
    differing = 0
    for scheme in TABLES[table]:
        for blocks in range(1, 274):
            size = transport_block_size(scheme, resource_elements(blocks, symbols=_SYMBOLS))
            ours = segmentation(size, scheme.code_rate)
            count = torch.tensor(float(blocks))
            order = torch.tensor(float(scheme.modulation_order))
            theirs = int(tbs_38214(order, scheme.code_rate, count, _SYMBOLS, dmrs=0))
            bits, code_blocks = segment(torch.tensor(theirs), scheme.code_rate)
            same_blocks = ours.code_blocks == int(code_blocks) and ours.bits == int(bits)
            differing += not (size == theirs and same_blocks)
    return differing


def print_goodput(table: int, blocks: int) -> None:
    """Print scheme and goodput of both at each SINR."""
    theirs = PHY("ul", table, "cpu")
    link = NrLink(table=table, harq="none", overhead=0.0)
    count = torch.tensor([float(blocks)])
    mask = torch.ones(1, 1, dtype=torch.bool)
    every = link_adaptation.rungs(link.options, blocks)
    print(f"table {table}, {blocks} blocks: SINR (dB), scheme (both), bit/s/Hz (both), ratio, and")
    print("  SINR (dB) of the target (both) for the higher one of the two schemes")
    bits, code_blocks = segment(theirs.tbs_all(count[0], _SYMBOLS, dmrs=0), theirs.r)
    schemes = torch.arange(theirs.M)
    grid_db = torch.arange(-8.0, 30.0, 0.01)[:, None].expand(-1, theirs.M)
    each = theirs.bler_lookup(schemes.expand_as(grid_db), grid_db, bits.float().expand_as(grid_db))
    passes = (1 - (1 - each) ** code_blocks.float()) <= link.bler_target
    their_db = grid_db[passes.long().argmax(0), 0]
    our_db = link_adaptation.target_sinr_db(every, link.bler_target)
    for sinr_db in range(-2, 26):
        row, size = theirs.select_mcs(
            torch.tensor([[float(sinr_db)]]), mask, torch.zeros(1), count, _SYMBOLS, 0
        )
        failed = theirs.tb_error_prob(row, torch.tensor([float(sinr_db)]), size)
        goodput = float(size * (1 - failed)) / (SLOT_CYCLES * blocks)
        sinr = np.array([10 ** (sinr_db / 10)])
        ours = float(link.efficiency_over_blocks(sinr, blocks)[0])
        best = int(link_adaptation.best(every, link.options, np.array([float(sinr_db)]))[0])
        ratio = ours / goodput if goodput else np.nan
        higher = max(best, int(row))
        shown = f"{sinr_db:4d} {best:4d} {int(row):4d} {ours:7.4f} {goodput:7.4f} {ratio:6.3f}"
        shift = f"{our_db[higher]:7.2f} {float(their_db[higher]):7.2f}"
        print(f"{shown} {shift}{'' if abs(ratio - 1) <= 0.05 else ' *'}")


def print_curves() -> None:
    """Print how far the simulated rates of Sionna SYS lie from our lines, in dB, by size."""
    with np.load(DATA) as data:
        raw = json.loads(bytes(data["raw_json"]).decode())
    shift_db: dict[int, list[float]] = {}
    for table in (1, 2):
        category = next(iter(raw[f"PDSCH_table{table}.json"]["category"].values()))
        for row, curve in category["index"][str(table)]["MCS"].items():
            scheme = TABLES[table][int(row)]
            for size, rates in curve["CBS"].items():
                line = error_line(scheme.modulation_order, scheme.code_rate, int(size))
                shift_db.setdefault(int(size), []).extend(
                    line.sinr_db_at(rate) - sinr_db
                    for sinr_db, rate in zip(curve["SNR_db"], rates["BLER"], strict=True)
                    if 0.02 < rate < 0.8
                )
    print(
        "bits, points of Sionna SYS, SINR of our line minus theirs: mean, deviation, maximum (dB)"
    )
    for size, values in sorted(shift_db.items()):
        finite = np.array(values)[np.isfinite(values)]
        spread = f"{finite.mean():7.3f} {finite.std():7.3f} {np.abs(finite).max():7.3f}"
        print(f"{size:5d} {len(finite):4d} {spread}")


def main() -> None:
    """Compare sizes, segmentation, scheme and goodput."""
    if version("isaac-net") != _VERSION:
        raise SystemExit(f"needs isaac-net=={_VERSION}, not {version('isaac-net')}")
    for table in (1, 2):
        print(f"table {table}: {differing_sizes(table)} sizes or segmentations differ")
    for table in (1, 2):
        print_goodput(table, 51)
    print_curves()


if __name__ == "__main__":
    main()
