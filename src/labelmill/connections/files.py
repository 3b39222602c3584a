"""The folder whose files may be named over HTTP."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from labelmill.errors import BadSource

if TYPE_CHECKING:
    from labelmill.settings import Settings

FOLDER = "files"
LONGEST_PATH = 1024
_WAY_OUT = "Name a file below the folder `files` in the data folder, like `2024/posts.csv`."


def files_folder(settings: Settings) -> Path:
    """Return the folder below which sources and sinks that are named over HTTP lie."""
    return settings.data_dir / FOLDER


def below_data_dir(settings: Settings, relative_path: str) -> Path:
    """Return the path of a file below the data folder's ``files``; the file need not exist.

    Raises BadSource for absolute paths, ``..``, backslashes, characters that cannot be printed and links that lead out. The folder
    is the administrator's: nobody else may make links in it, or the path could be turned elsewhere after this check.
    """
    _check_text(relative_path)
    base = files_folder(settings).resolve()
    try:
        found = (base / relative_path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise BadSource("This path cannot be followed.", where=relative_path[:200], way_out=_WAY_OUT) from error
    if found == base or not found.is_relative_to(base):
        raise BadSource("This path leads out of the folder for files.", where=relative_path[:200], way_out=_WAY_OUT)
    return found


def _check_text(text: str) -> None:
    parts = PurePosixPath(text).parts
    absolute = text.startswith(("/", "~")) or bool(PureWindowsPath(text).drive)
    if not parts or absolute or ".." in parts or "\\" in text or not text.isprintable() or len(text) > LONGEST_PATH:
        shown = text[:200].encode("unicode_escape", "replace").decode()
        raise BadSource("This is no path below the folder for files.", where=shown, way_out=_WAY_OUT)
