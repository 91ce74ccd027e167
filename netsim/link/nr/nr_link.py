"""NR link: modulation and coding schemes, chase combining, and expected goodput."""

from functools import cached_property
from typing import Annotated, Final, Literal, final

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike
from pydantic import Field
from pydantic.dataclasses import dataclass
from typing_extensions import override

from netsim.link.base import Adaptation, Link
from netsim.link.nr import link_adaptation
from netsim.link.nr.link_adaptation import SLOT_CYCLES, GoodputOptions, Ladder, Rungs
from netsim.parameters import CONFIG, source

_REFERENCE_BLOCKS: Final = 24
"""Blocks of the spectral efficiency where no number of blocks is known."""


@final
@dataclass(frozen=True, kw_only=True, config=CONFIG)
class NrLink(Link):
    """Link of 5G NR: schemes of TS 38.214, block error rates of its LDPC code, HARQ.

    In each slot a device sends one transport block over the resource blocks that it uses. Among the
    schemes whose transport block fails with at most ``bler_target`` it takes the one of maximum
    goodput; where there is none, nothing arrives. With ``harq = "chase"`` a transport block that
    failed is sent again and the soft values add. A device has 16 processes, so a round trip costs
    no throughput. The rate is the mean: bits over slots.

    Source: 3GPP TS 38.214 V17.1.0, 5.1.3 (one layer, CP-OFDM in both directions), TS 38.212, 5.2.2
    and 7.2. Left out: fading within a transport block, outdated channel state in link adaptation,
    incremental redundancy, retransmission of single code blocks.
    """

    kind: Annotated[Literal["nr"], source("cited, 3GPP TS 38.214")] = "nr"
    table: Annotated[Literal[1, 2, 3], source("cited, 3GPP TS 38.214, 5.1.3.1")] = 1
    """Table of schemes: 1 reaches 64-QAM, 2 reaches 256-QAM, 3 is for low rates."""
    bler_target: Annotated[
        Annotated[float, Field(gt=0, lt=1, strict=True)],
        source("cited, 3GPP TS 38.214, 5.2.2.1: 0.1"),
    ] = 0.1
    """Maximum error rate of the first transmission of a transport block."""
    harq: Annotated[Literal["none", "chase"], source("airtune")] = "chase"
    """Hybrid ARQ: without, a transport block that failed is sent anew and nothing is combined."""
    max_transmissions: Annotated[
        Annotated[int, Field(ge=1, le=16, strict=True)], source("airtune")
    ] = 4
    """Maximum number of transmissions of a transport block under ``chase``."""
    overhead: Annotated[
        Annotated[float, Field(ge=0, lt=1, strict=True)],
        source("cited, 3GPP TS 38.306, 4.1.2: 0.14 down, 0.08 up"),
    ] = 0.14
    """Share of the resource elements without data: reference signals and control."""
    interference_margin_db: Annotated[
        Annotated[float, Field(ge=0, le=1000, strict=True)], source("airtune")
    ] = 0.0
    """Interference over thermal noise: factor on the noise in dB."""

    @property
    @override
    def interference_margin(self) -> float:
        return float(10.0 ** (self.interference_margin_db / 10))

    @property
    def transmissions(self) -> int:
        """Number of transmissions that are combined at most."""
        return self.max_transmissions if self.harq == "chase" else 1

    @cached_property
    def options(self) -> GoodputOptions:
        """Options of link adaptation."""
        elements = link_adaptation.elements_per_block(self.overhead)
        return GoodputOptions(self.table, self.bler_target, self.transmissions, elements=elements)

    @override
    def spectral_efficiency(self, sinr: ArrayLike) -> Float[ndarray, "..."]:
        return self.efficiency_over_blocks(np.asarray(sinr, float), _REFERENCE_BLOCKS)

    @override
    def efficiency_over_blocks(
        self, sinr: Float[ndarray, "*n"], blocks: ArrayLike
    ) -> Float[ndarray, "*n"]:
        sinr_db, number, rung = self._adapted(sinr, blocks)
        bits_per_slot = link_adaptation.goodput(rung, sinr_db, self.transmissions)
        return np.asarray(bits_per_slot / (SLOT_CYCLES * number))

    @override
    def adaptation(self, sinr: Float[ndarray, "*n"], blocks: ArrayLike) -> Adaptation:
        sinr_db, _, rung = self._adapted(sinr, blocks)
        sends = rung.size > 0
        slots = link_adaptation.slots(rung, sinr_db, self.transmissions)
        failed = link_adaptation.error_rate(rung, sinr_db, self.transmissions)
        # A block that is given up is sent anew, so the slots per block that arrives count.
        again = slots / np.where(sends, 1.0 - failed, 1.0) - 1.0
        return Adaptation(
            np.where(sends, rung.order, np.nan), np.where(sends, np.maximum(again, 0.0), np.nan)
        )

    @override
    def rate(
        self,
        bandwidth_hz: ArrayLike,
        gain: ArrayLike,
        noise_psd: float,
        tx_power_w: ArrayLike = 1.0,
    ) -> Float[ndarray, "..."]:
        raise ValueError("an NR link needs resource blocks")

    def _adapted(
        self, sinr: Float[ndarray, "*n"], blocks: ArrayLike
    ) -> tuple[Float[ndarray, "*n"], ndarray, Rungs]:
        """Return the SINR in dB, the number of blocks and the best scheme of each entry."""
        with np.errstate(divide="ignore"):
            sinr_db = 10 * np.log10(sinr)
        number = np.asarray(blocks)
        return sinr_db, number, self._ladder.rung_at(sinr_db, number)

    @cached_property
    def _ladder(self) -> Ladder:
        return link_adaptation.ladder(self.options)
