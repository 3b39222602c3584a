"""Blobs in the database, for those who keep their files there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelmill.db.tables import TABLE_OPTIONS
from labelmill.db.types import Bytes, Id, UtcTime, Whole, name

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "blobs",
        sa.Column("id", Id, primary_key=True),
        # Compared byte by byte, so that names are listed in the same order everywhere.
        sa.Column(
            "name", sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql").with_variant(sa.TEXT(), "sqlite")
        ),
        sa.Column("size", Whole, nullable=False),
        sa.Column("sha256", name(64), nullable=False),
        sa.Column("put_at", UtcTime, nullable=False),
        sa.UniqueConstraint("name", name="uq_blobs_name"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "blob_chunks",
        sa.Column("blob_id", Id, sa.ForeignKey("blobs.id", name="fk_blob_chunks_blob_id"), primary_key=True),
        sa.Column("number", Whole, primary_key=True, autoincrement=False),
        sa.Column("content", Bytes, nullable=False),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("blob_chunks")
    op.drop_table("blobs")
