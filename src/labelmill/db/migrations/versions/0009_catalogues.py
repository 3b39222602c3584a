"""Catalogues of products and their versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelmill.db.tables import TABLE_OPTIONS
from labelmill.db.types import Id, Json, UtcTime, Whole, name

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "catalogues",
        sa.Column("id", Whole, primary_key=True),
        sa.Column("name", name(255), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("created_by", Id),
        sa.UniqueConstraint("name", name="uq_catalogues_name"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "catalogue_versions",
        sa.Column("id", Id, primary_key=True),
        sa.Column("catalogue_id", Whole, sa.ForeignKey("catalogues.id", ondelete="CASCADE"), nullable=False),
        sa.Column("number", Whole, nullable=False),
        sa.Column("made_at", UtcTime, nullable=False),
        sa.Column("id_column", name(255), nullable=False),
        sa.Column("columns", Json, nullable=False),
        sa.Column("rows", Whole, nullable=False),
        sa.Column("rejected", Whole, nullable=False),
        sa.Column("rows_without_image", Whole, nullable=False),
        sa.Column("images_without_row", Whole, nullable=False),
        sa.Column("images", Json, nullable=False),
        sa.UniqueConstraint("catalogue_id", "number", name="uq_catalogue_versions_catalogue_id_number"),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("catalogue_versions")
    op.drop_table("catalogues")
