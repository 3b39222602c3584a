"""Named places where a test can stop, delay or kill the code; without ``LABELMILL_TRIGGER`` they do nothing.

``LABELMILL_TRIGGER=name:kill:3`` kills this process with SIGKILL the third time that it comes to ``name``; ``name:fail:1`` raises
there the first time. ``*`` as the name means any place.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Final

VARIABLE: Final = "LABELMILL_TRIGGER"
_passed: Counter[str] = Counter()


class Triggered(RuntimeError):
    """A test asked for a failure here."""


def passing(name: str) -> None:
    """Come to the place called ``name``."""
    order = os.environ.get(VARIABLE)
    if order is None:
        return
    wanted, action, times = order.split(":")
    if wanted not in (name, "*"):
        return
    _passed[wanted] += 1
    if _passed[wanted] != int(times):
        return
    if action == "kill":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    raise Triggered(name)
