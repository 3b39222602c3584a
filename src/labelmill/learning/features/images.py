"""Images as numbers: histograms of gradients, and the colours of a thumbnail."""

from __future__ import annotations

import inspect
import io
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    import polars as pl

    from labelmill.learning.features.text import Chunks

SIDE: Final = 64
CELL: Final = 8
DIRECTIONS: Final = 9
COLOURS: Final = 6
_CELLS: Final = SIDE // CELL
#: An image that cannot be read is all zeros: its record can still be labelled, and the others be learnt from.
FEATURES: Final = (_CELLS - 1) ** 2 * 4 * DIRECTIONS + COLOURS * COLOURS * 3
_BATCH: Final = 256


class ImageFeatures:
    """Each image made 64 x 64 pixels; nothing is learnt from the records."""

    NAME: Final = "hog"
    VERSION: Final = 1

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read

    @classmethod
    def fit(cls, _chunks: Chunks, read: Callable[[str], bytes]) -> Self:
        return cls(read)

    def state(self) -> dict[str, Any]:
        return {"side": SIDE, "cell": CELL, "directions": DIRECTIONS, "colours": COLOURS}

    def transform(self, contents: pl.Series) -> npt.NDArray[np.float32]:
        """Return images x features, float32; ``contents`` are JSON objects with the name of the image's ``blob``."""
        out = np.zeros((len(contents), FEATURES), dtype=np.float32)
        for start in range(0, len(contents), _BATCH):
            names = [orjson.loads(content).get("blob", "") for content in contents.slice(start, _BATCH)]
            found = {start + place: pixels for place, name in enumerate(names) if (pixels := self._pixels(name)) is not None}
            if found:
                out[list(found)] = described(np.stack(list(found.values())))
        return out

    def _pixels(self, name: str) -> npt.NDArray[np.float32] | None:
        from PIL import Image

        from labelmill.errors import LabelmillError

        try:
            with Image.open(io.BytesIO(self._read(name))) as image:
                image.draft("RGB", (SIDE * 2, SIDE * 2))
                small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, LabelmillError):
            return None
        return np.asarray(small, dtype=np.float32) / 255.0


def described(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the features of images x 64 x 64 x 3 values from 0 to 1."""
    histograms = _histograms(pixels.mean(axis=3))
    blocks = _normal_blocks(histograms)
    edges = np.linspace(0, SIDE, COLOURS + 1).astype(int)
    rows = np.add.reduceat(pixels, edges[:-1], axis=1)
    colours = np.add.reduceat(rows, edges[:-1], axis=2) / np.outer(np.diff(edges), np.diff(edges))[None, :, :, None]
    # Of about the same weight as the gradients, of which there are more.
    return np.hstack([blocks, colours.reshape(len(pixels), -1)]).astype(np.float32)


def _histograms(grey: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return images x cells x cells x directions: how strong the edges of each direction are; a pixel votes for the two nearest ones."""
    down, right = np.zeros_like(grey), np.zeros_like(grey)
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    right[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    strength = np.hypot(down, right)
    direction = (np.arctan2(down, right) % np.pi) * (DIRECTIONS / np.pi)
    lower = np.floor(direction).astype(np.int64)
    share = direction - lower
    out = np.zeros((len(grey), _CELLS, _CELLS, DIRECTIONS), dtype=np.float32)
    for number in range(DIRECTIONS):
        votes = np.where(lower % DIRECTIONS == number, strength * (1 - share), 0)
        votes += np.where((lower + 1) % DIRECTIONS == number, strength * share, 0)
        out[..., number] = votes.reshape(len(grey), _CELLS, CELL, _CELLS, CELL).sum(axis=(2, 4))
    return out


def _normal_blocks(cells: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return each 2 x 2 cells as one row of length 1, strong edges cut off: light and contrast fall out."""
    blocks = np.concatenate([cells[:, :-1, :-1], cells[:, 1:, :-1], cells[:, :-1, 1:], cells[:, 1:, 1:]], axis=3)
    for _ in range(2):
        blocks = np.minimum(blocks / (np.linalg.norm(blocks, axis=3, keepdims=True) + 1e-3), 0.2)
    blocks /= np.linalg.norm(blocks, axis=3, keepdims=True) + 1e-3
    flat: npt.NDArray[np.float32] = blocks.reshape(len(cells), -1)
    return flat


def source() -> str:
    """Return what makes features of pixels as Python, for a script that has nothing of labelmill: ``SIDE`` and ``described``."""
    sizes = {"SIDE": SIDE, "CELL": CELL, "DIRECTIONS": DIRECTIONS, "COLOURS": COLOURS, "_CELLS": _CELLS}
    constants = "".join(f"{name} = {value}\n" for name, value in sizes.items())
    return constants + "".join(f"\n\n{inspect.getsource(each)}" for each in (described, _histograms, _normal_blocks))
