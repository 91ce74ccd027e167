"""Numbers that summarise a run."""

from typing import Any

from analysis.run_directory import Run


def summary(run: Run) -> dict[str, Any]:
    """Return what a run came to, one number a key; ``None`` where there is no such number.

    ``virtual_queue_per_budget`` is Q(T) / (T D_budget): it falls towards 0 where the mean delay meets the budget.
    """
    rounds, evaluations = run.rounds, run.evaluations
    budget_s = float(rounds.delay_budget_s.iloc[0])
    accuracy = [] if evaluations.empty else [float(value) for value in evaluations.accuracy]
    return {
        "rounds": len(rounds),
        "scheduled_mean": float(rounds.scheduled.mean()),
        "scheduled_median": float(rounds.scheduled.median()),
        "rounds_without_devices": int((rounds.scheduled == 0).sum()),
        "delay_mean_s": float(rounds.delay_s.mean()),
        "delay_median_s": float(rounds.delay_s.median()),
        "delay_budget_s": budget_s,
        "virtual_queue_s": float(rounds.virtual_queue_s.iloc[-1]),
        "virtual_queue_per_budget": float(rounds.virtual_queue_s.iloc[-1]) / (len(rounds) * budget_s),
        "energy_j": float(rounds.energy_j.sum()),
        "accuracy_first": accuracy[0] if accuracy else None,
        "accuracy_last": accuracy[-1] if accuracy else None,
        "simulated_s": float(rounds.end_s.iloc[-1]),
        "wall_s": float(run.provenance["wall_s"]),
        "run": str(run.path),
    }


def warnings(run: Run) -> list[str]:
    """Return what a reader of the summary should know before trusting it, a line each."""
    rounds = run.rounds
    idle = rounds.scheduled == 0
    if idle.mean() <= 0.5:
        return []
    worst = rounds.iloc[int(rounds.delay_s.to_numpy().argmax())]
    return [
        f"{idle.mean():.1%} of the rounds scheduled nobody: the delay of round {worst['round']:.0f} was "
        f"{worst['delay_s'] / worst['delay_budget_s']:.0f} budgets, and the virtual queue had to drain; "
        "see scheduler.drift = 'full' and scheduler.queue_initial_budgets"
    ]
