"""One image file made into one that is safe to keep and to show: decoded whole, turned upright, written anew without anything but pixels."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelmill.errors import BadFile, Unavailable

if TYPE_CHECKING:
    from PIL.Image import Image

#: What is read, and what it is written as: nothing that can hold a script, and of moving images the first one.
_FORMATS = {
    "JPEG": ("JPEG", "jpg"),
    "PNG": ("PNG", "png"),
    "WEBP": ("WEBP", "webp"),
    "GIF": ("PNG", "png"),
    "BMP": ("PNG", "png"),
}
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})
MOST_BYTES = 50 << 20
#: 120 MB of memory once decoded.
MOST_PIXELS = 40_000_000
MOST_SIDE = 20_000
QUALITY = 90
_MODES = {"JPEG": ("L", "RGB"), "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), "WEBP": ("RGB", "RGBA")}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image as it is kept. ``blob`` names it by the file that it came from: the same file has the same name again."""

    blob: str
    content: bytes
    width: int
    height: int


def require_library() -> None:
    """Raise Unavailable where images cannot be read."""
    try:
        import PIL.Image  # noqa: F401
    except ModuleNotFoundError as error:
        raise Unavailable(
            "The library that reads images is not installed.", way_out="pip install 'labelmill[images]'"
        ) from error


def clean(source: bytes) -> Picture:
    """Return an image as it is kept; raises BadFile that says what is wrong with it."""
    require_library()
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # the size is checked below, before anything is decoded
    if len(source) > MOST_BYTES:
        raise BadFile(f"it is larger than {MOST_BYTES >> 20} MB")
    try:
        with Image.open(io.BytesIO(source), formats=tuple(_FORMATS)) as opened:
            _check_size(opened)
            kind, suffix = _FORMATS[str(opened.format)]
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            content = _written(upright, kind)
    except BadFile:
        raise
    except UnidentifiedImageError as error:
        raise BadFile("it is no JPEG, PNG, WebP, GIF or BMP image") from error
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError, MemoryError, IndexError, TypeError, KeyError) as error:
        # What decoders raise for damaged files has no common class.
        raise BadFile(f"it is damaged or cut off: {' '.join(str(error).split())[:200]}") from error
    digest = hashlib.sha256(source).hexdigest()
    return Picture(blob=f"images/{digest[:2]}/{digest}.{suffix}", content=content, width=upright.width, height=upright.height)


def _check_size(image: Image) -> None:
    if image.width * image.height > MOST_PIXELS or max(image.size) > MOST_SIDE or not min(image.size):
        raise BadFile(
            f"it has {image.width:,} by {image.height:,} pixels; at most {MOST_PIXELS // 1_000_000} million are taken"
        )


def _written(image: Image, kind: str) -> bytes:
    plain = image if image.mode in _MODES[kind] else image.convert("RGBA" if _has_alpha(image, kind) else "RGB")
    # Writers take comments, profiles and texts from here unless it is empty.
    plain.info = {name: value for name, value in plain.info.items() if name == "transparency"}
    options: dict[str, Any] = {"JPEG": {"quality": QUALITY}, "WEBP": {"quality": QUALITY, "method": 2}}.get(kind, {})
    out = io.BytesIO()
    plain.save(out, kind, **options)
    return out.getvalue()


def _has_alpha(image: Image, kind: str) -> bool:
    return kind != "JPEG" and (image.mode in ("RGBA", "LA", "PA", "La") or "transparency" in image.info)
