"""Archives: the file of a dataset and a classifier, as of one annotation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelmill.db.tables import TABLE_OPTIONS
from labelmill.db.types import Id, Json, UtcTime, Whole, name

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "archives",
        sa.Column("id", Id, primary_key=True),
        sa.Column("dataset_id", Whole, sa.ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
        sa.Column("classifier_id", Whole, sa.ForeignKey("classifiers.id", ondelete="CASCADE")),
        sa.Column("number", Whole, nullable=False),
        sa.Column("records_to", Whole, nullable=False),
        sa.Column("choices", Json, nullable=False),
        sa.Column("requested_at", UtcTime, nullable=False),
        sa.Column("requested_by", Id),
        sa.Column("blob", name(255)),
        sa.Column("bytes", Whole),
        sa.Column("made_at", UtcTime),
        sa.Column("expires_at", UtcTime),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_archives_dataset_id_id", "archives", ["dataset_id", "id"])
    op.create_index("ix_archives_classifier_id_id", "archives", ["classifier_id", "id"])


def downgrade() -> None:
    op.drop_table("archives")
