"""What all files that are read as rows have in common: they are opened, checked, and count what they refuse."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

import polars as pl

from labelmill.db.bulk.columns import check_distinct
from labelmill.errors import BadFile, BadSource, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import Part, Reject, TableInfo, TimeRange

#: Rejects that are kept with their text; all are counted.
KEPT_REJECTS = 5_000
#: Characters of a refused row that are kept.
KEPT_TEXT = 500


class FileSource(ABC):
    """The base of the sources that are one file. A file is opened anew for each ``read``, so nothing is left open between them."""

    #: Where the rows of the frame that ``read`` yielded last stand, counted as the places of rejects are; None: one after the other.
    places: pl.Series | None = None

    def __init__(self, location: Location) -> None:
        if location.path is None:
            raise BadSource("This is not a file.", where=str(location))
        self.location = location
        self.path: Path = location.path
        self._rejects: list[Reject] = []
        self._rejected = 0

    @property
    @abstractmethod
    def table(self) -> TableInfo: ...

    @abstractmethod
    def read(
        self, columns: Sequence[str], part: Part | None = None, *, batch_rows: int = 131_072
    ) -> Iterator[pl.DataFrame]: ...

    @property
    def rejects(self) -> Sequence[Reject]:
        return self._rejects

    @property
    def rejected(self) -> int:
        return self._rejected

    def plan(self, rows: int, time: TimeRange | None = None) -> tuple[Part, ...] | None:
        """None: text has no places to start reading at that are known without reading all of it."""
        del rows, time
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return

    def _begin(self, columns: Sequence[str], part: Part | None) -> None:
        for name in columns:
            self.table.column(name)
        check_distinct(columns, str(self.path))
        if part is not None:
            raise BadSource(
                "This file is read in one piece: it has no parts.", where=str(self.path), way_out="Read it without a part."
            )
        self._rejects, self._rejected, self.places = [], 0, None

    def _placed(self, frame: pl.DataFrame, places: Sequence[int], batch_rows: int) -> Iterator[pl.DataFrame]:
        """Yield ``frame`` in batches, and tell with each where its rows stand."""
        for start in range(0, frame.height, batch_rows):
            self.places = pl.Series(places[start : start + batch_rows], dtype=pl.Int64)
            yield frame[start : start + batch_rows]

    def _refuse(self, rejects: Iterable[Reject]) -> None:
        for reject in rejects:
            self._rejected += 1
            if len(self._rejects) < KEPT_REJECTS:
                self._rejects.append(reject)


def check_file(path: Path) -> None:
    """Raise BadSource or BadFile where ``path`` is no file that can be read and holds something."""
    try:
        if path.is_dir():
            raise BadSource("This is a folder, not a file.", where=str(path), way_out="Name one file in it.")
        with path.open("rb") as file:
            first = file.read(1)
    except OSError as error:
        raise cannot_read(path, error) from error
    if not first:
        raise BadFile("The file is empty.", where=str(path), way_out="Name a file with a header and rows, or export it again.")


def cannot_read(path: Path, error: OSError) -> BadSource | Unavailable:
    """Return what to raise for an error of the operating system while ``path`` was opened or read."""
    if isinstance(error, FileNotFoundError):
        return BadSource(
            "There is no such file.", where=str(path), way_out="Check the name and the folder that it is looked up in."
        )
    if isinstance(error, PermissionError):
        return BadSource(
            "The file may not be read.", where=str(path), way_out="Give the user that runs labelmill the right to read it."
        )
    return Unavailable(
        f"The file cannot be read: {error.strerror or error}.", where=str(path), way_out="Check the disk, then try again."
    )
