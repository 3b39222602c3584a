"""Catalogues and their versions as they are stored; the rows of a version are a Parquet file among the blobs."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, UniqueConstraint

from labelmill.db.tables import table
from labelmill.db.types import Id, Json, UtcTime, Whole, name

catalogues = table(
    "catalogues",
    Column("id", Whole, primary_key=True),
    Column("name", name(255), nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Id),
)
catalogue_versions = table(
    "catalogue_versions",
    # That of the job that made it.
    Column("id", Id, primary_key=True),
    Column("catalogue_id", Whole, ForeignKey("catalogues.id", ondelete="CASCADE"), nullable=False),
    Column("number", Whole, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("id_column", name(255), nullable=False),
    Column("columns", Json, nullable=False),
    Column("rows", Whole, nullable=False),
    Column("rejected", Whole, nullable=False),
    Column("rows_without_image", Whole, nullable=False),
    Column("images_without_row", Whole, nullable=False),
    Column("images", Json, nullable=False),
    UniqueConstraint("catalogue_id", "number"),
)
