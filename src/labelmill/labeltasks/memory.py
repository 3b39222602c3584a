"""How much memory this process has used at most."""

from __future__ import annotations

import sys

import psutil

_KIBIBYTE = 1024
_MEBIBYTE = 1024 * 1024


def peak_memory_mb() -> float:
    """Return the highest resident memory of this process so far, in MiB; where the system keeps no peak, the present one."""
    try:
        import resource
    except ModuleNotFoundError:
        return _windows_peak_mb()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) / (_MEBIBYTE if sys.platform == "darwin" else _KIBIBYTE)


def _windows_peak_mb() -> float:
    memory = psutil.Process().memory_info()
    return float(getattr(memory, "peak_wset", memory.rss)) / _MEBIBYTE
