"""Folders, sent as a ZIP while they are made: images by label, and a dataset for the library ``datasets`` of Hugging Face."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any, Final

import orjson
import polars as pl

from labelmill.datasets import RecordKind
from labelmill.exports.columns import Columns, image_name
from labelmill.exports.formats import Rows
from labelmill.exports.writers.card import card
from labelmill.exports.writers.parquet import Stitched
from labelmill.exports.writers.tables import defused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelmill.blobs import Blobs
    from labelmill.exports.formats import Request
    from labelmill.exports.reading import Labelled, Reading

#: Images that are held at once.
_IMAGES_AT_ONCE: Final = 32
_UNLABELLED: Final = "unlabelled"


class Pipe:
    """Takes what is written and gives it away: a file that is sent while it is made."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, content: Any, /) -> int:
        self._parts.append(bytes(content))
        return memoryview(content).nbytes

    def flush(self) -> None:
        """Do nothing: what was written is taken by ``taken``."""

    def close(self) -> None:
        """Do nothing either."""

    def taken(self) -> bytes:
        content = b"".join(self._parts)
        self._parts.clear()
        return content


def write_images(reading: Reading, request: Request, blobs: Blobs) -> Iterator[bytes]:  # noqa: ARG001 - as every writer
    """Write each image below a folder of its label's name, and a table of all of them."""
    columns = Columns(reading, Rows.RECORDS)
    folders = Folders()
    table = ["file," + defused(pl.DataFrame(schema=columns.schema)).write_csv()]
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for piece in reading.slices():
            names = [f"{folders.of(label)}/{name}" for label, name in _named(piece)]
            for name, content in zip(names, _images(piece, blobs), strict=True):
                archive.writestr(name, content)
                yield pipe.taken()
            rows = defused(columns.frame(piece).insert_column(0, pl.Series("file", names, pl.String)))
            table.append(rows.write_csv(include_header=False))
        archive.writestr("records.csv", "".join(table), zipfile.ZIP_DEFLATED)
    yield pipe.taken()


def write_hugging_face(reading: Reading, request: Request, blobs: Blobs) -> Iterator[bytes]:
    """Write ``data/train-00000-of-00001.parquet`` and a card, in which ``label`` is a class label."""
    names = [label.name for label in reading.dataset.labels]
    names += [name for name in dict.fromkeys(reading.labels.values()) if name not in names]
    columns = Columns(reading, request.rows)
    schema = {name: _type(name, kind, reading.dataset.kind) for name, kind in columns.schema.items()}
    pipe = Pipe()
    counts: dict[str | None, int] = {}
    file = Stitched(schema)
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("data/train-00000-of-00001.parquet", "w", force_zip64=True) as member:
            for piece in reading.slices():
                for part in _parts(piece, reading.dataset.kind):
                    frame = columns.frame(part)
                    for label, number in frame["label"].value_counts().iter_rows():
                        counts[label] = counts.get(label, 0) + number
                    member.write(file.add(_as_features(frame, part, names, schema, blobs)))
                    yield pipe.taken()
            member.write(file.end())
        archive.writestr("README.md", card(reading, schema, names, counts), zipfile.ZIP_DEFLATED)
    yield pipe.taken()


class Folders:
    """Names of folders for labels: what a file system stumbles over is replaced, and no two labels share one."""

    def __init__(self) -> None:
        self._known: dict[str | None, str] = {None: _UNLABELLED}

    def of(self, label: str | None) -> str:
        if label not in self._known:
            safe = "".join(each if each.isalnum() or each in " ._-" else "-" for each in str(label))[:80].strip(" .") or "label"
            taken = {each.casefold() for each in self._known.values()}
            number = 1
            name = safe
            while name.casefold() in taken:
                number += 1
                name = f"{safe}-{number}"
            self._known[label] = name
        return self._known[label]


def _type(name: str, kind: Any, records: RecordKind) -> Any:
    if name == "label":
        return pl.Int64()
    if name == "image" and records is RecordKind.IMAGE:
        return pl.Struct({"bytes": pl.Binary, "path": pl.String})
    return kind


def _as_features(frame: pl.DataFrame, piece: Labelled, names: list[str], schema: dict[str, Any], blobs: Blobs) -> pl.DataFrame:
    numbers = {name: number for number, name in enumerate(names)}
    found = frame.with_columns(pl.col("label").replace_strict(numbers, default=None, return_dtype=pl.Int64))
    if isinstance(schema.get("image"), pl.Struct):
        images = [{"bytes": content, "path": path} for content, path in zip(_images(piece, blobs), frame["image"], strict=True)]
        found = found.with_columns(pl.Series("image", images, schema["image"]))
    return found


def _parts(piece: Labelled, kind: RecordKind) -> Iterator[Labelled]:
    """Yield a slice in parts whose images can be held at once; of other kinds it is one."""
    if kind is not RecordKind.IMAGE:
        yield piece
        return
    for records in piece.records.iter_slices(_IMAGES_AT_ONCE):
        answers = piece.answers.join(records, on="record_id", how="semi", maintain_order="left")
        yield type(piece)(records=records, answers=answers)


def _named(piece: Labelled) -> Iterator[tuple[str | None, str]]:
    for record_id, given_id, content, label in piece.records.select("record_id", "given_id", "content", "label").iter_rows():
        yield label, image_name(record_id, given_id, orjson.loads(content)["blob"])


def _images(piece: Labelled, blobs: Blobs) -> Iterator[bytes]:
    for content in piece.records["content"]:
        yield blobs.get(orjson.loads(content)["blob"])
