"""Named connections: where label tasks may read from and write to."""

from __future__ import annotations

from sqlalchemy import Column

from labelmill.db.tables import table
from labelmill.db.types import Flag, Id, Json, LongText, UtcTime, name

connections = table(
    "connections",
    Column("id", Id, primary_key=True),
    Column("name", name(64), nullable=False, unique=True),
    # Without its password, which is kept encrypted beside it.
    Column("url", LongText, nullable=False),
    Column("secret", LongText),
    Column("readable", Json, nullable=False),
    Column("writable", Json, nullable=False),
    # Its file must stay below the data folder's files, at every use.
    Column("confined", Flag, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Id),
)
