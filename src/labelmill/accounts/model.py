"""Who somebody is, and when a session is over. Pure values."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from labelmill.errors import BadInput

#: A clock that was set back makes old rows look as if they came from the future; further than this they are not believed.
LARGEST_JUMP = timedelta(hours=36)
#: A leap of the wall clock smaller than this is the ordinary work of time servers.
SMALLEST_LEAP = timedelta(seconds=10)
#: A session's last use is written at most this often.
TOUCH_EVERY = timedelta(seconds=60)
LONGEST_EMAIL = 254
LONGEST_NAME = 200
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")
#: Not printable, or turning the direction of what follows, or half of a character.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
#: Not seen at all: two addresses that look the same would be two people.
_UNSEEN = re.compile(r"[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")


#: What a browser's name for itself holds, and what people call it; the first that fits: nearly all claim to be Safari.
_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"), ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)  # fmt: skip
LONGEST_BROWSER = 40


class Role(StrEnum):
    """What somebody may do, from least to most."""

    #: Looks.
    VIEWER = "viewer"
    #: Labels.
    ANNOTATOR = "annotator"
    #: Runs label tasks, keeps rules.
    MANAGER = "manager"
    #: Keeps accounts, connections and settings.
    ADMIN = "admin"


class Scope(StrEnum):
    """How much of its owner's role an API token carries, from least to most."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class Annotator:
    id: str
    email: str
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who asks, and with how much of their role. ``session_id`` or ``token_id`` says how they came in."""

    annotator_id: str
    email: str
    name: str
    role: Role
    scope: Scope
    token_id: str | None = None
    session_id: str | None = None


#: Whoever sits at the command line can read the database file anyway.
LOCAL = Actor(annotator_id="", email="", name="command line", role=Role.ADMIN, scope=Scope.ADMIN)


@dataclass(frozen=True, kw_only=True)
class Span:
    """The times of a session, by the wall clock of the moment at which each was written."""

    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class Leaps:
    """Remembers how the wall clock has leapt forward, against a clock that never does, while this process ran.

    A leap of an hour or a day would otherwise end every session at once as idle. Leaps of more than LARGEST_JUMP (a laptop that
    slept) are taken for real time.
    """

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None
        self._leaps: deque[tuple[datetime, timedelta]] = deque(maxlen=16)

    def observe(self, now: datetime, monotonic: float) -> None:
        """Compare both clocks; called with every request that has a session."""
        last, self._last = self._last, (now, monotonic)
        if last is None:
            return
        leap = (now - last[0]) - timedelta(seconds=monotonic - last[1])
        if SMALLEST_LEAP < leap <= LARGEST_JUMP:
            self._leaps.append((last[0], leap))

    def since(self, moment: datetime) -> timedelta:
        """Return by how much the wall clock has leapt since ``moment``, at most LARGEST_JUMP."""
        return min(LARGEST_JUMP, sum((leap for before, leap in tuple(self._leaps) if before >= moment), timedelta()))


def is_over(span: Span, now: datetime, idle: timedelta, leapt: timedelta = timedelta()) -> bool:
    """Tell whether a session has ended: unused for ``idle``, at its absolute end, or from a future that cannot be."""
    if span.created_at > now + LARGEST_JUMP or span.last_seen_at > now + LARGEST_JUMP:
        return True
    return now >= span.expires_at or now - span.last_seen_at - leapt >= idle


def touched(span: Span, now: datetime, longest: timedelta) -> Span | None:
    """Return the span to write when its session is used at ``now``, None while the written one is fresh enough.

    Times from a future that a clock set back has left behind are brought back, so that they lengthen no session twice.
    """
    if timedelta() <= now - span.last_seen_at < TOUCH_EVERY and span.expires_at <= now + longest:
        return None
    return Span(created_at=min(span.created_at, now), last_seen_at=now, expires_at=min(span.expires_at, now + longest))


def normal_email(text: str, where: str = "email") -> str:
    """Return the form in which an e-mail address is kept and compared; raises BadInput for what is none."""
    email = unicodedata.normalize("NFC", text.strip().casefold())
    odd = _CONTROL.search(email) or _UNSEEN.search(email)
    if len(email) > LONGEST_EMAIL or odd or not _EMAIL.fullmatch(email):
        raise BadInput("This is no e-mail address.", where=where, way_out="Write it like ann@example.org.")
    return email


def checked_name(text: str, where: str = "name") -> str:
    """Return a name for people without spaces around it; raises BadInput for one that is empty, too long or not printable."""
    name = text.strip()
    if not name or len(name) > LONGEST_NAME or _CONTROL.search(name):
        raise BadInput(f"A name has 1 to {LONGEST_NAME} characters that can be printed.", where=where)
    return name


def browser_of(user_agent: str) -> str:
    """Return ``Firefox · Linux`` for what a browser says of itself, the beginning of it for one that nobody knows."""
    names = [next((name for mark, name in known if mark in user_agent), "") for known in (_BROWSERS, _SYSTEMS)]
    return " · ".join(name for name in names if name) or user_agent[:LONGEST_BROWSER]
