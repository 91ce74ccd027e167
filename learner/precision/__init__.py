"""Number formats and PyTorch device of the model, and probes that choose the faster format."""

from learner.precision.precision import Precision

__all__ = ["Precision"]
