"""Rule files as text: UTF-8, bounded in size, and an error that names the line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labelmill.errors import BadFile, NotFound, TooLarge

if TYPE_CHECKING:
    from pathlib import Path

#: Bytes; 100,000 keywords take about 2 MB.
LARGEST_FILE: Final = 64 << 20


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file without its byte-order mark, or raise BadFile (line), TooLarge or NotFound."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise NotFound("There is no such rule file.", where=str(path), way_out="Check the path.") from error
    except OSError as error:
        raise BadFile(
            f"The file cannot be read: {error.strerror}.", where=str(path), way_out="Check its kind and rights."
        ) from error
    if len(data) > LARGEST_FILE:
        raise TooLarge(
            f"The file is larger than {LARGEST_FILE >> 20} MiB.", where=str(path), way_out="Split the rules into several files."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"Byte {data[error.start]:#04x} is not UTF-8."
        raise BadFile(message, where=f"{path}:{line}", way_out="Save the file as UTF-8.") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise BadFile(
            "The character NUL stands in a rule file.", where=f"{path}:{line}", way_out="Save the file as plain UTF-8 text."
        )
    return text
