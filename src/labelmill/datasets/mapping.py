"""What the columns of a source mean, and its rows made into records: those that cannot be are refused with a reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

import orjson
import polars as pl

from labelmill.datasets.model import RecordKind, normal_label
from labelmill.datasets.readers.images import FILE
from labelmill.db.bulk.columns import pick_columns
from labelmill.db.bulk.model import Kind, Reject
from labelmill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping as Values

    from labelmill.db.bulk.model import TableInfo

#: Characters of one record; more is no record that a person could read.
LONGEST_CONTENT: Final = 1_000_000
LONGEST_ID: Final = 1_000
LONGEST_LABEL: Final = 10_000
#: Cells of the label column whose meaning is remembered.
MOST_KNOWN: Final = 100_000
#: A row of the source that became a record. ``place`` is its line in a text
#: file, else its number; without labels ``labels`` is empty.
SCHEMA: Final = pl.Schema(
    {
        "place": pl.Int64(), "given_id": pl.String(), "content": pl.String(), "labels": pl.List(pl.String()),
        "annotator": pl.String(), "answered_at": pl.Datetime("us", "UTC"),
    }
)  # fmt: skip
_ROW = "\0row"
_KEPT_TEXT = 500


class LabelUse(StrEnum):
    """What labels are that come with the rows."""

    #: Labelled data that is trained on and never shown: such a row becomes no record.
    INIT = "init"
    #: Answers of the annotator that a column names, or that the mapping names for all rows.
    ANSWERS = "answers"
    #: Only which labels there are; which row has which is left out.
    NAMES = "names"


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """What the columns of a source mean."""

    kind: RecordKind = RecordKind.TEXT
    #: Of a text: the column, or several that stand below each other. Of tabular records: their fields, in this order.
    columns: tuple[str, ...] = ()
    id_column: str | None = None
    label_column: str | None = None
    label_use: LabelUse = LabelUse.INIT
    #: What separates several labels in one cell; in JSON a list does.
    label_separator: str | None = None
    annotator_column: str | None = None
    #: The name or address of the annotator of all rows, where no column tells.
    annotator: str | None = None
    time_column: str | None = None

    @classmethod
    def from_dict(cls, values: Values[str, Any]) -> Self:
        """Return the mapping of a job's params."""
        known = {name: value for name, value in values.items() if name in {each.name for each in fields(cls)}}
        known |= {"kind": RecordKind(values["kind"]), "label_use": LabelUse(values["label_use"])}
        return cls(**known | {"columns": tuple(values["columns"])})

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def needed(self) -> list[str]:
        """The columns that are read, each once."""
        others = (self.id_column, self.label_column, self.annotator_column, self.time_column)
        return list(dict.fromkeys([*self.columns, *(name for name in others if name)]))

    def check(self, table: TableInfo) -> None:
        """Raise BadSource for a column that is not there, BadInput for a mapping that makes no records."""
        for name in self.needed:
            table.column(name)
        if not self.columns:
            raise BadInput("No column is named.", where="columns", way_out="Name the column with the text, or the fields.")
        if len(set(self.columns)) < len(self.columns):
            raise BadInput("A column is named twice.", where="columns", way_out="Name each once.")
        if self.kind is RecordKind.IMAGE and self.columns != (FILE,):
            raise BadInput("Image records come from a folder or ZIP of images.", where="kind", way_out="Name one.")
        if self.kind is not RecordKind.TABULAR and any(table.column(name).kind is Kind.BYTES for name in self.columns):
            raise BadInput("The column holds bytes, not text.", where=", ".join(self.columns), way_out="Name another one.")
        answers = self.label_use is LabelUse.ANSWERS and self.label_column
        if answers and not (self.annotator or self.annotator_column):
            raise BadInput(
                "Nobody is named whose answers these labels are.",
                where="annotator",
                way_out="Name the annotator, or the column that does; or import them as init data.",
            )


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """Rows as records (of ``SCHEMA``), and those that are none."""

    frame: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)
    #: How many of the rejects are rows that could be read and not used.
    refused: int = 0


class Mapper:
    """Makes the frames of one source, in their order, into records."""

    def __init__(self, mapping: Mapping, *, is_json: bool) -> None:
        self.mapping = mapping
        self._is_json = is_json
        self._read = 0
        self._known: dict[str, tuple[list[str], str | None]] = {}

    def add(self, frame: pl.DataFrame, places: pl.Series | None = None) -> Mapped:
        """Return the next rows as records; ``frame`` has the mapping's needed columns, ``places`` says where its rows stand."""
        mapping, start = self.mapping, self._read + 1
        self._read += frame.height
        if places is None:
            places = pl.Series(range(start, start + frame.height), dtype=pl.Int64)
        empty = pl.Series([None] * frame.height, dtype=pl.String)
        labels, wrong = self._read_labels(frame)
        times = _times(_text(frame, mapping.time_column)) if mapping.time_column else empty
        found = pl.DataFrame(
            [
                places.alias("place"),
                (_text(frame, mapping.id_column) if mapping.id_column else empty).alias("given_id"),
                self._content(frame).alias("content"),
                labels.alias("labels"),
                self._annotators(frame).alias("annotator"),
                times.cast(SCHEMA["answered_at"]).alias("answered_at"),
                wrong.alias("wrong"),
            ]
        )
        faulty = found.with_columns(self._fault().alias("reason")).filter(pl.col("reason").is_not_null())
        if faulty.is_empty():
            return Mapped(frame=found.drop("wrong"))
        rejects = [
            Reject(place=row["place"], reason=row["reason"], text=(row["content"] or row["given_id"] or "")[:_KEPT_TEXT])
            for row in faulty.iter_rows(named=True)
        ]
        return Mapped(
            frame=found.filter(~pl.col("place").is_in(faulty["place"].implode())).drop("wrong"),
            rejects=rejects,
            refused=len(rejects),
        )

    def _fault(self) -> pl.Expr:
        """Return why a row can be no record, or null."""
        content, given = pl.col("content"), pl.col("given_id")
        empty = "its text is empty" if self.mapping.kind is RecordKind.TEXT else "it is empty"
        faults = {
            empty: _is_blank(content),
            "it holds a NUL character": pl.any_horizontal(
                each.str.contains("\0", literal=True).fill_null(value=False) for each in (content, given)
            ),
            f"it is longer than {LONGEST_CONTENT:,} characters": content.str.len_chars() > LONGEST_CONTENT,
        }
        if self.mapping.id_column:
            faults |= {"it has no id": _is_blank(given), "its id is too long": given.str.len_chars() > LONGEST_ID}
        reasons = [pl.when(condition).then(pl.lit(reason)) for reason, condition in faults.items()]
        if self.mapping.label_use is LabelUse.ANSWERS and self.mapping.annotator_column:
            nobody = (pl.col("labels").list.len() > 0) & _is_blank(pl.col("annotator"))
            reasons.append(pl.when(nobody).then(pl.lit("nobody is named who gave its label")))
        return pl.coalesce([*reasons, pl.col("wrong")])

    def _content(self, frame: pl.DataFrame) -> pl.Series:
        names = list(self.mapping.columns)
        if self.mapping.kind is RecordKind.TABULAR:
            rows = pick_columns(frame, names).rows()
            texts = [orjson.dumps(dict(zip(names, row, strict=True)), default=_plain).decode() for row in rows]
            return pl.Series(texts, dtype=pl.String)
        if len(names) == 1:
            return _text(frame, names[0])
        parts = pl.DataFrame([_text(frame, name).alias(str(place)) for place, name in enumerate(names)])
        return parts.select(pl.concat_str(pl.all(), separator="\n\n", ignore_nulls=True)).to_series()

    def _annotators(self, frame: pl.DataFrame) -> pl.Series:
        if self.mapping.annotator_column:
            return _text(frame, self.mapping.annotator_column)
        return pl.Series([self.mapping.annotator], dtype=pl.String).new_from_index(0, frame.height)

    def _read_labels(self, frame: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
        """Return the labels of each row, and why a row's labels cannot be used, or null."""
        if not self.mapping.label_column:
            none: pl.Series = pl.Series([[]], dtype=SCHEMA["labels"]).new_from_index(0, frame.height)
            return none, pl.Series([None] * frame.height, dtype=pl.String)
        cells = _text(frame, self.mapping.label_column).alias("cell").to_frame()
        distinct = cells["cell"].unique().drop_nulls().to_list()
        meanings = [self._known.get(cell) or self._meaning(cell) for cell in distinct]
        self._known = dict(zip(distinct, meanings, strict=True)) | (self._known if len(self._known) < MOST_KNOWN else {})
        table = pl.DataFrame(
            [
                pl.Series("cell", [*distinct, None], pl.String),
                pl.Series("labels", [*(meaning[0] for meaning in meanings), []], SCHEMA["labels"]),
                pl.Series("wrong", [*(meaning[1] for meaning in meanings), None], pl.String),
            ]
        )
        found = cells.join(table, on="cell", how="left", maintain_order="left", nulls_equal=True)
        return found["labels"], found["wrong"]

    def _meaning(self, cell: str) -> tuple[list[str], str | None]:
        """Return the labels that a cell names, each once, and why they cannot be used, or None."""
        if len(cell) > LONGEST_LABEL:
            return [], f"its label is longer than {LONGEST_LABEL:,} characters"
        names: list[Any] = cell.split(self.mapping.label_separator) if self.mapping.label_separator else [cell]
        if self._is_json and cell.startswith(("[", "{")):
            names = _loaded(cell)
        if not all(isinstance(name, str | int) for name in names):
            return [], "its labels are spans or boxes, not labels of the whole record"
        try:
            return list(dict.fromkeys(normal_label(str(name)) for name in names if str(name).strip())), None
        except BadInput as error:
            return [], error.message


def _is_blank(column: pl.Expr) -> pl.Expr:
    return column.is_null() | (column.str.strip_chars() == "")


def _loaded(cell: str) -> list[Any]:
    try:
        value = orjson.loads(cell)
    except ValueError:
        return [cell]
    if isinstance(value, dict):  # so Label Studio's short export writes several choices
        value = value.get("choices", [value])
    return value if isinstance(value, list) else [value]


def _text(frame: pl.DataFrame, name: str) -> pl.Series:
    """Return a column as text: numbers as they are written, nested values as JSON."""
    column = pick_columns(frame, [name]).to_series()
    if column.dtype == pl.String:
        return column
    if column.dtype == pl.Boolean:
        return column.replace_strict({True: "true", False: "false"}, return_dtype=pl.String)
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        texts = [None if value is None else orjson.dumps(value, default=_plain).decode() for value in column.to_list()]
        return pl.Series(texts, dtype=pl.String)
    return column.cast(pl.String)


def _times(texts: pl.Series) -> pl.Series:
    """Return the times that texts in ISO form name, UTC unless they have a zone; null for every other text."""
    forms = ("%+", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
    found = [texts.str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC") for form in forms]
    return pl.select(pl.coalesce(found)).to_series()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, pl.Series):
        return value.to_list()
    return str(value)
