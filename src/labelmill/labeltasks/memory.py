"""How much memory this process has used at most."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import psutil

_KIBIBYTE = 1024
_MEBIBYTE = 1024 * 1024
_STATUS = Path("/proc/self/status")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def peak_memory_mb() -> float:
    """Return the highest resident memory of this process so far, in MiB; where the system keeps no peak, the present one."""
    # Linux's rusage is not asked: a new process has inherited there what the one that started it had used.
    try:
        found = _PEAK.search(_STATUS.read_text(encoding="ascii", errors="replace"))
    except OSError:
        found = None
    return float(found[1]) / _KIBIBYTE if found else _kept_peak_mb()


def _kept_peak_mb() -> float:
    try:
        import resource
    except ModuleNotFoundError:
        return _windows_peak_mb()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) / (_MEBIBYTE if sys.platform == "darwin" else _KIBIBYTE)


def _windows_peak_mb() -> float:
    memory = psutil.Process().memory_info()
    return float(getattr(memory, "peak_wset", memory.rss)) / _MEBIBYTE
