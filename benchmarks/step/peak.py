"""The most memory a process has held, and its GPU."""

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

import psutil


def peak_bytes() -> int:
    """The most that this process held in memory, and each of its living children, added up.

    Children are the reward workers, and engines where they are processes of their own. Where the
    system does not tell of them, this process alone.
    """
    own = psutil.Process()
    peaks = [_high_water(process.pid) for process in (own, *own.children(recursive=True))]
    return sum(peaks) or _own_high_water()


def own_peak_bytes() -> int:
    """The most that this process alone held."""
    return _high_water(os.getpid()) or _own_high_water()


def forget_peak() -> None:
    """Have this process's peak begin anew, from what it holds now; Linux alone can do it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def gpu_peak_bytes() -> int:
    """The most that this process's tensors held on its GPU; 0 without one."""
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0


def settle() -> None:
    """Wait until the GPU has done what it was given, where there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _high_water(pid: int) -> int:
    """A process's, in bytes; 0 where it is gone or the system has no such file."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _own_high_water() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
