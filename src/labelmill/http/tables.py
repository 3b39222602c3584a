"""Answers to requests that carried an Idempotency-Key."""

from __future__ import annotations

from sqlalchemy import Column, Index, UniqueConstraint

from labelmill.db.tables import table
from labelmill.db.types import Id, LongText, UtcTime, Whole, name

idempotency_keys = table(
    "idempotency_keys",
    Column("id", Id, primary_key=True),
    Column("actor", Id, nullable=False),
    Column("key", name(200), nullable=False),
    Column("call", name(255), nullable=False),
    Column("request_hash", name(64), nullable=False),
    Column("status", Whole, nullable=False),
    # Encrypted: an answer may hold what is shown only once.
    Column("body", LongText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("actor", "key"),
    Index(None, "created_at"),
)
