"""Trackers: observers that send the scalars of each round to TensorBoard, MLflow and the like."""

from importlib import import_module
from types import MappingProxyType

from coupling.scenario.errors import ScenarioError
from coupling.trackers.base import Tracker, scalars

TRACKERS = MappingProxyType(
    {
        "tensorboard": "coupling.trackers.tensorboard:TensorBoardTracker",
        "trackio": "coupling.trackers.trackio:TrackioTracker",
        "wandb": "coupling.trackers.wandb:WandbTracker",
        "mlflow": "coupling.trackers.mlflow:MlflowTracker",
        "csv": "coupling.trackers.csv:CsvTracker",
    }
)
"""Trackers by name: the places of their classes."""


def tracker_class(name: str) -> type[Tracker]:
    """Return the tracker of this name; its instance takes the run directory and the scenario.

    Raises:
        ScenarioError: there is no such tracker, or its package is not installed.
    """
    if name not in TRACKERS:
        raise ScenarioError(f"--track {name}: is not one of {', '.join(TRACKERS)}")
    module, _, class_name = TRACKERS[name].partition(":")
    tracker: type[Tracker] = getattr(import_module(module), class_name)
    if tracker.package is not None:
        try:
            import_module(tracker.package)
        except ImportError:
            raise ScenarioError(
                f"--track {name}: {tracker.package} is not installed; {tracker.remedy}"
            ) from None
    return tracker


__all__ = ["TRACKERS", "Tracker", "scalars", "tracker_class"]
