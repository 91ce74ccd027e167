"""Hostile models, reports, plug-ins, addresses and signals: kinds 3, 4, 5, 7, 10 and 12."""

from support.hostile import Case

PART_CASES: tuple[Case, ...] = ()
