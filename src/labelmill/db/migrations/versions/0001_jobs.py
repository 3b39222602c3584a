"""Jobs, their steps and the workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelmill.db.tables import TABLE_OPTIONS
from labelmill.db.types import Id, Json, LongText, Real, UtcTime, Whole, name

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", Id, primary_key=True),
        sa.Column("kind", name(64), nullable=False),
        sa.Column("queue", name(64), nullable=False),
        sa.Column("state", name(16), nullable=False),
        sa.Column("title", LongText, nullable=False),
        sa.Column("params", Json, nullable=False),
        sa.Column("key", name(128)),
        sa.Column("phase", Whole, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("created_by", Id),
        sa.Column("started_at", UtcTime),
        sa.Column("finished_at", UtcTime),
        sa.Column("done", Whole, nullable=False),
        sa.Column("total", Whole),
        sa.Column("unit", name(32), nullable=False),
        sa.Column("limit_seconds", Real, nullable=False),
        sa.Column("limit_memory_mb", Whole, nullable=False),
        sa.Column("limit_tries", Whole, nullable=False),
        sa.Column("error", Json),
        sa.Column("result", Json),
        sa.UniqueConstraint("key", name="uq_jobs_key"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_jobs_state_created_at", "jobs", ["state", "created_at"])
    op.create_index("ix_jobs_kind_created_at", "jobs", ["kind", "created_at"])
    op.create_table(
        "job_steps",
        sa.Column("id", Id, primary_key=True),
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE", name="fk_job_steps_job_id"), nullable=False),
        sa.Column("key", name(128), nullable=False),
        sa.Column("name", name(64), nullable=False),
        sa.Column("queue", name(64), nullable=False),
        sa.Column("phase", Whole, nullable=False),
        sa.Column("seq", Whole, nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("state", name(16), nullable=False),
        sa.Column("attempt", Whole, nullable=False),
        sa.Column("tries", Whole, nullable=False),
        sa.Column("owner", name(64)),
        sa.Column("beat", Whole, nullable=False),
        sa.Column("not_before", UtcTime),
        sa.Column("put_off_at", UtcTime),
        sa.Column("units", Whole, nullable=False),
        sa.Column("done", Whole, nullable=False),
        sa.Column("started_at", UtcTime),
        sa.Column("finished_at", UtcTime),
        sa.Column("error", Json),
        sa.Column("figures", Json),
        sa.UniqueConstraint("job_id", "key", name="uq_job_steps_job_id_key"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_job_steps_state_queue_job_id_seq", "job_steps", ["state", "queue", "job_id", "seq"])
    op.create_index("ix_job_steps_job_id_phase_state", "job_steps", ["job_id", "phase", "state"])
    op.create_index("ix_job_steps_owner", "job_steps", ["owner"])
    op.create_table(
        "workers",
        sa.Column("id", name(64), primary_key=True),
        sa.Column("host", name(255), nullable=False),
        sa.Column("pid", Whole, nullable=False),
        sa.Column("runner", name(16), nullable=False),
        sa.Column("queues", Json, nullable=False),
        sa.Column("beat", Whole, nullable=False),
        sa.Column("started_at", UtcTime, nullable=False),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("workers")
    op.drop_table("job_steps")
    op.drop_table("jobs")
