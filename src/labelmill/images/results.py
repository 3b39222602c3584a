"""What an image task leaves: the delivered images with metadata.csv, skipped.csv and report.json, or one file with all of them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import polars as pl

from labelmill.db.bulk.sink import save_file, save_parquet, writing
from labelmill.errors import Unavailable
from labelmill.ids import new_id
from labelmill.images.model import FILE, ID
from labelmill.images.task import Delivery, Pack
from labelmill.images.zips import JoinedZip, ZipPiece

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelmill.images.model import Version

METADATA, SKIPPED, REPORT = "metadata.csv", "skipped.csv", "report.json"
#: Skipped images that the report lists; all are counted, and listed in skipped.csv.
LISTED: Final = 1000
#: Rows of the selection that are read for one chunk, at least: each group of rows costs every reader of the file some time.
GROUP_ROWS: Final = 10_000
_URL: Final = "url"


class Results:
    """The files of one task. Workers on several machines share ``root`` and the place of delivery."""

    def __init__(self, root: Path, task_id: str, delivery: Delivery) -> None:
        self.delivery = delivery
        self._work = root / "image-tasks" / task_id
        self._task_id = task_id

    @property
    def folder(self) -> Path:
        """Where single files go; of a ZIP, the texts that it will hold."""
        if self.delivery.pack is Pack.FOLDER and self.delivery.out is not None:
            return Path(self.delivery.out) / self._task_id
        return self._work / "delivered"

    @property
    def file(self) -> Path:
        """The ZIP."""
        return Path(self.delivery.out) if self.delivery.out else self._work / "images.zip"

    def shard(self, number: int) -> Path:
        """Return the file of a shard."""
        base = Path(self.delivery.out).with_suffix("") if self.delivery.out else self.folder / "images"
        return base.with_name(f"{base.name}-{number:06d}.tar")

    def names(self, version: Version) -> dict[str, str]:
        """Return what the metadata calls each column of the catalogue's file."""
        taken = {column.name for column in version.columns} | {version.id_column}
        found = {ID: version.id_column} | {column.key: column.name for column in version.columns}
        # A column of the catalogue that is called as ours is stays, under another name.
        other = next(
            name
            for name in ("url of the catalogue", *(f"url {number}" for number in range(len(taken) + 1)))
            if name not in taken
        )
        return {key: other if name == _URL else name for key, name in found.items()}

    def keep_selection(self, found: pl.LazyFrame) -> int:
        """Keep the rows of the query and return their number."""
        path = self._work / "selection.parquet"
        part = path.with_name(f".{path.name}.{new_id()}.tmp")
        try:
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                found.sink_parquet(part, row_group_size=max(self.delivery.chunk, GROUP_ROWS))
                part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())

    def selected(self, first: int) -> pl.DataFrame:
        """Return the rows of one chunk; raises Unavailable where the selection is not here."""
        try:
            return pl.scan_parquet(self._work / "selection.parquet", glob=False).slice(first, self.delivery.chunk).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise Unavailable(
                "The rows of the query are not here.", where=str(self._work),
                way_out="Workers on several machines share one folder: set LABELMILL_BLOB_DIR to it for all of them.",
            ) from error  # fmt: skip

    def keep_outcome(self, step: str, chunk: pl.DataFrame, outcome: pl.DataFrame) -> None:
        """Keep what became of a chunk."""
        path = self._work / "outcomes" / f"{step}.parquet"
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        save_parquet(path, pl.concat([chunk, outcome.drop(ID)], how="horizontal"))

    def finish(self, version: Version, fence: Callable[[], None], tell: Callable[[int], None]) -> dict[str, Any]:
        """Write metadata, list and report, and the ZIP where one was asked for; return the report.

        ``tell`` is called with each piece of the ZIP that is in place, and may raise to end it there.
        """
        outcomes, names = self._outcomes(), self.names(version)
        ours = self._beside
        with writing(ours(METADATA)):
            ours(METADATA).parent.mkdir(parents=True, exist_ok=True)
            values = [pl.col(key).alias(name) for key, name in names.items()]
            delivered = outcomes.filter(pl.col("skipped").is_null()).select(*values, self._url())
            if self.delivery.old_metadata:
                delivered = delivered.with_row_index("")
            delivered.sink_csv(ours(METADATA), include_bom=False)
            skipped = outcomes.filter(pl.col("skipped").is_not_null()).select(ID, FILE, "skipped")
            skipped.sink_csv(ours(SKIPPED))
        report = self._report(version, outcomes)
        save_file(ours(REPORT), orjson.dumps(report, option=orjson.OPT_INDENT_2))
        if self.delivery.pack is Pack.ZIP:
            fence()
            self._pack(tell)
        return report

    def tidy(self) -> None:
        """Remove what only the steps needed."""
        (self._work / "selection.parquet").unlink(missing_ok=True)
        shutil.rmtree(self._work / "outcomes", ignore_errors=True)
        if self.delivery.pack is Pack.ZIP:
            for name in ("delivered", "pieces"):
                shutil.rmtree(self._work / name, ignore_errors=True)

    def _url(self) -> pl.Expr:
        return (pl.lit(f"{self.folder}/" if self.delivery.old_metadata else "") + pl.col("delivered")).alias(_URL)

    def _beside(self, name: str) -> Path:
        if self.delivery.pack is Pack.TAR and self.delivery.out:
            base = Path(self.delivery.out).with_suffix("")
            return base.with_name(f"{base.name}-{name}")
        return self.folder / name

    def _outcomes(self) -> pl.LazyFrame:
        files = sorted((self._work / "outcomes").glob("*.parquet"))
        if not files:
            empty = pl.scan_parquet(self._work / "selection.parquet", glob=False)
            return empty.with_columns(
                delivered=pl.lit(None, pl.String), bytes=pl.lit(None, pl.Int64), skipped=pl.lit(None, pl.String)
            )
        return pl.scan_parquet(files, glob=False)

    def _report(self, version: Version, outcomes: pl.LazyFrame) -> dict[str, Any]:
        totals = (
            outcomes.select(rows=pl.len(), skipped=pl.col("skipped").count(), bytes=pl.col("bytes").sum())
            .collect()
            .row(0, named=True)
        )
        skipped = outcomes.filter(pl.col("skipped").is_not_null())
        reasons = skipped.group_by("skipped").len().sort("len", "skipped", descending=[True, False]).collect()
        listed = skipped.head(LISTED).select(ID, "skipped").collect()
        # A place of labelmill's own is nobody's business: reports are read over HTTP, too.
        place = self.delivery.out and (self.file if self.delivery.pack is Pack.ZIP else self.folder)
        return {
            "task": self._task_id, "catalogue_version": version.number, "selected": totals["rows"],
            "delivered": totals["rows"] - totals["skipped"], "skipped": totals["skipped"], "bytes": totals["bytes"],
            "reasons": dict(reasons.iter_rows()), "skipped_images": [{"id": each, "reason": why} for each, why in listed.iter_rows()],
            "delivery": self.delivery.as_dict() | {"out": None}, "place": place and str(place),
        }  # fmt: skip

    def _pack(self, tell: Callable[[int], None]) -> None:
        """Put the pieces that the steps have packed behind each other, what people read first."""
        first = self.piece("beside")
        with ZipPiece(first) as packed:
            for name in (METADATA, SKIPPED, REPORT):
                packed.pack(self.folder / name)
        part = self.file.with_name(f".{self.file.name}.{new_id()}.tmp")
        try:
            with writing(self.file):
                self.file.parent.mkdir(parents=True, exist_ok=True)
                with part.open("wb") as out, tempfile.TemporaryFile(dir=self._work) as entries:
                    joined = JoinedZip(out, entries)
                    for number, piece in enumerate([first, *self._pieces()]):
                        joined.add(piece)
                        tell(number)
                    joined.end()
                part.replace(self.file)
        finally:
            part.unlink(missing_ok=True)

    def piece(self, step: str) -> Path:
        """Return the file in which a step packs its part of the ZIP."""
        return self._work / "pieces" / f"{step}.zip"

    def _pieces(self) -> list[Path]:
        return [self.piece(path.stem) for path in sorted((self._work / "outcomes").glob("*.parquet"))]
