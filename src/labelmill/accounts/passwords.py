"""Passwords: what one must be like, and how it is kept and compared."""

from __future__ import annotations

import threading
import unicodedata
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from labelmill.errors import BadInput, TooManyRequests
from labelmill.ids import new_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from argon2 import PasswordHasher

SHORTEST = 8
LONGEST = 200
FEWEST_CHARACTERS = 3
#: Each takes a core and MEMORY for its time; more of them at once would take both from those who label.
AT_ONCE = 2
LONGEST_WAIT = 5.0  # seconds
#: Argon2id as OWASP advises: 19 MiB and two passes.
MEMORY, PASSES, LANES = 19 * 1024, 2, 1
#: A hash that was taken over may ask for so much work and no more: each step doubles it (12 is usual, 16 takes seconds).
LARGEST_BCRYPT_COST = 16
BCRYPT_BYTES = 72
_COMMON = Path(__file__).parent / "common_passwords.txt"
_turns = threading.BoundedSemaphore(AT_ONCE)


def checked_password(password: str, email: str, where: str = "password") -> str:
    """Return a password that may be used; raises BadInput for one that is short, the e-mail address, or among the commonest."""
    way_out = "Take some words that do not belong together."
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(f"A password has {SHORTEST} to {LONGEST} characters.", where=where, way_out=way_out)
    plain = password.strip().casefold()
    if plain in {email, email.partition("@")[0]} or plain in _common():
        raise BadInput("This password is among the first that somebody would guess.", where=where, way_out=way_out)
    if len(set(plain)) < FEWEST_CHARACTERS:
        raise BadInput("This password repeats the same few characters.", where=where, way_out=way_out)
    return password


def hash_password(password: str) -> str:
    """Return the form in which a password is kept; raises TooManyRequests when too many wait for the same."""
    with _turn():
        return _hasher().hash(_bytes(password))


def is_bcrypt(stored: str | None) -> bool:
    """Tell whether this hash was taken over from another system."""
    return stored is not None and stored.startswith("$2")


def is_outdated(stored: str | None) -> bool:
    """Tell whether a password that was just given right should be hashed anew."""
    return stored is None or is_bcrypt(stored) or _hasher().check_needs_rehash(stored)


def matches(password: str, stored: str | None, sample: str | None = None) -> bool:
    """Tell whether a password is the one behind ``stored``; None, for nobody and for who has no password, takes the same work.

    ``sample`` is any bcrypt hash that is still kept, or None: while there are some, every comparison does the work of both kinds,
    so that the time tells nobody whose account was taken over. Raises TooManyRequests when too many wait for the same.
    """
    taken_over = stored if is_bcrypt(stored) else None
    ours = stored if stored is not None and taken_over is None else None
    with _turn():
        right = _argon2_matches(ours or _nobodys(), password)
        old = taken_over or sample
        old_right = _bcrypt_matches(old, password) if old is not None else False
    return old_right if taken_over is not None else right and ours is not None


def _argon2_matches(stored: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(stored, _bytes(password))
    except (InvalidHashError, VerificationError):
        return False


def _bcrypt_matches(stored: str, password: str) -> bool:
    import bcrypt

    try:
        if int(stored.split("$")[2]) > LARGEST_BCRYPT_COST:
            return False
        # The systems that made these hashes left out what was longer; this library refuses it.
        given = password.encode("utf-8", "surrogatepass")[:BCRYPT_BYTES]
        return bcrypt.checkpw(given, stored.encode())
    except (ValueError, IndexError):
        return False


def _bytes(password: str) -> bytes:
    # One keyboard sends an accented letter as one character, another as two.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


@cache
def _hasher() -> PasswordHasher:
    import argon2

    return argon2.PasswordHasher(time_cost=PASSES, memory_cost=MEMORY, parallelism=LANES, type=argon2.Type.ID)


@cache
def _nobodys() -> str:
    return _hasher().hash(new_secret())


@cache
def _common() -> frozenset[str]:
    return frozenset(_COMMON.read_text(encoding="utf-8").split())


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=LONGEST_WAIT):
        raise TooManyRequests("Too many people sign in at this moment.", way_out="Try again in some seconds.", retry_after=5)
    try:
        yield
    finally:
        _turns.release()
