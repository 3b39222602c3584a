"""Stored rule sets: a name each, and versions that are never changed."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey

from labelmill.db.tables import table
from labelmill.db.types import Bytes, Id, LongText, UtcTime, Whole, name

rule_sets = table(
    "rule_sets",
    Column("id", Id, primary_key=True),
    Column("name", name(100), nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Id),
    Column("archived_at", UtcTime),
)

rule_set_versions = table(
    "rule_set_versions",
    Column("rule_set_id", Id, ForeignKey("rule_sets.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Whole, primary_key=True, autoincrement=False),
    # The JSON document, compressed: it stays below what a database takes in one packet by default.
    Column("content", Bytes, nullable=False),
    Column("content_hash", name(64), nullable=False),
    Column("labels", Whole, nullable=False),
    Column("rules", Whole, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Id),
    Column("note", LongText, nullable=False),
)
