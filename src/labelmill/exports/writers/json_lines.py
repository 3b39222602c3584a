"""One JSON object a line: our own, doccano's, and spaCy's for text classification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from labelmill.exports.columns import Columns
from labelmill.exports.writers import encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from labelmill.blobs import Blobs
    from labelmill.exports.formats import Request
    from labelmill.exports.reading import Labelled, Reading

_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


def write_json_lines(reading: Reading, request: Request, blobs: Blobs) -> Iterator[bytes]:  # noqa: ARG001 - as every writer
    """Write every column, nothing changed: fields as the numbers and texts that they are, votes as an object."""
    columns = Columns(reading, request.rows)
    for piece in reading.slices():
        yield object_lines(columns.frame(piece))


def object_lines(frame: pl.DataFrame) -> bytes:
    """Return each row as a line with a JSON object."""
    return (_objects(frame).str.join("\n") + "\n").cast(pl.Binary).item()  # type: ignore[no-any-return]


def _objects(frame: pl.DataFrame) -> pl.Series:
    if "votes" not in frame.columns:
        return encoding.objects(frame)
    place = frame.columns.index("votes")
    before = encoding.objects(frame[:, :place]).str.strip_suffix("}")
    after = encoding.objects(frame[:, place + 1 :]).str.strip_prefix("{")
    return before + ',"votes":' + encoding.votes(frame["votes"]).fill_null("{}") + "," + after


def write_doccano(reading: Reading, request: Request, blobs: Blobs) -> Iterator[bytes]:  # noqa: ARG001
    """Write what doccano imports for the classification of texts: the majority as the only label, or none."""

    def lines(piece: Labelled) -> Iterable[dict[str, Any]]:
        for row in piece.records.iter_rows(named=True):
            own = {} if row["given_id"] is None else {"id": row["given_id"]}
            yield own | {"text": row["content"], "label": [] if row["label"] is None else [row["label"]]}

    yield from _written(reading, lines)


def write_spacy(reading: Reading, request: Request, blobs: Blobs) -> Iterator[bytes]:  # noqa: ARG001
    """Write texts with a majority and all labels, 1 for theirs and 0 for the others. Texts without one would teach what is not so."""
    labels = [label.name for label in reading.dataset.labels]

    def lines(piece: Labelled) -> Iterable[dict[str, Any]]:
        for row in piece.records.drop_nulls("label").iter_rows(named=True):
            cats = dict.fromkeys(labels, 0.0) | {row["label"]: 1.0}
            own = {} if row["given_id"] is None else {"meta": {"id": row["given_id"]}}
            yield {"text": row["content"], "cats": cats} | own

    yield from _written(reading, lines)


def _written(reading: Reading, lines: Callable[[Labelled], Iterable[dict[str, Any]]]) -> Iterator[bytes]:
    for piece in reading.slices():
        yield b"".join(orjson.dumps(line, option=_LINE) for line in lines(piece))
