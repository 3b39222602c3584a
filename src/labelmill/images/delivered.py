"""The files of an image task that lie in labelmill's own place: those that can be had over HTTP."""

from __future__ import annotations

import heapq
import os
from typing import TYPE_CHECKING

from labelmill.images.task import Pack

if TYPE_CHECKING:
    from pathlib import Path

    from labelmill.images.results import Results


def delivered_files(results: Results, *, after: str = "", limit: int) -> list[Path]:
    """Return the first files by name after the name ``after``."""
    if results.delivery.pack is Pack.ZIP:
        return [results.file] if results.file.is_file() and results.file.name > after else []
    with os.scandir(results.folder) as entries:
        found = (entry.name for entry in entries if entry.name > after and entry.name[0] != "." and entry.is_file())
        return [results.folder / name for name in heapq.nsmallest(limit, found)]


def delivered_file(results: Results, name: str) -> Path | None:
    """Return the file of this name; what is hidden, or is no name of a file, is none."""
    if "/" in name or "\\" in name or not name.isprintable() or name.startswith("."):
        return None
    path = results.file if results.delivery.pack is Pack.ZIP else results.folder / name
    return path if path.name == name and path.is_file() else None
