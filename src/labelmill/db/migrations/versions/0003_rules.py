"""Stored rule sets and their versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelmill.db.tables import TABLE_OPTIONS
from labelmill.db.types import Bytes, Id, LongText, UtcTime, Whole, name

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "rule_sets",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", name(100), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("created_by", Id),
        sa.Column("archived_at", UtcTime),
        sa.UniqueConstraint("name", name="uq_rule_sets_name"),
        **TABLE_OPTIONS,
    )
    key = sa.ForeignKey("rule_sets.id", ondelete="CASCADE", name="fk_rule_set_versions_rule_set_id")
    op.create_table(
        "rule_set_versions",
        sa.Column("rule_set_id", Id, key, primary_key=True),
        sa.Column("version", Whole, primary_key=True, autoincrement=False),
        sa.Column("content", Bytes, nullable=False),
        sa.Column("content_hash", name(64), nullable=False),
        sa.Column("labels", Whole, nullable=False),
        sa.Column("rules", Whole, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("created_by", Id),
        sa.Column("note", LongText, nullable=False),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("rule_set_versions")
    op.drop_table("rule_sets")
