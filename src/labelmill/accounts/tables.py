"""People, their API tokens, their sessions and the one-time links that begin a session."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index

from labelmill.db.tables import table
from labelmill.db.types import Id, Json, LongText, UtcTime, Whole, name

annotators = table(
    "annotators",
    Column("id", Id, primary_key=True),
    Column("email", name(254), nullable=False, unique=True),
    Column("name", name(200), nullable=False),
    Column("role", name(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("disabled_at", UtcTime),
    # argon2id in its own notation, or a bcrypt hash that was taken over and is replaced at the next sign-in; null for who has none.
    Column("password_hash", LongText),
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

invitations = table(
    "invitations",
    Column("id", Id, primary_key=True),
    # For this address only; a link without one lets in whoever has it, as often as it may be used.
    Column("email", name(254)),
    Column("role", name(16), nullable=False),
    # What is joined beside labelmill itself, and as what.
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE")),
    Column("dataset_role", name(16)),
    Column("token_hash", name(64), nullable=False, unique=True),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Id),
    Column("expires_at", UtcTime, nullable=False),
    Column("uses_left", Whole, nullable=False),
    Column("revoked_at", UtcTime),
    Index(None, "email"),
)

members = table(
    "members",
    # Who may do what in one dataset; managers and administrators of the whole need no row.
    Column("dataset_id", Whole, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("annotator_id", Id, ForeignKey("annotators.id", ondelete="CASCADE"), primary_key=True),
    Column("role", name(16), nullable=False),
    Column("joined_at", UtcTime, nullable=False),
    Index(None, "annotator_id"),
)

audit_entries = table(
    "audit_entries",
    Column("id", Whole, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("actor_id", Id),
    # What was done, to what: "change role", "annotator 0af...".
    Column("action", name(64), nullable=False),
    Column("object", name(255), nullable=False),
    Column("dataset_id", Whole),
    Column("details", Json, nullable=False),
    Index(None, "dataset_id", "id"),
    Index(None, "actor_id", "id"),
)

attempts = table(
    "attempts",
    # A hash of what is counted: an address of the network, or an account that is tried.
    Column("counted", name(64), primary_key=True),
    # When, in seconds since 1970, the oldest first; none older than counts.
    Column("times", Json, nullable=False),
    Column("last_at", UtcTime, nullable=False),
    Index(None, "last_at"),
)
