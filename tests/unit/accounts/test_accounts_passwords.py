"""What a password must be like, and how it is kept."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import bcrypt
import pytest

from labelmill.accounts import passwords
from labelmill.errors import BadInput, TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Iterator

EMAIL = "ann.lee@example.org"
REAL_MEMORY, REAL_PASSES = passwords.MEMORY, passwords.PASSES


@pytest.fixture(autouse=True, scope="module")
def dear_passwords() -> Iterator[None]:
    """Hash as the product does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "MEMORY", REAL_MEMORY)
        patch.setattr(passwords, "PASSES", REAL_PASSES)
        _forget()
        yield
    _forget()


def _forget() -> None:
    passwords._hasher.cache_clear()
    passwords._nobodys.cache_clear()


@pytest.mark.parametrize(
    "weak",
    ["", "short", "1234567", "x" * 201, "password", "PassWord", " password ", "Qwerty123", "iloveyou", "ann.lee@example.org",
     "ANN.LEE@example.org", "ann.lee", "aaaaaaaaaaaa", "abababababab", "密密密密密密密密", "        "],
)  # fmt: skip
def test_l4_the_rule_for_passwords_is_enforced(weak: str) -> None:
    with pytest.raises(BadInput) as refused:
        passwords.checked_password(weak, EMAIL)
    assert refused.value.where == "password"


@pytest.mark.parametrize(
    "good", ["seven green lamps", "七盞綠色的燈在窗邊", "🦊🐻🐼🐨🐯🦁🐮🐷", "x9!kQ2#p", " leading and trailing "]
)
def test_any_other_text_may_be_a_password(good: str) -> None:
    assert passwords.checked_password(good, EMAIL) == good


def test_an_address_of_eight_characters_before_its_at_is_no_password_either() -> None:
    with pytest.raises(BadInput):
        passwords.checked_password("annabell", "annabell@example.org")


def test_a_few_hundred_of_the_commonest_are_known_and_each_is_long_enough_to_matter() -> None:
    common = passwords._common()
    assert len(common) >= 300
    assert all(len(one) >= passwords.SHORTEST and one == one.casefold() for one in common)


def test_a_hash_is_argon2id_with_a_salt_of_its_own() -> None:
    one, other = passwords.hash_password("seven green lamps"), passwords.hash_password("seven green lamps")
    assert one != other
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.matches("seven green lamps", one)
    assert not passwords.matches("Seven green lamps", one)
    assert not passwords.is_outdated(one)


def test_a_letter_with_its_accent_is_the_same_however_the_keyboard_sends_it() -> None:
    assert passwords.matches("cafe\u0301 au lait", passwords.hash_password("caf\u00e9 au lait"))


@pytest.mark.parametrize("odd", ["nul\0inside it", "half \ud800 character"])
def test_odd_characters_break_nothing(odd: str) -> None:
    stored = passwords.hash_password(odd)
    assert passwords.matches(odd, stored)
    assert not passwords.matches(odd + "x", stored)


@pytest.mark.parametrize("prefix", [b"2a", b"2b"])
def test_a_bcrypt_hash_is_compared_and_counted_as_outdated(prefix: bytes) -> None:
    stored = bcrypt.hashpw(b"seven green lamps", bcrypt.gensalt(4, prefix)).decode()
    assert passwords.is_outdated(stored)
    assert passwords.matches("seven green lamps", stored)
    assert not passwords.matches("seven green lamp", stored)


def test_the_first_72_bytes_of_a_password_count_for_bcrypt_as_they_did_where_it_was_made() -> None:
    long = "seven green lamps " * 10
    stored = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    assert passwords.matches(long, stored)


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "plain text",
        "$2b$",
        "$2b$xx$",
        "$2b$31$" + "a" * 53,
        "$2b$04$short",
        "$argon2id$v=19$m=1",
        "$argon2id$",
        "$6$sha512",
    ],
)
def test_a_hash_that_cannot_be_one_matches_nothing_and_takes_no_time(broken: str) -> None:
    begun = time.process_time()
    assert not passwords.matches("seven green lamps", broken)
    assert time.process_time() - begun < 5


def test_nobody_s_hash_matches_nothing() -> None:
    assert not passwords.matches("", None)
    assert not passwords.matches("seven green lamps", None)
    sample = bcrypt.hashpw(b"seven green lamps", bcrypt.gensalt(4)).decode()
    assert not passwords.matches("seven green lamps", None, sample)


def test_no_more_than_two_passwords_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, inside, most = threading.Lock(), [0], [0]

    def slow(stored: str, password: str) -> bool:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        with lock:
            inside[0] -= 1
        return False

    monkeypatch.setattr(passwords, "_argon2_matches", slow)
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda number: passwords.matches(str(number), None), range(24)))
    assert most[0] == passwords.AT_ONCE


def test_who_would_wait_too_long_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "LONGEST_WAIT", 0.01)
    with passwords._turn(), passwords._turn(), pytest.raises(TooManyRequests) as refused:
        passwords.hash_password("seven green lamps")
    assert refused.value.details["retry_after"] == 5
    assert passwords.hash_password("seven green lamps")
