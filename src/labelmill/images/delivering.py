"""Images of one chunk, delivered: each is looked at, transformed where that was asked for, and written complete or not at all."""

from __future__ import annotations

import io
import os
import tarfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Protocol, Self

import orjson
import polars as pl

from labelmill.errors import BadFile, Unavailable
from labelmill.images import transforms
from labelmill.images.formats import require_honest
from labelmill.images.model import FILE, ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labelmill.datasets import Images
    from labelmill.images.task import Delivery

#: What became of each image of a chunk: the delivered file's name and bytes, or why it was skipped.
OUTCOME: Final = pl.Schema({ID: pl.String(), "delivered": pl.String(), "bytes": pl.Int64(), "skipped": pl.String()})


class Target(Protocol):
    """Where delivered images go."""

    def write(self, name: str, content: bytes, row: dict[str, object]) -> None: ...


def deliver(
    chunk: pl.DataFrame, images: Images, delivery: Delivery, target: Target, report: Callable[[int], None]
) -> pl.DataFrame:
    """Deliver the images of ``chunk`` (id, file and the columns) and return ``OUTCOME``, one row an image."""
    if delivery.transform is not None:
        transforms.require_libraries()
    outcomes: list[tuple[str, str | None, int | None, str | None]] = []
    for number, (row, content) in enumerate(_contents(chunk, images), 1):
        image_id = str(row[ID])
        try:
            name, made = _made(row, content, delivery)
        except BadFile as error:
            outcomes.append((image_id, None, None, error.message))
        else:
            target.write(name, made, row)
            outcomes.append((image_id, name, len(made), None))
        report(number)
    return pl.DataFrame(outcomes, schema=OUTCOME, orient="row")


class Folder:
    """Files in a folder; ``linked`` gives the file that one may be a link to."""

    def __init__(self, path: Path, linked: Path | None = None) -> None:
        self._path = path
        self._linked = linked
        with _writing(path):
            path.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, content: bytes, row: dict[str, object]) -> None:
        place, part = self._path / name, self._path / f".{name}.part"
        try:
            with _writing(place):
                if self._linked is None or not self._link(part, self._linked / str(row[FILE])):
                    part.write_bytes(content)
                part.replace(place)
                if self._linked is not None:
                    # One link is not put in the place of another one of the same file: both would stay.
                    part.unlink(missing_ok=True)
        except Unavailable:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise

    def _link(self, part: Path, source: Path) -> bool:
        part.unlink(missing_ok=True)
        try:
            os.link(source, part)
        except OSError:  # another file system, or one without links
            return False
        return True


class Shard:
    """One tar of images and their rows as JSON, complete when the block ends or not there at all."""

    def __init__(self, path: Path, names: dict[str, str]) -> None:
        self._path = path
        self._names = names
        self._part = path.with_name(f".{path.name}.part")

    def __enter__(self) -> Self:
        with _writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._tar = tarfile.open(self._part, "w", format=tarfile.PAX_FORMAT)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            with _writing(self._path):
                self._tar.close()
                if error is None:
                    self._part.replace(self._path)
        finally:
            with suppress(OSError):
                self._part.unlink(missing_ok=True)

    def write(self, name: str, content: bytes, row: dict[str, object]) -> None:
        values = {self._names[key]: value for key, value in row.items() if key in self._names}
        described = PurePosixPath(name).with_suffix(".json").name
        with _writing(self._path):
            for member, held in ((name, content), (described, orjson.dumps(values))):
                info = tarfile.TarInfo(member)
                info.size = len(held)
                self._tar.addfile(info, io.BytesIO(held))


def _contents(chunk: pl.DataFrame, images: Images) -> Iterator[tuple[dict[str, object], bytes | BadFile]]:
    """Yield each row with the bytes of its image, or why there are none."""
    present = chunk.filter(pl.col(FILE).is_not_null())
    contents = images.contents(present[FILE].to_list())
    for row in chunk.iter_rows(named=True):
        yield row, BadFile("there is no image of this id") if row[FILE] is None else next(contents)


def _made(row: dict[str, object], content: bytes | BadFile, delivery: Delivery) -> tuple[str, bytes]:
    """Return the delivered file's name and bytes; raises BadFile."""
    if isinstance(content, BadFile):
        raise content
    suffix = PurePosixPath(str(row[FILE])).suffix
    require_honest(content, suffix)
    if delivery.transform is None:
        return f"{row[ID]}{suffix.lower()}", content
    return f"{row[ID]}{delivery.transform.suffix}", transforms.apply(delivery.transform, content, str(row[ID]))


class _writing:  # noqa: N801 - reads like a verb
    """Turns what the operating system refuses into Unavailable: space may be freed, and the task goes on where it stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise Unavailable(
                f"It cannot be written: {error.strerror or error}.", where=str(self._path),
                way_out="Free some space, or check the rights; the task goes on where it stopped.",
            ) from error  # fmt: skip
