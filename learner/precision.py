"""Where the model computes, in which format, and what happens when memory runs out."""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, final

import torch

from learner.errors import LearnerInputError, OutOfMemoryError
from learner.settings import LearnerSettings

# Without it cuBLAS may add up in another order on the next run, and torch refuses to promise
# otherwise.
_WORKSPACE: Final = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@final
@dataclass(frozen=True)
class Precision:
    """A device and the formats of numbers on it."""

    device: torch.device
    dtype: torch.dtype
    """Format of weights, heads and sums."""
    autocast_dtype: torch.dtype | None
    """Format of the products in the encoder, where it is another one."""
    deterministic: bool

    def autocast(self) -> AbstractContextManager[None]:
        """Compute products in the narrower format within this context."""
        if self.autocast_dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.autocast_dtype)

    @contextmanager
    def guard(self, micro_batch_tokens: int) -> Iterator[None]:
        """Keep to algorithms that give the same bits again, if asked for, and put a lack of memory
        in a line.

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


def resolve(settings: LearnerSettings) -> Precision:
    """Return what the settings ask for; LearnerInputError where this machine has it not."""
    present = torch.cuda.is_available()
    if settings.device == "cuda" and not present:
        problem = "'cuda' is asked for and PyTorch finds no CUDA device here; take 'auto' or 'cpu'"
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
    return Precision(
        device=device,
        dtype=torch.float64 if settings.precision == "float64" else torch.float32,
        autocast_dtype=torch.bfloat16 if settings.precision == "bfloat16" else None,
        deterministic=settings.deterministic,
    )


def _lacks_memory(error: RuntimeError) -> bool:
    # On a CPU torch has no exception of its own for it.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
