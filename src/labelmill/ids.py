"""The single door to new identifiers and secrets."""

from __future__ import annotations

import secrets
import time


def new_id() -> str:
    """Return 32 hex digits that rise with time to the millisecond (the layout of UUID version 7, RFC 9562)."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return f"{value:032x}"


def new_secret() -> str:
    """Return a URL-safe secret of 256 random bits."""
    return secrets.token_urlsafe(32)
