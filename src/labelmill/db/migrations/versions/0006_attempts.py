"""Attempts to get in, counted for all web processes together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelmill.db.tables import TABLE_OPTIONS
from labelmill.db.types import Json, UtcTime, name

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("counted", name(64), primary_key=True),
        sa.Column("times", Json, nullable=False),
        sa.Column("last_at", UtcTime, nullable=False),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_attempts_last_at", "attempts", ["last_at"])


def downgrade() -> None:
    op.drop_table("attempts")
