"""Modulation and coding schemes of 5G NR: tables 5.1.3.1-1 to -3 of TS 38.214, as data."""

from typing import Final, NamedTuple


class Scheme(NamedTuple):
    """Modulation and coding scheme: modulation order and target code rate.

    Source: 3GPP TS 38.214 V17.1.0, tables 5.1.3.1-1, -2 and -3 (CP-OFDM, downlink and uplink).
    """

    modulation_order: int
    """Bits per symbol: 2 is QPSK, 4 is 16-QAM, 6 is 64-QAM, 8 is 256-QAM."""
    rate_1024: float
    """Target code rate, times 1024."""

    @property
    def code_rate(self) -> float:
        """Target code rate, without unit."""
        return self.rate_1024 / 1024

    @property
    def spectral_efficiency(self) -> float:
        """Spectral efficiency in bit/s/Hz before overhead: modulation order times code rate."""
        return self.modulation_order * self.code_rate


def _rows(*modulations: tuple[int, str]) -> tuple[Scheme, ...]:
    return tuple(
        Scheme(order, float(rate)) for order, rates in modulations for rate in rates.split()
    )


TABLES: Final = {
    1: _rows(
        (2, "120 157 193 251 308 379 449 526 602 679"),
        (4, "340 378 434 490 553 616 658"),
        (6, "438 466 517 567 616 666 719 772 822 873 910 948"),
    ),
    2: _rows(
        (2, "120 193 308 449 602"),
        (4, "378 434 490 553 616 658"),
        (6, "466 517 567 616 666 719 772 822 873"),
        (8, "682.5 711 754 797 841 885 916.5 948"),
    ),
    3: _rows(
        (2, "30 40 50 64 78 99 120 157 193 251 308 379 449 526 602"),
        (4, "340 378 434 490 553 616"),
        (6, "438 466 517 567 616 666 719 772"),
    ),
}
"""Schemes by table and index: 1 reaches 64-QAM, 2 reaches 256-QAM, 3 is for low rates."""

ALL_SCHEMES: Final = tuple(sorted({scheme for table in TABLES.values() for scheme in table}))
"""Distinct schemes of the three tables, by modulation order and code rate."""
