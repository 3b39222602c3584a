"""The single door to pages of a list: a cursor that says where the next page begins."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson

from labelmill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200
#: Characters; no cursor of ours comes near.
LONGEST_CURSOR = 1024


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list. ``next`` is the cursor of the next page, None on the last one."""

    items: Sequence[T]
    next: str | None


def page_of(found: Sequence[T], limit: int, place: Callable[[T], dict[str, Any]]) -> Page[T]:
    """Return the page of a query that asked for ``limit`` + 1 rows: the one too many tells whether there is a next page."""
    items = found[:limit]
    return Page(items=items, next=encode_cursor(place(items[-1])) if len(found) > limit else None)


def encode_cursor(place: dict[str, Any]) -> str:
    """Return an opaque text for the place after which the next page begins."""
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def decode_cursor(cursor: str, *names: str) -> dict[str, str]:
    """Return the texts called ``names`` of a cursor; raises BadInput for one that was not given out here."""
    try:
        place = _place(cursor, names)
    except (ValueError, TypeError, binascii.Error) as error:
        way_out = "Use the `next` of the page before as it is, or leave the cursor out to begin with the first page."
        raise BadInput("This is no cursor of this list.", where="cursor", way_out=way_out) from error
    return place


def _place(cursor: str, names: tuple[str, ...]) -> dict[str, str]:
    if len(cursor) > LONGEST_CURSOR:
        raise ValueError(cursor)
    place: dict[str, str] = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    if sorted(place) != sorted(names) or not all(isinstance(value, str) and "\0" not in value for value in place.values()):
        raise ValueError(cursor)
    return place
