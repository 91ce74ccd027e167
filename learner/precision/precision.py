"""Precision and device of the model, and its execution context."""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, final

import torch

from learner.errors import LearnerInputError, OutOfMemoryError
from learner.precision import probe
from learner.settings import LearnerSettings

# torch requires it for deterministic cuBLAS, which may otherwise change the order of sums.
_WORKSPACE: Final = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@final
@dataclass(frozen=True)
class Precision:
    """PyTorch device, and the number formats on it."""

    device: torch.device
    dtype: torch.dtype
    """Format of weights, heads and sums."""
    autocast_dtype: torch.dtype | None
    """Format of the products in the encoder, and of its frozen linear weights; None if it is
    ``dtype``.
    """
    deterministic: bool

    @classmethod
    def from_settings(cls, settings: LearnerSettings) -> "Precision":
        """Return the precision of the settings.

        Raises:
            LearnerInputError: this machine lacks the device or the compiler.
        """
        present = torch.cuda.is_available()
        if settings.device == "cuda" and not present:
            problem = "'cuda' is set and PyTorch finds no CUDA device here; take 'auto' or 'cpu'"
            raise LearnerInputError("learner.device", problem)
        device = torch.device("cuda" if present and settings.device != "cpu" else "cpu")
        if settings.attention == "flash" and device.type == "cpu":
            problem = "'flash' runs on a CUDA device, and PyTorch finds none here; take 'sdpa'"
            raise LearnerInputError("learner.attention", problem)
        # Inductor builds C++ for a CPU; for CUDA, Triton builds the C that starts its kernels.
        language, compiler = (
            ("C++", os.environ.get("CXX", "g++"))
            if device.type == "cpu"
            else ("C", os.environ.get("CC", "gcc"))
        )
        if settings.compile and shutil.which(compiler) is None:
            raise LearnerInputError(
                "learner.compile", f"needs a {language} compiler, and '{compiler}' is not found"
            )
        name: str = settings.precision
        if name == "auto":
            name = probe.faster_precision(device)
        return cls(
            device=device,
            dtype=torch.float64 if name == "float64" else torch.float32,
            autocast_dtype=torch.bfloat16 if name == "bfloat16" else None,
            deterministic=settings.deterministic,
        )

    @property
    def name(self) -> str:
        """Name of the number format in the settings, chosen if they say ``auto``."""
        return str(self.autocast_dtype or self.dtype).removeprefix("torch.")

    def autocast(self) -> AbstractContextManager[None]:
        """Return a context that computes products in ``autocast_dtype``."""
        if self.autocast_dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.autocast_dtype)

    @contextmanager
    def execution_context(self, micro_batch_tokens: int) -> Iterator[None]:
        """Use deterministic algorithms if required, and report a lack of memory in one line.

        Raises:
            OutOfMemoryError: the device has no room for a micro-batch.
        """
        before = torch.are_deterministic_algorithms_enabled()
        if self.deterministic:
            os.environ.setdefault(*_WORKSPACE)
            torch.use_deterministic_algorithms(True)
        try:
            yield
        except RuntimeError as error:
            if not _lacks_memory(error):
                raise
            raise OutOfMemoryError(micro_batch_tokens) from None
        finally:
            torch.use_deterministic_algorithms(before)


def _lacks_memory(error: RuntimeError) -> bool:
    # For a CPU, torch has no exception class of its own.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
