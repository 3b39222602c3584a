"""What labelmill's own database knows of label tasks beside their jobs."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey

from labelmill.db.tables import table
from labelmill.db.types import Id, Whole

#: Tasks whose sink has a state table, and how many changes of the job that table has seen.
label_task_states = table(
    "label_task_states",
    Column("task_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seen", Whole, nullable=False),
)
