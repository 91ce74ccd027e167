"""Weights & Biases tracker; ``WANDB_MODE=offline`` keeps its files in the run directory."""

from collections.abc import Mapping
from typing import Any, final

from typing_extensions import override

from coupling.trackers.base import PROJECT, Tracker


@final
class WandbTracker(Tracker):
    """Weights & Biases run with the scenario as its configuration."""

    package = "wandb"
    remedy = "pip install wandb"

    @override
    def open(self, first_round: int) -> None:
        import wandb

        self._run: Any = wandb.init(
            project=PROJECT,
            name=self.folder.name,
            config=self.scenario.tables(),
            dir=str(self.folder),
        )

    @override
    def write(self, round_number: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=round_number)

    @override
    def close(self, *, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))
