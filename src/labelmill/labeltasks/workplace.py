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
from labelmill.labeltasks.frames import FILE_COLUMNS, PART_SCHEMA, by_bucket
from labelmill.labeltasks.segments import read_segment, write_segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from labelmill.db.bulk.model import Reject

#: Results that are kept for samples, drawn at random: of all, and of each name so that a rare one has some too.
SAMPLE_ROWS = 1000
SAMPLE_ROWS_OF_NAME = 200
_SEGMENTS = ".segments"


class Workplace:
    """The folder of one task. Steps of one task that run on several machines must share it."""

    def __init__(self, root: Path, task_id: str) -> None:
        self.folder = root / "label-tasks" / task_id
        self._task_id = task_id

    @property
    def pieces(self) -> Path:
        """Where a source that cannot be split is spooled to."""
        return self.folder / "pieces"

    def write_step(self, step: str, results: pl.DataFrame, seen: Sequence[pl.DataFrame], *, keep_order: bool) -> None:
        """Keep what one label step found, by bucket, the authors it has ``seen`` in each bucket, and a sample.

        ``keep_order`` also keeps the results as they stood.
        """
        # What all rows share need not be kept with each.
        self._write_segments("labels", step, by_bucket(results.drop("task_id"), len(seen)))
        self._write_segments("authors", step, seen)
        if keep_order:
            self._write_frame("results", step, results.select(FILE_COLUMNS))
        sample = _draw(results, seed=zlib.crc32(step.encode()))
        self._write_frame("samples", step, sample)

    def require_labelled(self, steps: Sequence[str]) -> None:
        """Raise Unavailable unless the files of all these label steps are here: without some of them rows would be lost in silence."""
        lacking = [step for step in steps if not (self.folder / "labels" / f"{step}{_SEGMENTS}").is_file()]
        if lacking:
            raise Unavailable(
                f"The files of {len(lacking)} steps are not here, such as {lacking[0]}.", where=str(self.folder),
                way_out="Workers on several machines share one folder: set LABELMILL_BLOB_DIR to it for all of them.",
            )  # fmt: skip

    def write_production(self, bucket: int, frame: pl.DataFrame) -> None:
        """Keep one bucket's production."""
        self._write_frame("production", f"{bucket:05d}", frame.select(FILE_COLUMNS))

    def labels(self, bucket: int, buckets: int) -> pl.DataFrame:
        """Return one bucket's results of all steps."""
        parts = [PART_SCHEMA.to_frame().drop("task_id"), *self._segments("labels", bucket, buckets)]
        return pl.concat(parts).with_columns(task_id=pl.lit(self._task_id)).select(PART_SCHEMA.names())

    def authors(self, bucket: int, buckets: int) -> Iterator[pl.DataFrame]:
        """Yield one bucket's authors of each step."""
        return self._segments("authors", bucket, buckets)

    def results(self) -> list[Path]:
        """Return the files of the results in the order of the source."""
        return _files(self.folder / "results")

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

    def _write_frame(self, kind: str, step: str, frame: pl.DataFrame) -> None:
        # These files live for as long as the task runs: not worth compressing.
        self._write(
            self.folder / kind / f"{step}.parquet",
            lambda path: frame.write_parquet(path, compression="uncompressed", statistics=False),
        )

    def _write_segments(self, kind: str, step: str, frames: Sequence[pl.DataFrame]) -> None:
        self._write(self.folder / kind / f"{step}{_SEGMENTS}", lambda path: write_segments(path, frames))

    def _segments(self, kind: str, bucket: int, buckets: int) -> Iterator[pl.DataFrame]:
        return (read_segment(file, bucket, buckets) for file in _files(self.folder / kind, _SEGMENTS))

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


def _files(folder: Path, ending: str = ".parquet") -> list[Path]:
    return sorted(folder.glob(f"*{ending}")) if folder.is_dir() else []


def _draw(results: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return the results with the lowest draws, of all and of each name; only these few rows are copied."""
    draws = results.select("name", "group", draw=pl.col("place").hash(seed=seed)).with_row_index("row")
    by = ("draw", "group")
    of_names = draws.group_by("name").agg(pl.col("row").bottom_k_by(by, SAMPLE_ROWS_OF_NAME)).explode("row")
    chosen = pl.concat([draws.bottom_k(SAMPLE_ROWS, by=by)["row"], of_names["row"]]).unique()
    return results[chosen].with_columns(draws["draw"].gather(chosen))


def _flush(path: Path) -> None:
    """Bring a file to the disk: the step that made it is about to be recorded as done, and that record survives a power cut."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
