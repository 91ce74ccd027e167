"""MLflow tracker: a local store by default, or the server of ``MLFLOW_TRACKING_URI``."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, final

from typing_extensions import override

from coupling.trackers.base import PROJECT, Tracker

_PARAMETER_LENGTH: Final = 250
_PARAMETERS_AT_ONCE: Final = 100


@final
class MlflowTracker(Tracker):
    """MLflow run with the scenario's keys as its parameters."""

    package = "mlflow"
    remedy = "pip install mlflow"

    @override
    def open(self, first_round: int) -> None:
        import mlflow

        mlflow.set_experiment(PROJECT)
        self._mlflow: Any = mlflow
        self._mlflow.start_run(run_name=self.folder.name)
        parameters = list(_flat(self.scenario.tables()))
        for start in range(0, len(parameters), _PARAMETERS_AT_ONCE):
            self._mlflow.log_params(dict(parameters[start : start + _PARAMETERS_AT_ONCE]))

    @override
    def write(self, round_number: int, values: Mapping[str, float]) -> None:
        self._mlflow.log_metrics(dict(values), step=round_number)

    @override
    def close(self, *, failed: bool) -> None:
        self._mlflow.end_run("FAILED" if failed else "FINISHED")


def _flat(tables: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the keys of nested tables, joined by dots, with their values as text."""
    for key, value in tables.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", str(value)[:_PARAMETER_LENGTH]
