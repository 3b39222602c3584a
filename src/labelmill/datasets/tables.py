"""Datasets, their labels and their records. Their ids are small numbers: a million records carry them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, UniqueConstraint, text

from labelmill.db.tables import table
from labelmill.db.types import Flag, Id, Json, LongText, UtcTime, Whole, name


def _some(name: str, *columns: str, where: str) -> Index:
    """Return an index of the rows for which ``where`` holds; MariaDB knows no such indexes and has all rows in it."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


datasets = table(
    "datasets",
    Column("id", Whole, primary_key=True),
    Column("name", name(200), nullable=False, unique=True),
    # text, image or tabular.
    Column("kind", name(16), nullable=False),
    Column("guidelines", LongText, nullable=False),
    # What labelmill.datasets.model.DatasetSettings says.
    Column("settings", Json, nullable=False),
    # How many records it has: counting them would take longer the more they are.
    Column("records", Whole, nullable=False, server_default="0"),
    # Rises with every change of name, labels, guidelines or settings: who changes says which one was seen.
    Column("revision", Whole, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Id),
    Column("archived_at", UtcTime),
    # Since then it is gone for everybody, and its rows go one slice after the other.
    Column("removed_at", UtcTime),
)

labels = table(
    "labels",
    Column("id", Whole, primary_key=True),
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    # NFC, of any length; the key is its SHA-256 in hex, for which an index has room on every database.
    Column("name", LongText, nullable=False),
    Column("name_key", name(64), nullable=False),
    Column("place", Whole, nullable=False),
    Column("colour", name(16), nullable=False),
    Column("shortcut", name(16), nullable=False),
    Column("description", LongText, nullable=False),
    # The answer "ignored": a class like others, but offered apart from them.
    Column("is_ignored", Flag, nullable=False),
    # Where its annotations count since it was merged; and since when it is offered no more.
    Column("merged_into", Whole),
    Column("removed_at", UtcTime),
    UniqueConstraint("dataset_id", "name_key"),
    Index(None, "dataset_id", "place"),
)

records = table(
    "records",
    Column("id", Whole, primary_key=True),
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    # Half of the SHA-256, in hex, of the given id or else of the content: what makes a record the same at the next import.
    Column("record_key", name(32), nullable=False),
    Column("given_id", LongText),
    # The text; the fields of a row as a JSON object; of an image a JSON object with the name of its blob, width and height.
    Column("content", LongText, nullable=False),
    # A random number from 0 to 2**31 - 1, drawn from the dataset's seed and the record's key: the order ``random``.
    Column("shuffle", Whole, nullable=False),
    # Whether it belongs to the standing random share, on which classifiers are scored and from which they never choose.
    Column("in_share", Flag, nullable=False),
    Column("added_at", UtcTime, nullable=False),
    # Derived from the annotations, in the transaction of each: how many annotators answered, and whether more are wanted.
    Column("answers", Whole, nullable=False),
    Column("is_open", Flag, nullable=False),
    # The label that has the majority, or the settled one; null without one. Whether labels share the most votes.
    Column("majority_id", Whole),
    Column("is_tied", Flag, nullable=False),
    UniqueConstraint("dataset_id", "record_key"),
    Index(None, "dataset_id", "is_open", "shuffle", "id"),
    Index("ix_records_dataset_id_open", "dataset_id", "is_open", "id"),
    # These hold few of the records where the database can leave the others out: an import writes to fewer places.
    _some("ix_records_dataset_id_share", "dataset_id", "in_share", "is_open", "shuffle", "id", where="in_share = 1"),
    _some("ix_records_dataset_id_majority", "dataset_id", "majority_id", "id", where="majority_id IS NOT NULL"),
    _some("ix_records_dataset_id_tied", "dataset_id", "is_tied", "id", where="is_tied = 1"),
)

init_records = table(
    "init_records",
    # Labelled data that trains and is never shown.
    Column("id", Whole, primary_key=True),
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("record_key", name(32), nullable=False),
    Column("content", LongText, nullable=False),
    Column("label_id", Whole, ForeignKey("labels.id", ondelete="CASCADE"), nullable=False),
    UniqueConstraint("dataset_id", "record_key", "label_id"),
)
