"""Handwritten digits as images: those that come with scikit-learn, which were collected at Bogazici University (Alpaydin, 1998)."""

from __future__ import annotations

import hashlib
import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import orjson
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelmill.blobs import Blobs

#: Pixels on each side; the digits have eight, and get a margin of one.
SIDE: Final = 120
#: The darkest shade of the digits' pixels.
_DARKEST: Final = 16


def can_make() -> bool:
    """Tell whether the library that writes images is there."""
    return find_spec("PIL") is not None


def make_digits(count: int, blobs: Blobs, going_on: Callable[[], None]) -> pl.DataFrame:
    """Keep the first ``count`` digits as blobs and return given_id, content and topic, the digit that was meant.

    ``going_on`` is called after each image and may raise to end it.
    """
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    found = load_digits()
    rows = []
    for number, (pixels, digit) in enumerate(zip(found.images[:count], found.target[:count], strict=True), 1):
        shades = (255 - pixels * 255 / _DARKEST).round().astype("uint8")
        out = io.BytesIO()
        Image.fromarray(np.pad(shades, 1, constant_values=255)).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(out, "PNG")
        digest = hashlib.sha256(out.getvalue()).hexdigest()
        blob = f"images/{digest[:2]}/{digest}.png"
        blobs.put(blob, out.getvalue())
        content = orjson.dumps({"blob": blob, "width": SIDE, "height": SIDE}).decode()
        rows.append((f"digit-{number:04d}", content, str(digit)))
        going_on()
    return pl.DataFrame(rows, schema=dict.fromkeys(("given_id", "content", "topic"), pl.String), orient="row")
