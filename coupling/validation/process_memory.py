"""Memory of this process: the peak that the operating system has recorded."""

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_bytes() -> int:
    """Return the peak memory of this process in bytes, and that on the accelerator if there is one.

    On Linux it is the peak of resident memory since the program started (``VmHWM``); a process that
    has done other work before includes it.
    """
    return _resident_bytes() + _accelerator_bytes()


def _resident_bytes() -> int:
    if _STATUS.is_file():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _accelerator_bytes() -> int:
    torch = sys.modules.get("torch")
    return int(torch.cuda.max_memory_allocated()) if torch and torch.cuda.is_initialized() else 0
