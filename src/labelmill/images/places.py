"""Where the images of a catalogue lie: a folder or a ZIP, named as jobs keep it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from labelmill.connections import below_data_dir
from labelmill.datasets import Images, open_reference, open_rows
from labelmill.errors import BadSource
from labelmill.images.formats import FORMAT_OF
from labelmill.images.loading import id_column
from labelmill.images.model import FILE, ID

if TYPE_CHECKING:
    from labelmill.db.bulk.files import FileOptions
    from labelmill.labeltasks.places import Places
    from labelmill.settings import Settings

_WAY_OUT: Final = "Name a folder, or a ZIP, with files such as 1163.jpg."


def reference(text: str) -> dict[str, Any]:
    """Return the reference for a folder or a ZIP that somebody named on the command line."""
    return {"file": str(Path(text).absolute())}


def open_images(settings: Settings, found: dict[str, Any]) -> Images:
    """Return the images that a reference (``file``, or ``path`` below the data folder) leads to; raises BadSource, BadFile or TooLarge."""
    place = Path(found["file"]) if "file" in found else below_data_dir(settings, found["path"])
    shown = str(found.get("file") or found.get("path"))
    if not place.exists():
        raise BadSource("There is no such folder or ZIP of images.", where=shown, way_out=_WAY_OUT)
    source = open_rows(place).source
    if not isinstance(source, Images):
        raise BadSource("This is no folder or ZIP of images.", where=shown, way_out=_WAY_OUT)
    return source


def check(
    places: Places, settings: Settings, *, table: dict[str, Any], images: dict[str, Any], ids: str | None, options: FileOptions
) -> None:
    """Raise now what would let a load fail: no table, no column of ids, no images."""
    with open_reference(places, settings, table, options).source as source:
        id_column([column.name for column in source.table.columns], ids)
    open_images(settings, images)


def listed(images: Images) -> pl.DataFrame:
    """Return id and file of each image, by id: of several files of one id the first by name."""
    frames = [frame.select(pl.col("file").alias(FILE)) for frame in images.read(["file"])]
    name = pl.col(FILE).str.split("/").list.last()
    known = pl.concat([pl.DataFrame(schema={FILE: pl.String()}), *frames]).with_columns(
        name.str.extract(r"(?s)^(.+)\.[^.]*$").alias(ID), name.str.extract(r"(\.[^.]*)$").str.to_lowercase().alias("suffix")
    )
    wanted = known.filter(pl.col("suffix").is_in(list(FORMAT_OF)), pl.col(ID).is_not_null())
    return wanted.select(ID, FILE).unique(ID, keep="first", maintain_order=True)
