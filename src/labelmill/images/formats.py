"""What an image says of itself before anything of it is decoded: its format, its size, and whether its end is there."""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from labelmill.errors import BadFile

#: What decodes into more memory than this is refused: 120 MB.
MOST_PIXELS: Final = 40_000_000
MOST_SIDE: Final = 20_000
MOST_BYTES: Final = 50 << 20


class ImageFormat(StrEnum):
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"


#: How files of a format that we write end.
SUFFIX: Final = {ImageFormat.JPEG: ".jpg", ImageFormat.PNG: ".png", ImageFormat.WEBP: ".webp"}
#: Which endings say what.
FORMAT_OF: Final = {".jpg": ImageFormat.JPEG, ".jpeg": ImageFormat.JPEG, ".png": ImageFormat.PNG, ".webp": ImageFormat.WEBP}
_PNG_END: Final = b"IEND\xaeB`\x82"


@dataclass(frozen=True, kw_only=True)
class Look:
    format: ImageFormat
    width: int
    height: int
    #: How the colours of a JPEG are kept, as libjpeg-turbo calls it.
    colours: str = ""


def look(content: bytes) -> Look:
    """Return what an image is by its first bytes; raises BadFile for none, one that is too large, and one without its end."""
    if not content:
        raise BadFile("it is empty")
    if len(content) > MOST_BYTES:
        raise BadFile(f"it is larger than {MOST_BYTES >> 20} MB")
    if content.startswith(b"\xff\xd8\xff"):
        found = _jpeg(content)
    elif content.startswith(b"\x89PNG\r\n\x1a\n"):
        found = _png(content)
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        found = _webp(content)
    else:
        raise BadFile("it is no JPEG, PNG or WebP image")
    check_size(found.width, found.height)
    return found


def require_honest(content: bytes, suffix: str) -> Look:
    """Return what ``look`` does; raises BadFile also for an image that is not what the ending of its name says."""
    found = look(content)
    if FORMAT_OF.get(suffix.lower(), found.format) is not found.format:
        raise BadFile(f"its name says {suffix.lower()}, but it is {found.format.upper()}")
    return found


def check_size(width: int, height: int) -> None:
    """Raise BadFile for an image that would not fit in memory."""
    if width * height > MOST_PIXELS or max(width, height) > MOST_SIDE or not min(width, height):
        raise BadFile(f"it has {width:,} by {height:,} pixels; at most {MOST_PIXELS // 1_000_000} million are taken")


def _jpeg(content: bytes) -> Look:
    import simplejpeg

    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError as error:
        raise BadFile(f"it is damaged or cut off: {' '.join(str(error).split())[:200]}") from error
    # A preview inside has an end of its own: only what follows the last begin of pixels is that of the image.
    if content.find(b"\xff\xd9", content.rfind(b"\xff\xda")) < 0:
        raise BadFile("it is cut off")
    return Look(format=ImageFormat.JPEG, width=width, height=height, colours=colours)


def _png(content: bytes) -> Look:
    if content[12:16] != b"IHDR" or _PNG_END not in content:
        raise BadFile("it is damaged or cut off")
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    return Look(format=ImageFormat.PNG, width=width, height=height)


def _webp(content: bytes) -> Look:
    from PIL import Image

    if int.from_bytes(content[4:8], "little") + 8 > len(content):
        raise BadFile("it is cut off")
    try:
        with Image.open(io.BytesIO(content), formats=("WEBP",)) as opened:
            width, height = opened.size
    except (OSError, ValueError, SyntaxError) as error:
        raise BadFile(f"it is damaged: {' '.join(str(error).split())[:200]}") from error
    return Look(format=ImageFormat.WEBP, width=width, height=height)
