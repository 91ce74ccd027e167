"""Cost of reaching a test accuracy: rounds, both clocks, bits and energy."""

from analysis.run import Run


def rounds_to_accuracy(run: Run, accuracy: float) -> int | None:
    """Return the round of the first evaluation with at least this test accuracy; None if none has.

    Evaluations come every ``evaluate_every`` rounds, so the round is late by up to that number. The
    first crossing of a noisy curve is early. The accuracy is the mean over all heads.
    """
    evaluations = run.arrays("evaluations", "round", "accuracy")
    reached = (evaluations["accuracy"] >= accuracy).nonzero()[0]
    return int(evaluations["round"][reached[0]]) if len(reached) else None


def time_to_accuracy(run: Run, accuracy: float) -> float | None:
    """Return the simulated seconds until that evaluation; None if the accuracy is never reached."""
    evaluations = run.arrays("evaluations", "time_s", "accuracy")
    reached = (evaluations["accuracy"] >= accuracy).nonzero()[0]
    return float(evaluations["time_s"][reached[0]]) if len(reached) else None


def air_time_to_accuracy(run: Run, accuracy: float) -> float | None:
    """Return the time on air until that evaluation in s; None if the accuracy is never reached.

    The time on air is the sum of the rounds' delays D(t). Rounds without devices add nothing.
    """
    last = rounds_to_accuracy(run, accuracy)
    if last is None:
        return None
    rounds = run.arrays("rounds", "round", "delay_s")
    return float(rounds["delay_s"][rounds["round"] <= last].sum())


def bits_to_accuracy(run: Run, accuracy: float) -> int | None:
    """Return the bits offered to the channel until then; None if the accuracy is never reached.

    Both directions count, and so do lost and repeated transfers.
    """
    last = rounds_to_accuracy(run, accuracy)
    if last is None:
        return None
    transfers = run.arrays("transfers", "round", "bits")
    return int(transfers["bits"][transfers["round"] <= last].sum())


def energy_to_accuracy(run: Run, accuracy: float) -> float | None:
    """Return the energy of all devices until then in J; None if the accuracy is never reached."""
    last = rounds_to_accuracy(run, accuracy)
    if last is None:
        return None
    rounds = run.arrays("rounds", "round", "energy_j")
    return float(rounds["energy_j"][rounds["round"] <= last].sum())
