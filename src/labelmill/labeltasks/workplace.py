"""A label task's own folder: what its steps leave for later steps. Every file is complete or absent, and named by its step."""

from __future__ import annotations

import os
import shutil
import zlib
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from labelmill.errors import Unavailable
from labelmill.ids import new_id
from labelmill.labeltasks import authors
from labelmill.labeltasks.frames import FILE_COLUMNS, PART_SCHEMA, by_bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from labelmill.db.bulk.model import Reject

#: Results that are kept for samples, drawn at random: of all, and of each name so that a rare one has some too.
SAMPLE_ROWS = 1000
SAMPLE_ROWS_OF_NAME = 200


class Workplace:
    """The folder of one task. Steps of one task that run on several machines must share it."""

    def __init__(self, root: Path, task_id: str) -> None:
        self.folder = root / "label-tasks" / task_id

    @property
    def pieces(self) -> Path:
        """Where a source that cannot be split is spooled to."""
        return self.folder / "pieces"

    def write_step(self, step: str, results: pl.DataFrame, seen: pl.DataFrame, *, buckets: int, keep_order: bool) -> None:
        """Keep what one label step found, by bucket, the authors it has ``seen``, and a sample.

        ``keep_order`` also keeps the results as they stood.
        """
        self._write_frame("labels", step, by_bucket(results, buckets), groups=buckets)
        self._write_frame("authors", step, seen, groups=buckets)
        if keep_order and buckets > 1:
            self._write_frame("results", step, results.select(FILE_COLUMNS))
        sample = _draw(results, seed=zlib.crc32(step.encode()))
        self._write_frame("samples", step, sample)

    def require_labelled(self, steps: Sequence[str]) -> None:
        """Raise Unavailable unless the files of all these label steps are here: without some of them rows would be lost in silence."""
        lacking = [step for step in steps if not (self.folder / "labels" / f"{step}.parquet").is_file()]
        if lacking:
            raise Unavailable(
                f"The files of {len(lacking)} steps are not here, such as {lacking[0]}.", where=str(self.folder),
                way_out="Workers on several machines share one folder: set LABELMILL_BLOB_DIR to it for all of them.",
            )  # fmt: skip

    def write_production(self, bucket: int, frame: pl.DataFrame) -> None:
        """Keep one bucket's production."""
        self._write_frame("production", f"{bucket:05d}", frame.select(FILE_COLUMNS))

    def labels(self, bucket: int) -> pl.DataFrame:
        """Return one bucket's results of all steps."""
        return self._bucket("labels", bucket, PART_SCHEMA).collect()

    def authors(self, bucket: int, buckets: int) -> list[pl.DataFrame]:
        """Return one bucket's authors of each step; one that several steps saw stands there several times."""
        files = _files(self.folder / "authors")
        return [authors.in_bucket(pl.scan_parquet(file, glob=False), bucket, buckets).collect() for file in files]

    def results(self) -> list[Path]:
        """Return the files of the results in the order of the source; they hold at least ``FILE_COLUMNS``."""
        return _files(self.folder / "results") or _files(self.folder / "labels")

    def production(self) -> list[Path]:
        """Return the files of production, bucket by bucket."""
        return _files(self.folder / "production")

    def sample(self, name: str | None = None) -> pl.DataFrame:
        """Return a uniform sample of all results so far, or of those of one name, with its draw as the column ``draw``."""
        files = _files(self.folder / "samples")
        if not files:
            return PART_SCHEMA.to_frame().with_columns(draw=pl.lit(0, dtype=pl.UInt64))
        kept = pl.concat([pl.read_parquet(file, glob=False) for file in files])
        if name is None:
            return kept.bottom_k(SAMPLE_ROWS, by="draw")
        return kept.filter(pl.col("name") == name).bottom_k(SAMPLE_ROWS_OF_NAME, by="draw")

    def write_rejects(self, step: str, rejects: Sequence[Reject], rejected: int) -> None:
        """Keep the rows that the source could not give: the first few thousand with their reason, the others counted."""
        if rejected:
            rows = [{"place": reject.place, "reason": reject.reason, "text": reject.text} for reject in rejects]
            content = orjson.dumps({"rejected": rejected, "rows": rows})
            self._write(self.folder / "rejects" / f"{step}.json", lambda path: path.write_bytes(content))

    def rejects(self) -> list[dict[str, object]]:
        """Return the rejected rows that were kept, in the order of the source."""
        folder = self.folder / "rejects"
        files = sorted(folder.glob("*.json")) if folder.is_dir() else []
        return [row for file in files for row in orjson.loads(file.read_bytes())["rows"]]

    def keep_report(self, report: dict[str, Any]) -> None:
        """Note that the sink is complete, and what the task comes to."""
        self._write(self._report_path, lambda path: path.write_bytes(orjson.dumps(report)))

    def report(self) -> dict[str, Any] | None:
        """Return the report of a task whose sink is complete."""
        try:
            report: dict[str, Any] = orjson.loads(self._report_path.read_bytes())
        except FileNotFoundError:
            return None
        return report

    @property
    def _report_path(self) -> Path:
        return self.folder / "report.json"

    def tidy(self) -> None:
        """Remove what only later steps needed; samples and rejects stay."""
        for name in ("labels", "authors", "results", "production", "pieces"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write_frame(self, kind: str, step: str, frame: pl.DataFrame, groups: int = 1) -> None:
        """Write a frame; one that is sorted by bucket or hash gets about one row group a bucket, which reading a bucket then finds."""
        rows = max(1, frame.height // groups)
        self._write(
            self.folder / kind / f"{step}.parquet",
            # These files live for as long as the task runs: not worth compressing.
            lambda path: frame.write_parquet(path, compression="uncompressed", row_group_size=rows, statistics=groups > 1),
        )

    def _write(self, path: Path, write: Callable[[Path], object]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own for each try: two workers that write the same step must not meet in one file.
        temporary = path.with_name(f".{path.name}.{new_id()}")
        try:
            write(temporary)
            _flush(temporary)
            temporary.replace(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            temporary.unlink(missing_ok=True)
            way_out = "Free some space; the task goes on where it stopped."
            raise Unavailable(
                f"Cannot write: {getattr(error, 'strerror', None) or error}.", where=str(path.parent), way_out=way_out
            ) from error

    def _bucket(self, kind: str, bucket: int, schema: pl.Schema) -> pl.LazyFrame:
        files = _files(self.folder / kind)
        if not files:
            return schema.to_frame().lazy()
        return pl.scan_parquet(files, glob=False).filter(pl.col("bucket") == bucket).select(schema.names())


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet")) if folder.is_dir() else []


def _draw(results: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return the results with the lowest draws, of all and of each name; only these few rows are copied."""
    draws = results.select("name", "group", draw=pl.col("place").hash(seed=seed)).with_row_index("row").sort("draw", "group")
    of_names = [part.head(SAMPLE_ROWS_OF_NAME) for part in draws.partition_by("name")]
    chosen = pl.concat([draws.head(SAMPLE_ROWS), *of_names]).unique("row", maintain_order=True)
    return results[chosen["row"]].with_columns(chosen["draw"])


def _flush(path: Path) -> None:
    """Bring a file to the disk: the step that made it is about to be recorded as done, and that record survives a power cut."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
