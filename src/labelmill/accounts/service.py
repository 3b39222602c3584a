"""The verbs on people, tokens, sessions and links, under one name: what the rest of labelmill may use."""

from __future__ import annotations

from labelmill.accounts.limits import Attempts
from labelmill.accounts.model import Leaps
from labelmill.accounts.people import (
    LONGEST_TOKEN_DAYS,
    ApiToken,
    add_annotator,
    create_token,
    disable_annotator,
    ensure_admin,
    find_actor,
    find_annotator,
    get_annotator,
    get_token,
    is_stale,
    list_annotators,
    list_tokens,
    revoke_token,
    touch_token,
)
from labelmill.accounts.sessions import (
    base_url,
    close_session,
    find_session,
    first_admin_link,
    make_login_link,
    open_session,
    redeem_login_link,
    redeem_token,
    touch_session,
)

__all__ = [
    "LONGEST_TOKEN_DAYS",
    "ApiToken",
    "Attempts",
    "Leaps",
    "add_annotator",
    "base_url",
    "close_session",
    "create_token",
    "disable_annotator",
    "ensure_admin",
    "find_actor",
    "find_annotator",
    "find_session",
    "first_admin_link",
    "get_annotator",
    "get_token",
    "is_stale",
    "list_annotators",
    "list_tokens",
    "make_login_link",
    "open_session",
    "redeem_login_link",
    "redeem_token",
    "revoke_token",
    "touch_session",
    "touch_token",
]
