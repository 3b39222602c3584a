"""Images of an import: each is decoded, written anew and kept as a blob; the record says where it is and how large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import polars as pl

from labelmill.datasets.readers import pixels
from labelmill.datasets.readers.images import Images
from labelmill.db.bulk.model import Reject
from labelmill.errors import BadFile, BadSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelmill.blobs import Blobs
    from labelmill.db.bulk.model import Source


def as_records(
    piece: pl.DataFrame, source: Source, blobs: Blobs, *, report: Callable[[], None]
) -> tuple[pl.DataFrame, list[Reject]]:
    """Return a piece's rows, whose content names files of ``source``, with contents that name their blobs, and what is no image.

    The same file gives the same record each time, whether its blob is there or not.
    """
    if not isinstance(source, Images):
        raise BadSource("This is no folder or ZIP of images.", where=source.table.name)
    contents, rejects, kept = [], [], []
    for row, found in zip(piece.iter_rows(named=True), source.contents(piece["content"].to_list()), strict=True):
        report()
        try:
            if isinstance(found, BadFile):
                raise found
            picture = pixels.clean(found)
        except BadFile as error:
            rejects.append(Reject(place=row["place"], reason=error.message, text=row["content"]))
            continue
        blobs.put(picture.blob, picture.content)
        contents.append(orjson.dumps({"blob": picture.blob, "width": picture.width, "height": picture.height}).decode())
        kept.append(row["place"])
    good = piece.filter(pl.col("place").is_in(pl.Series(kept, dtype=pl.Int64).implode()))
    return good.with_columns(pl.Series("content", contents, pl.String)), rejects
