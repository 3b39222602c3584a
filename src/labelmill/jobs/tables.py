"""Jobs, their steps, and the workers that are alive."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, UniqueConstraint

from labelmill.db.tables import table
from labelmill.db.types import Id, Json, LongText, Real, UtcTime, Whole, name

jobs = table(
    "jobs",
    Column("id", Id, primary_key=True),
    Column("kind", name(64), nullable=False),
    Column("queue", name(64), nullable=False),
    Column("state", name(16), nullable=False),
    Column("title", LongText, nullable=False),
    Column("params", Json, nullable=False),
    # Whoever submits the same key again gets the job that is there.
    Column("key", name(128), unique=True),
    Column("phase", Whole, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Id),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("done", Whole, nullable=False),
    Column("total", Whole),
    Column("unit", name(32), nullable=False),
    Column("limit_seconds", Real, nullable=False),
    Column("limit_memory_mb", Whole, nullable=False),
    Column("limit_tries", Whole, nullable=False),
    Column("error", Json),
    Column("result", Json),
    # Rises with whatever the outcome of a step, a person or the sweep changes: who mirrors the job elsewhere compares it.
    Column("changes", Whole, nullable=False, server_default="0"),
    Index(None, "state", "created_at"),
    Index(None, "kind", "created_at"),
)

job_steps = table(
    "job_steps",
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("key", name(128), nullable=False),
    Column("name", name(64), nullable=False),
    Column("queue", name(64), nullable=False),
    Column("phase", Whole, nullable=False),
    Column("seq", Whole, nullable=False),
    Column("payload", Json, nullable=False),
    Column("state", name(16), nullable=False),
    # Rises with every lease and never falls: whoever holds an older number is refused.
    Column("attempt", Whole, nullable=False),
    # Failures since the last retry by hand.
    Column("tries", Whole, nullable=False),
    Column("owner", name(64)),
    Column("beat", Whole, nullable=False),
    # Until when it waits, and when that was decided: a clock that was set back in between is seen by the second.
    Column("not_before", UtcTime),
    Column("put_off_at", UtcTime),
    # Seconds to wait once the phase has begun.
    Column("delay", Real, nullable=False, server_default="0"),
    Column("units", Whole, nullable=False),
    Column("done", Whole, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("error", Json),
    Column("figures", Json),
    UniqueConstraint("job_id", "key"),
    Index(None, "state", "queue", "job_id", "seq"),
    Index(None, "job_id", "phase", "state"),
    Index(None, "owner"),
)

workers = table(
    "workers",
    Column("id", name(64), primary_key=True),
    Column("host", name(255), nullable=False),
    Column("pid", Whole, nullable=False),
    Column("runner", name(16), nullable=False),
    Column("queues", Json, nullable=False),
    Column("beat", Whole, nullable=False),
    Column("started_at", UtcTime, nullable=False),
)
