"""The members that hold records and answers: the predecessor's three in JSON, column by column, and two in Parquet."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from labelmill.archives.parts import LEVEL, Piece
from labelmill.exports import Rows
from labelmill.exports.service import Columns
from labelmill.exports.service import parquet_file as as_parquet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelmill.archives.parts import Part
    from labelmill.archives.plan import Plan
    from labelmill.exports.service import Labelled, Reading

HUMAN: Final = "human_labeled_data.json"
STAMPS: Final = "sample_timestamps.json"
RECORDS: Final = "records.parquet"
ANSWERS: Final = "annotations.parquet"
#: The predecessor's columns; ``tied`` is ours.
OF_RECORDS: Final = (
    "text_id", "text_data", "labeled", "selected", "taught", "labels", "users", "major_label", "uncertainty", "predicted_label",
)  # fmt: skip
OF_MACHINE: Final = (*OF_RECORDS, "tied")
OF_STAMPS: Final = ("stamp_id", "user_id", "text_id", "start_time", "end_time")
_LISTS: Final = pl.List(pl.String)
_MOMENT: Final = pl.Datetime("us", "UTC")
_ANSWER: Final = {
    "number": pl.Int64(), "record": pl.Int64(), "annotator": pl.String(), "labels": _LISTS, "settles": pl.Boolean(),
    "shown_at": _MOMENT, "answered_at": _MOMENT, "seconds": pl.Float64(),
}  # fmt: skip


class Tally:
    """What was counted so far, from step to step as JSON."""

    def __init__(self, kept: dict[str, Any] | None = None) -> None:
        kept = kept or {}
        #: Rows of each member; and records that are ``tied``.
        self.rows: Counter[str] = Counter(kept.get("rows", {}))
        #: Records by majority and by what the classifier says, answers by annotator.
        self.majority: Counter[str] = Counter(kept.get("majority", {}))
        self.predicted: Counter[str] = Counter(kept.get("predicted", {}))
        self.annotators: Counter[str] = Counter(kept.get("annotators", {}))

    def as_dict(self) -> dict[str, Any]:
        return {name: dict(value) for name, value in vars(self).items()}

    def count(self, records: pl.DataFrame, answers: pl.DataFrame) -> None:
        for counter, column in (
            (self.majority, records["label"]), (self.predicted, records["predicted"]), (self.annotators, answers["annotator"]),
        ):  # fmt: skip
            counter.update(dict(column.drop_nulls().value_counts().iter_rows()))
        self.rows["tied"] += int(records["is_tied"].sum())


class Members:
    """Makes slices of a dataset into pieces of its members."""

    def __init__(self, plan: Plan, reading: Reading) -> None:
        self._plan = plan
        self._columns = Columns(reading, Rows.RECORDS, plan.fields)
        self._probabilities = self._named(plan)

    @property
    def json(self) -> dict[str, tuple[str, ...]]:
        """The columns of each JSON member."""
        return {self._plan.machine: OF_MACHINE, HUMAN: OF_RECORDS, STAMPS: OF_STAMPS}

    @property
    def parquet(self) -> dict[str, dict[str, Any]]:
        """The columns of each Parquet member, with their types."""
        every = dict.fromkeys(self._probabilities.values(), pl.Float32())
        return {RECORDS: {"record": pl.Int64()} | self._columns.schema | every, ANSWERS: _ANSWER}

    def add(self, part: Part, piece: Labelled, predictions: pl.DataFrame | None, tally: Tally) -> None:
        """Add records with their answers to a part; ``predictions`` are of all these records, as a generation's file has them."""
        records = self._predicted(piece.records, predictions)
        tally.count(records, piece.answers)
        frame = self._columns.frame(type(piece)(records=records, answers=piece.answers))
        every = [pl.col(known).alias(name) for known, name in self._probabilities.items()]
        whole = pl.concat([records.select(record="record_id"), frame, records.select(every)], how="horizontal")
        whole = whole.select(pl.col(name).cast(kind) for name, kind in self.parquet[RECORDS].items())
        part.add_file(RECORDS, as_parquet(whole, level=LEVEL), whole.height)
        answers = _answers(piece.answers)
        part.add_file(ANSWERS, as_parquet(answers, level=LEVEL), answers.height)
        part.add(self._json(records, piece.answers, tally))

    def _json(self, records: pl.DataFrame, answers: pl.DataFrame, tally: Tally) -> Iterator[Piece]:
        ready = self._as_predecessor(records, answers)
        is_human = ready["human"]
        for member, frame in (
            (self._plan.machine, ready.filter(~is_human).with_columns(major_label="predicted_label")),
            (HUMAN, ready.filter(is_human)),
            (STAMPS, _stamps(answers)),
        ):
            yield from pieces(member, frame.select(self.json[member]), tally.rows[member])
            tally.rows[member] += frame.height

    def _as_predecessor(self, records: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
        trained_to = -1 if self._plan.classifier is None else self._plan.classifier.trained_to
        given = (
            answers.filter(~pl.col("is_settling")).explode("labels").drop_nulls("labels")
            .group_by("record_id").agg("labels", users="annotator")
        )  # fmt: skip
        newest = answers.group_by("record_id").agg(newest=pl.col("number").max())
        both = records.join(given, on="record_id", how="left", maintain_order="left").join(
            newest, on="record_id", how="left", maintain_order="left"
        )
        return both.select(
            "labels", "users", text_id="record_id", text_data="content", labeled=pl.lit(value=False), selected=pl.lit(value=False),
            taught=pl.col("label").is_not_null() & (pl.col("newest") <= trained_to).fill_null(value=False),
            major_label="label", uncertainty="confidence", predicted_label="predicted", tied="is_tied", human=pl.col("label").is_not_null(),
        )  # fmt: skip

    def _predicted(self, records: pl.DataFrame, predictions: pl.DataFrame | None) -> pl.DataFrame:
        if predictions is None:
            return records
        names = pl.col("label_id").replace_strict(self._plan.moment.labels, default=None, return_dtype=pl.String)
        known = predictions.select(
            "record_id", *self._probabilities, predicted=names, confidence=pl.col("confidence").cast(pl.Float64).round(4)
        )
        return records.drop("predicted", "confidence").join(known, on="record_id", how="left", maintain_order="left")

    def _named(self, plan: Plan) -> dict[str, str]:
        """Return what the columns of the probabilities are called; none is called like another column."""
        names: dict[str, str] = {}
        for label in () if plan.classifier is None else plan.classifier.data["classes"]:
            name = f"p_{plan.moment.labels.get(label, label)}"
            while name in self._columns.schema:
                name += "_"
            names[f"p_{label}"] = name
        return names


def pieces(member: str, frame: pl.DataFrame, start: int) -> Iterator[Piece]:
    """Yield each column as the inside of a JSON object, whose keys are the rows' places, from ``start`` on."""
    places = pl.int_range(start, start + frame.height, eager=True).cast(pl.String)
    keys = '"' + places + '":'
    for column in frame if frame.height else ():
        yield Piece(member, column.name, frame.height, partial(_inside, keys, column))


def _inside(keys: pl.Series, column: pl.Series) -> bytes:
    """Return the inside of a JSON object; all of it is done outside of Python, so that threads do it side by side."""
    if _is_one(column):
        value = _as_json(column.head(1)).item()
        return (keys.str.join(f"{value},") + value).cast(pl.Binary).item()  # type: ignore[no-any-return]
    return (keys + _as_json(column)).str.join(",").cast(pl.Binary).item()  # type: ignore[no-any-return]


def _is_one(column: pl.Series) -> bool:
    """Tell whether all values are one, as in half of the predecessor's columns. Lists are not looked into."""
    if column.dtype == _LISTS:
        return column.null_count() == len(column)
    return bool(column.eq_missing(column[0]).all())


def _as_json(column: pl.Series) -> pl.Series:
    """Return values as JSON, no answers as an empty list."""
    if column.dtype.is_integer() or column.dtype == pl.Boolean:
        return column.cast(pl.String).fill_null("null")
    if column.dtype == _LISTS:
        column = column.fill_null([])
    # Only objects can be encoded: what is around the value goes again.
    objects = column.alias("v").to_frame().to_struct("").struct.json_encode()
    return objects.str.strip_prefix('{"v":').str.strip_suffix("}")


def _stamps(answers: pl.DataFrame) -> pl.DataFrame:
    return answers.select(
        stamp_id="number", user_id="annotator", text_id="record_id", start_time=pl.col("shown_at").dt.epoch("ms"),
        end_time=pl.col("answered_at").dt.epoch("ms"),
    )  # fmt: skip


def _answers(answers: pl.DataFrame) -> pl.DataFrame:
    seconds = (pl.col("answered_at") - pl.col("shown_at")).dt.total_milliseconds() / 1000
    named = answers.rename({"record_id": "record", "is_settling": "settles"}).with_columns(seconds=seconds)
    return named.select(pl.col(name).cast(kind) for name, kind in _ANSWER.items())
