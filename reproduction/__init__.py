"""The paper's figures and claims, run again: stages of sweeps, the rule for a verdict, and the page
that tells it.

``stages.toml`` says what is run, ``claims.toml`` what is claimed and by which numbers a claim is
judged. ``make reproduce`` runs the stages and writes ``docs/reproduction.md`` from the run
directories alone.
"""
