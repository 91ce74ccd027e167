"""What it took to reach a test accuracy: time, bits, energy, rounds."""

from analysis.run_directory import Run


def rounds_to(run: Run, accuracy: float) -> int | None:
    """Return the round of the first evaluation with at least this test accuracy; None where none
    has.

    Evaluations come every ``evaluate_every`` rounds, so the round is late by up to that; and of a
    noisy curve the first crossing is early. The accuracy is the mean over all heads.
    """
    found = run.arrays("evaluations", "round", "accuracy")
    reached = (found["accuracy"] >= accuracy).nonzero()[0]
    return int(found["round"][reached[0]]) if len(reached) else None


def time_to(run: Run, accuracy: float) -> float | None:
    """Return the simulated seconds until that evaluation; None where the accuracy was never
    reached.
    """
    found = run.arrays("evaluations", "time_s", "accuracy")
    reached = (found["accuracy"] >= accuracy).nonzero()[0]
    return float(found["time_s"][reached[0]]) if len(reached) else None


def bits_to(run: Run, accuracy: float) -> int | None:
    """Return the bits offered to the channel until then, both directions, lost and repeated ones
    included.
    """
    last = rounds_to(run, accuracy)
    if last is None:
        return None
    found = run.arrays("transfers", "round", "bits")
    return int(found["bits"][found["round"] <= last].sum())


def energy_to(run: Run, accuracy: float) -> float | None:
    """Return the energy of all devices until then in J; None where the accuracy was never
    reached.
    """
    last = rounds_to(run, accuracy)
    if last is None:
        return None
    found = run.arrays("rounds", "round", "energy_j")
    return float(found["energy_j"][found["round"] <= last].sum())
