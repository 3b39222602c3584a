"""Jobs count their changes, so that whoever mirrors one elsewhere knows what is new; steps may wait after their phase began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelmill.db.tables import TABLE_OPTIONS
from labelmill.db.types import Id, Real, Whole

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("changes", Whole, nullable=False, server_default="0"))
    op.add_column("job_steps", sa.Column("delay", Real, nullable=False, server_default="0"))
    op.create_table(
        "label_task_states",
        sa.Column(
            "task_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE", name="fk_label_task_states_task_id"), primary_key=True
        ),
        sa.Column("seen", Whole, nullable=False),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("label_task_states")
    op.drop_column("job_steps", "delay")
    op.drop_column("jobs", "changes")
