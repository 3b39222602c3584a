"""One image delivered otherwise than it lies in the catalogue: cropped at random, resized and written anew, upright and without anything but pixels.

JPEG goes through libjpeg-turbo at the smallest scale that the result needs, everything else through Pillow; OpenCV resizes.
"""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from labelmill.errors import BadFile, BadInput, Unavailable
from labelmill.images.formats import SUFFIX, ImageFormat, check_size, look

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

#: The longest side that is delivered.
LONGEST_SIDE: Final = 8192
#: A JPEG is decoded smaller than it is only by half or less: what is saved by more is little, and edges would shift.
LEAST_FACTOR: Final = 2.0
_ORIENTATION: Final = 0x0112
#: Orientations of EXIF that lay an image on its side.
_LYING: Final = frozenset({5, 6, 7, 8})
_DIRECT: Final = frozenset({"Gray", "YCbCr", "RGB"})


@dataclass(frozen=True, kw_only=True)
class Transform:
    """What is done to each image. Sides are in pixels; the ratio of the sides is not kept, as the predecessor has it."""

    #: Share of each side that a crop at a random place leaves; 1 crops nothing.
    crop: float = 0.8
    width: int = 256
    height: int = 256
    format: ImageFormat = ImageFormat.JPEG
    quality: int = 75
    #: The same seed gives the same crops, whatever the order and the workers.
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise BadInput(
                f"{self.crop} is no share of a side.", where="crop", way_out="Give more than 0 and at most 1, such as 0.8."
            )
        for name, value, most in (
            ("width", self.width, LONGEST_SIDE),
            ("height", self.height, LONGEST_SIDE),
            ("quality", self.quality, 100),
        ):
            if not 1 <= value <= most:
                raise BadInput(f"{value} is no {name} of an image.", where=name, way_out=f"Give 1 to {most}.")

    @property
    def suffix(self) -> str:
        """The ending of a delivered file."""
        return SUFFIX[self.format]


def require_libraries() -> None:
    """Raise Unavailable where images cannot be transformed."""
    try:
        import cv2  # noqa: F401
        import PIL.Image  # noqa: F401
        import simplejpeg  # noqa: F401
    except ModuleNotFoundError as error:
        raise Unavailable(f"The library {error.name} is not installed.", way_out="pip install 'labelmill[images]'") from error


def apply(transform: Transform, content: bytes, image_id: str) -> bytes:
    """Return the transformed image; raises BadFile that says what is wrong with it. ``image_id`` and the seed decide where it is cropped."""
    import cv2

    pixels = _decoded(content, transform)
    pixels = _cropped(pixels, transform, image_id)
    size = (transform.width, transform.height)
    if pixels.shape[1::-1] != size:
        shrinks = pixels.shape[1] > size[0] or pixels.shape[0] > size[1]
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)  # type: ignore[assignment]
    return _encoded(pixels, transform)


def place_of(transform: Transform, image_id: str) -> tuple[float, float]:
    """Return where an image is cropped: shares in [0, 1) of the room above and to the left of the part that stays."""
    digest = hashlib.blake2b(image_id.encode(), digest_size=16, key=str(transform.seed).encode()[:64]).digest()
    whole = float(1 << 64)
    return int.from_bytes(digest[:8], "big") / whole, int.from_bytes(digest[8:], "big") / whole


def _cropped(pixels: Pixels, transform: Transform, image_id: str) -> Pixels:
    height, width = pixels.shape[:2]
    rows, columns = max(1, round(transform.crop * height)), max(1, round(transform.crop * width))
    down, right = place_of(transform, image_id)
    top, left = math.floor(down * (height - rows + 1)), math.floor(right * (width - columns + 1))
    return pixels[top : top + rows, left : left + columns]


def _decoded(content: bytes, transform: Transform) -> Pixels:
    """Return rows x columns x 3 of RGB, upright."""
    import cv2
    import numpy as np

    found = look(content)
    if found.format is not ImageFormat.JPEG or found.colours not in _DIRECT:
        return _by_pillow(content)
    turned = _orientation(content)
    least = math.ceil(transform.height / transform.crop), math.ceil(transform.width / transform.crop)
    pixels = _by_turbo(content, *(reversed(least) if turned in _LYING else least))
    if turned in _LYING:
        pixels = pixels.transpose(1, 0, 2)
    # After the transposition: 5 and 8 are upside down as 4 is, 6 and 3 are mirrored, 7 and 3 both.
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    return np.ascontiguousarray(cv2.flip(pixels, flips[turned])) if turned in flips else np.ascontiguousarray(pixels)


def _by_turbo(content: bytes, height: int, width: int) -> Pixels:
    import simplejpeg

    try:
        pixels: Pixels = simplejpeg.decode_jpeg(content, "RGB", min_height=height, min_width=width, min_factor=LEAST_FACTOR)
    except ValueError as error:
        raise BadFile(f"it is damaged or cut off: {' '.join(str(error).split())[:200]}") from error
    return pixels


def _orientation(content: bytes) -> int:
    """Return how EXIF says that a JPEG is to be turned, 1 to 8; 1 is upright."""
    if b"Exif\0\0" not in content[: 1 << 16]:
        return 1
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as opened:
            turned = opened.getexif().get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, TypeError, KeyError):  # broken EXIF turns nothing
        return 1
    return turned if isinstance(turned, int) and 1 <= turned <= 8 else 1  # noqa: PLR2004 - the eight of EXIF


def _by_pillow(content: bytes) -> Pixels:
    import numpy as np
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # ``look`` has checked the size
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as opened:
            check_size(*opened.size)
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
                # What shines through is white, as on a page.
                seen = upright.convert("RGBA")
                paper = Image.new("RGBA", seen.size, (255, 255, 255, 255))
                upright = Image.alpha_composite(paper, seen)
            return np.asarray(upright.convert("RGB"))
    except BadFile:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError, MemoryError, IndexError, TypeError, KeyError) as error:
        # What decoders raise for damaged files has no common class.
        raise BadFile(f"it is damaged or cut off: {' '.join(str(error).split())[:200]}") from error


def _encoded(pixels: Pixels, transform: Transform) -> bytes:
    import cv2
    import numpy as np
    import simplejpeg

    if transform.format is ImageFormat.JPEG:
        written: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), transform.quality, "RGB", "420")
        return written
    options: list[Any] = [cv2.IMWRITE_WEBP_QUALITY, transform.quality] if transform.format is ImageFormat.WEBP else []
    done, buffer = cv2.imencode(transform.suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise BadFile("it cannot be written")
    return buffer.tobytes()
