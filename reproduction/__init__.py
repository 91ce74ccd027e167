"""Reproduction of the paper's figures and claims: stages, verdicts and the page.

``stages.toml`` lists the sweeps of each stage. ``claims.toml`` lists the claims and the numbers
that decide them. ``make reproduce`` runs the stages and writes ``docs/reproduction.md`` from the
run directories alone.
"""
