"""Ending of a run: a number of rounds, a simulated time, or a test accuracy."""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Ending:
    """Ending of a run: the first of its goals that is reached after a round."""

    rounds: int
    """Maximum number of rounds."""
    until_s: float | None = None
    """Simulated time in seconds; the round that reaches it is the last."""
    until_accuracy: float | None = None
    """Test accuracy; the round whose evaluation reaches it is the last."""

    @property
    def is_fixed(self) -> bool:
        """Whether the number of rounds is known before the run."""
        return self.until_s is None and self.until_accuracy is None

    def is_last(self, round_number: int, time_s: float) -> bool:
        """Return whether a round that ends at ``time_s`` is the last, whatever its accuracy."""
        return round_number >= self.rounds or (self.until_s is not None and time_s >= self.until_s)

    def is_accurate(self, accuracy: float | None) -> bool:
        """Return whether the accuracy of an evaluation ends the run."""
        if self.until_accuracy is None or accuracy is None:
            return False
        return accuracy >= self.until_accuracy

    def progress(self, round_number: int, time_s: float) -> float:
        """Return the share of the run that is done after a round, from 0 to 1.

        It is that of the nearer of its ends in rounds and time; an accuracy may end the run before.
        """
        by_time = 0.0 if self.until_s is None else time_s / self.until_s
        return min(1.0, max(round_number / self.rounds, by_time))
