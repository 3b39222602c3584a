"""People with their tokens, sessions and links; named connections; answers kept for repeated requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelmill.db.tables import TABLE_OPTIONS
from labelmill.db.types import Flag, Id, Json, LongText, UtcTime, Whole, name

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _people()
    _signing_in()
    op.create_table(
        "connections",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", name(64), nullable=False),
        sa.Column("url", LongText, nullable=False),
        sa.Column("secret", LongText),
        sa.Column("readable", Json, nullable=False),
        sa.Column("writable", Json, nullable=False),
        sa.Column("confined", Flag, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("created_by", Id),
        sa.UniqueConstraint("name", name="uq_connections_name"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("id", Id, primary_key=True),
        sa.Column("actor", Id, nullable=False),
        sa.Column("key", name(200), nullable=False),
        sa.Column("call", name(255), nullable=False),
        sa.Column("request_hash", name(64), nullable=False),
        sa.Column("status", Whole, nullable=False),
        sa.Column("body", LongText, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.UniqueConstraint("actor", "key", name="uq_idempotency_keys_actor_key"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def _people() -> None:
    op.create_table(
        "annotators",
        sa.Column("id", Id, primary_key=True),
        sa.Column("email", name(254), nullable=False),
        sa.Column("name", name(200), nullable=False),
        sa.Column("role", name(16), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("disabled_at", UtcTime),
        sa.UniqueConstraint("email", name="uq_annotators_email"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", Id, primary_key=True),
        _annotator("api_tokens"),
        sa.Column("name", name(200), nullable=False),
        sa.Column("token_hash", name(64), nullable=False),
        sa.Column("scope", name(16), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("expires_at", UtcTime),
        sa.Column("last_used_at", UtcTime),
        sa.Column("revoked_at", UtcTime),
        sa.UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_api_tokens_annotator_id", "api_tokens", ["annotator_id"])


def _signing_in() -> None:
    token = sa.ForeignKey("api_tokens.id", ondelete="CASCADE", name="fk_sessions_api_token_id")
    op.create_table(
        "sessions",
        sa.Column("id", Id, primary_key=True),
        _annotator("sessions"),
        sa.Column("api_token_id", Id, token),
        sa.Column("token_hash", name(64), nullable=False),
        sa.Column("scope", name(16), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("last_seen_at", UtcTime, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
        sa.Column("user_agent", name(200), nullable=False),
        sa.UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_sessions_annotator_id", "sessions", ["annotator_id"])
    op.create_index("ix_sessions_api_token_id", "sessions", ["api_token_id"])
    op.create_table(
        "login_links",
        sa.Column("id", Id, primary_key=True),
        _annotator("login_links"),
        sa.Column("token_hash", name(64), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
        sa.UniqueConstraint("token_hash", name="uq_login_links_token_hash"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_login_links_annotator_id", "login_links", ["annotator_id"])


def _annotator(table: str) -> sa.Column[str]:
    key = sa.ForeignKey("annotators.id", ondelete="CASCADE", name=f"fk_{table}_annotator_id")
    return sa.Column("annotator_id", Id, key, nullable=False)


def downgrade() -> None:
    for table in ("idempotency_keys", "connections", "login_links", "sessions", "api_tokens", "annotators"):
        op.drop_table(table)
