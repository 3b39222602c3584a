"""People, their API tokens, their sessions and the one-time links that begin a session."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index

from labelmill.db.tables import table
from labelmill.db.types import Id, UtcTime, name

annotators = table(
    "annotators",
    Column("id", Id, primary_key=True),
    Column("email", name(254), nullable=False, unique=True),
    Column("name", name(200), nullable=False),
    Column("role", name(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("disabled_at", UtcTime),
)

api_tokens = table(
    "api_tokens",
    Column("id", Id, primary_key=True),
    Column("annotator_id", Id, ForeignKey("annotators.id", ondelete="CASCADE"), nullable=False),
    Column("name", name(200), nullable=False),
    # SHA-256 in hex: a token has 256 random bits, so nothing slower is needed.
    Column("token_hash", name(64), nullable=False, unique=True),
    Column("scope", name(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("last_used_at", UtcTime),
    Column("revoked_at", UtcTime),
    Index(None, "annotator_id"),
)

sessions = table(
    "sessions",
    Column("id", Id, primary_key=True),
    Column("annotator_id", Id, ForeignKey("annotators.id", ondelete="CASCADE"), nullable=False),
    # The token that was pasted to sign in: the session carries no more than it and ends with it.
    Column("api_token_id", Id, ForeignKey("api_tokens.id", ondelete="CASCADE")),
    Column("token_hash", name(64), nullable=False, unique=True),
    Column("scope", name(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("last_seen_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("user_agent", name(200), nullable=False),
    Index(None, "annotator_id"),
    Index(None, "api_token_id"),
)

login_links = table(
    "login_links",
    Column("id", Id, primary_key=True),
    Column("annotator_id", Id, ForeignKey("annotators.id", ondelete="CASCADE"), nullable=False),
    Column("token_hash", name(64), nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Index(None, "annotator_id"),
)
