"""From a table and its images to the file of a version: one row a product, its values of the kind that the whole column has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from labelmill.db.bulk.columns import as_text
from labelmill.db.bulk.file_source import KEPT_REJECTS
from labelmill.db.bulk.model import Reject
from labelmill.db.bulk.sink import save_parquet, writing
from labelmill.errors import BadSource
from labelmill.images.model import DTYPE, FILE, ID, CatalogueColumn, ColumnKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from labelmill.db.bulk.model import Source

PIECE_ROWS: Final = 100_000
LONGEST_ID: Final = 150  # bytes: a delivered file is called by it
_USUAL_ID: Final = "id"
#: What cannot be the name of a file everywhere.
_NO_NAME: Final = r'[\x00-\x1f\x7f/\\:*?"<>|]|^\.|^\s|\s$|\.$'
#: A number with a zero in front is a text: a code, not an amount.
_INTEGER: Final = r"^-?(0|[1-9][0-9]{0,17})$"
_REAL: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"
#: Text of the rows that were left out, as it is shown.
_SHOWN: Final = 200


def id_column(names: Sequence[str], asked: str | None) -> str:
    """Return which column holds the ids; raises BadSource that says which ones there are."""
    wanted = asked or _USUAL_ID
    if wanted not in names:
        raise BadSource(
            f"There is no column {wanted!r} for the ids.", where="--id-column",
            way_out=f"Name one with --id-column; there are: {', '.join(names)}.",
        )  # fmt: skip
    return wanted


class Loading:
    """Takes a table's rows as they come, then writes them as one file with the images that belong to them."""

    def __init__(self, folder: Path, columns: Sequence[str], ids: str) -> None:
        self._folder = folder
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._names = [name for name in columns if name != ids]
        self._ids = ids
        self._keys = [f"c{number}" for number in range(len(self._names))]
        self._pieces: list[Path] = []
        self._integer = dict.fromkeys(self._keys, True)
        self._real = dict.fromkeys(self._keys, True)
        self._seen = pl.Series(ID, [], pl.String)
        self.rows = self._read = self.rejected = 0
        #: The first of the rows that are left out for their id; all are counted.
        self.rejects: list[Reject] = []

    def take(self, source: Source, report: Callable[[int], None]) -> None:
        """Keep the rows of a source in pieces; the same id a second time is left out."""
        wanted = [self._ids, *self._names]
        for frame in source.read(wanted, batch_rows=PIECE_ROWS):
            texts = [as_text(frame, name).alias(key) for name, key in zip(wanted, [ID, *self._keys], strict=True)]
            # A text file knows the lines of its rows; of anything else rows are counted.
            counted = pl.int_range(self._read + 1, self._read + 1 + frame.height, eager=True)
            places: pl.Series | None = getattr(source, "places", None)
            self._read += frame.height
            self._add(pl.DataFrame([(counted if places is None else places).alias("row"), *texts]))
            report(self._read)

    def columns(self) -> tuple[CatalogueColumn, ...]:
        """Return the columns with their kinds: numbers only where every value is one."""
        return tuple(
            CatalogueColumn(key=key, name=name, kind=self._kind(key)) for name, key in zip(self._names, self._keys, strict=True)
        )

    def finish(self, images: pl.DataFrame, path: Path) -> tuple[int, int]:
        """Write the file of the version; returns how many rows have no image, and how many images no row."""
        kinds = [pl.col(column.key).cast(DTYPE[column.kind]) for column in self.columns()]
        without = 0
        for place in self._pieces:
            piece = pl.read_parquet(place, glob=False).join(images, on=ID, how="left", maintain_order="left")
            without += piece[FILE].null_count()
            save_parquet(place, piece.select(ID, FILE, *kinds))
        schema = {ID: pl.String(), FILE: pl.String()} | {column.key: DTYPE[column.kind] for column in self.columns()}
        frames = [pl.DataFrame(schema=schema).lazy(), *(pl.scan_parquet(place, glob=False) for place in self._pieces)]
        with writing(path):
            pl.concat(frames).sink_parquet(path, row_group_size=PIECE_ROWS)
        return without, images.height - (self.rows - without)

    def _add(self, piece: pl.DataFrame) -> None:
        piece = piece.with_columns(pl.when(pl.col(self._keys) != "").then(pl.col(self._keys))) if self._keys else piece
        fault = (
            pl.when(pl.col(ID).fill_null("") == "").then(pl.lit("its id is empty"))
            .when((pl.col(ID).str.len_bytes() > LONGEST_ID) | pl.col(ID).str.contains(_NO_NAME))
            .then(pl.lit("its id cannot be the name of a file"))
            .when(pl.col(ID).is_in(self._seen.implode()) | ~pl.col(ID).is_first_distinct()).then(pl.lit("its id was there before"))
        )  # fmt: skip
        judged = piece.with_columns(fault=fault)
        faulty = judged.filter(pl.col("fault").is_not_null()).select("row", ID, "fault")
        self.rejected += faulty.height
        for row, text, reason in faulty.head(KEPT_REJECTS - len(self.rejects)).iter_rows():
            self.rejects.append(Reject(place=row, reason=reason, text=(text or "")[:_SHOWN]))
        good = judged.filter(pl.col("fault").is_null()).drop("fault", "row")
        self._seen = pl.concat([self._seen, good[ID]])
        for key in self._keys:
            known = good[key].drop_nulls()
            self._integer[key] = self._integer[key] and bool(known.str.contains(_INTEGER).all())
            self._real[key] = self._real[key] and bool(known.str.contains(_REAL).all())
        self.rows += good.height
        place = self._folder / f"{len(self._pieces):06d}.parquet"
        save_parquet(place, good)
        self._pieces.append(place)

    def _kind(self, key: str) -> ColumnKind:
        if not self.rows:
            return ColumnKind.TEXT
        if self._integer[key]:
            return ColumnKind.INTEGER
        return ColumnKind.REAL if self._real[key] else ColumnKind.TEXT
