"""An import's own folder: its rows as records in pieces, and what was refused. Every file is complete or absent."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

import orjson
import polars as pl

from labelmill.datasets.mapping import SCHEMA
from labelmill.db.bulk.sink import save_file, save_parquet, writing
from labelmill.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from labelmill.db.bulk.model import Reject

#: Rejected rows of one step that are kept; all are counted.
KEPT_REJECTS: Final = 5_000
#: Bytes beyond which a piece ends before it has its rows, so that one fits in memory.
PIECE_BYTES: Final = 64 << 20


class Shelf:
    """The folder of one import. Workers on several machines share it."""

    def __init__(self, root: Path, job_id: str) -> None:
        self.folder = root / "imports" / job_id

    def write_pieces(self, frames: Iterable[pl.DataFrame], rows: int) -> list[int]:
        """Keep frames as pieces of at most ``rows`` rows and return their sizes."""
        with writing(self.folder):
            (self.folder / "pieces").mkdir(parents=True, exist_ok=True)
        sizes = []
        for number, piece in enumerate(_pieces(frames, rows)):
            save_parquet(self._piece(number), piece)
            sizes.append(piece.height)
        return sizes

    def read_piece(self, number: int) -> pl.DataFrame:
        """Return a piece; raises Unavailable where it is not here."""
        try:
            return pl.read_parquet(self._piece(number), glob=False)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise Unavailable(
                "A piece of the import is not here.",
                where=str(self.folder),
                way_out="Workers on several machines share one folder: set LABELMILL_BLOB_DIR to it for all of them.",
            ) from error

    def replace_piece(self, number: int, piece: pl.DataFrame) -> None:
        save_parquet(self._piece(number), piece)

    def write_rejects(self, step: str, rejects: Sequence[Reject], rejected: int) -> None:
        """Keep the rows that a step refused: the first few thousand with their reason, the others counted."""
        rows = [{"place": each.place, "reason": each.reason, "text": each.text} for each in rejects[:KEPT_REJECTS]]
        with writing(self.folder):
            (self.folder / "rejects").mkdir(parents=True, exist_ok=True)
        save_file(self.folder / "rejects" / f"{step}.json", orjson.dumps({"rejected": rejected, "rows": rows}))

    def rejects(self) -> list[dict[str, Any]]:
        """Return the refused rows that were kept, in the order of the source."""
        folder = self.folder / "rejects"
        files = sorted(folder.glob("*.json")) if folder.is_dir() else []
        rows = [row for file in files for row in orjson.loads(file.read_bytes())["rows"]]
        return sorted(rows, key=lambda row: row["place"])

    def tidy(self) -> None:
        """Remove what only the steps needed; the rejects stay."""
        shutil.rmtree(self.folder / "pieces", ignore_errors=True)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _piece(self, number: int) -> Path:
        return self.folder / "pieces" / f"piece-{number:06d}.parquet"


def _pieces(frames: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    held, height = SCHEMA.to_frame(), 0
    for frame in frames:
        held = pl.concat([held, frame])
        height = held.height
        while height >= rows or held.estimated_size() > PIECE_BYTES:
            count = min(rows, max(1, int(height * PIECE_BYTES / max(1, held.estimated_size()))))
            yield held.head(count)
            held = held.slice(count)
            height = held.height
    if height:
        yield held
