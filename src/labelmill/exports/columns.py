"""An export's columns: the record's own, then what people and the classifier said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
import polars as pl

from labelmill.datasets import RecordKind
from labelmill.exports.formats import Rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labelmill.exports.reading import Labelled, Reading

VOTES: Final = pl.List(pl.Struct({"label": pl.String, "votes": pl.Int64}))
_RECORD: Final = {
    "label": pl.String, "tied": pl.Boolean, "agreement": pl.Float64, "answers": pl.Int64, "votes": VOTES, "predicted": pl.String,
    "confidence": pl.Float64,
}  # fmt: skip
_ANSWER: Final = {
    "label": pl.String, "labels": pl.List(pl.String), "annotator": pl.String, "shown_at": pl.Datetime("us", "UTC"),
    "answered_at": pl.Datetime("us", "UTC"), "seconds": pl.Float64, "settles": pl.Boolean,
}  # fmt: skip
_OWN: Final = frozenset({"id", "record", *_RECORD, *_ANSWER})
_TYPES: Final = {bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64()}
_LARGEST_WHOLE: Final = 2**63


class Columns:
    """The columns of one export, which are the same for all its slices."""

    def __init__(self, reading: Reading, rows: Rows, fields: Mapping[str, Any] | None = None) -> None:
        self._kind = reading.dataset.kind
        self._rows = rows
        self._several = reading.dataset.settings.several_labels
        #: Names and types of a table's fields; to find them all records are read.
        self.fields = dict(fields_of(reading) if fields is None else fields)
        #: What a field is called here: one that is named as a column of ours has "field." in front.
        self._names = {name: f"field.{name}" if name in _OWN else name for name in self.fields}
        self._ids: dict[str, Any] = {"id": pl.String()} if reading.has_ids else {}

    @property
    def content(self) -> dict[str, Any]:
        """The record's own columns with their types."""
        if self._kind is RecordKind.TEXT:
            return {"text": pl.String()}
        if self._kind is RecordKind.IMAGE:
            return {"image": pl.String(), "width": pl.Int64(), "height": pl.Int64()}
        return {self._names[name]: kind for name, kind in self.fields.items()}

    @property
    def schema(self) -> dict[str, Any]:
        """All columns with their types."""
        if self._rows is Rows.RECORDS:
            return self._ids | self.content | _RECORD
        kept = {name: kind for name, kind in _ANSWER.items() if name != ("label" if self._several else "labels")}
        return {"record": pl.Int64()} | self._ids | self.content | kept

    def frame(self, piece: Labelled) -> pl.DataFrame:
        """Return the rows of a slice with the columns of ``schema``."""
        records = pl.concat([piece.records.drop("content"), self.contents(piece.records)], how="horizontal")
        named = records.rename({"given_id": "id", "is_tied": "tied"})
        if self._rows is Rows.ANSWERS:
            answers = piece.answers.select(
                "record_id", "annotator", "labels", "shown_at", "answered_at", label=pl.col("labels").list.first(), settles="is_settling",
                seconds=(pl.col("answered_at") - pl.col("shown_at")).dt.total_milliseconds() / 1000,
            )  # fmt: skip
            named = (
                named.drop("label")
                .join(answers, on="record_id", how="left", maintain_order="left_right")
                .rename({"record_id": "record"})
            )
        # By place: polars takes some names of fields for patterns.
        places = {name: place for place, name in enumerate(named.columns)}
        return named.select(pl.nth(places[name]).cast(kind) for name, kind in self.schema.items())

    def contents(self, records: pl.DataFrame) -> pl.DataFrame:
        """Return the record's own columns for each record."""
        if self._kind is RecordKind.TEXT:
            return records.select(text="content")
        values = [orjson.loads(content) for content in records["content"]]
        if self._kind is RecordKind.IMAGE:
            named = zip(records.select("record_id", "given_id").iter_rows(), values, strict=True)
            rows = [
                (image_name(record_id, given_id, value["blob"]), value["width"], value["height"])
                for (record_id, given_id), value in named
            ]
            return pl.DataFrame(rows, schema=self.content, orient="row")
        columns = [
            pl.Series(self._names[name], [_cell(value.get(name), kind) for value in values], kind, strict=False)
            for name, kind in self.fields.items()
        ]
        return pl.DataFrame(columns)


def fields_of(reading: Reading) -> dict[str, Any]:
    """Return the fields of a table's records with their types, in the order in which they first appear; none for other records."""
    return _fields(reading.contents()) if reading.dataset.kind is RecordKind.TABULAR else {}


def image_name(record_id: int, given_id: str | None, blob: str) -> str:
    """Return what a record's image is called: by its id, so that no two are the same, with the name that it came with."""
    suffix = blob.rpartition(".")[2]
    stem = "".join(each if each.isalnum() or each in "._-" else "-" for each in (given_id or "").rpartition("/")[2])
    stem = stem.rpartition(".")[0] or stem
    return f"{record_id}-{stem[:80]}.{suffix}" if stem else f"{record_id}.{suffix}"


def _fields(contents: Iterable[pl.Series]) -> dict[str, Any]:
    """Return the fields of all records in the order in which they first appear, with the type that holds all their values."""
    kinds: dict[str, set[type]] = {}
    for series in contents:
        for content in series:
            for name, value in orjson.loads(content).items():
                kinds.setdefault(name, set()).add(_kind_of(value))
    return {name: _type(found - {type(None)}) for name, found in kinds.items()}


def _kind_of(value: Any) -> type:
    # What is beyond 64 bits is no number of any column.
    return str if isinstance(value, int) and abs(value) >= _LARGEST_WHOLE else type(value)


def _type(kinds: set[type]) -> Any:
    if kinds == {int, float}:
        return pl.Float64()
    return _TYPES.get(next(iter(kinds)), pl.String()) if len(kinds) == 1 else pl.String()


def _cell(value: Any, kind: Any) -> Any:
    if value is None or kind != pl.String:
        return value
    return value if isinstance(value, str) else orjson.dumps(value).decode()
