"""Blobs in labelmill's own database: what each is, and its bytes in chunks."""

from __future__ import annotations

import sqlalchemy as sa

from labelmill.blobs.model import LONGEST_NAME
from labelmill.db.tables import Column, table
from labelmill.db.types import Bytes, Id, UtcTime, Whole, name

#: Without a name a blob is not there: its chunks are still arriving, or are about to go.
blobs = table(
    "blobs",
    Column("id", Id, primary_key=True),
    Column(
        "name",
        sa.String(LONGEST_NAME)
        .with_variant(sa.String(LONGEST_NAME, collation="C"), "postgresql")
        .with_variant(sa.TEXT(), "sqlite"),
    ),
    Column("size", Whole, nullable=False),
    Column("sha256", name(64), nullable=False),
    Column("put_at", UtcTime, nullable=False),
    sa.UniqueConstraint("name", name="uq_blobs_name"),
)

blob_chunks = table(
    "blob_chunks",
    Column("blob_id", Id, sa.ForeignKey("blobs.id", name="fk_blob_chunks_blob_id"), primary_key=True),
    Column("number", Whole, primary_key=True, autoincrement=False),
    Column("content", Bytes, nullable=False),
)
