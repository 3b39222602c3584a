"""Bodies that are too large, lie about their size, or are not what they say (Limits and bad input: HTTP, JSON)."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

import pytest

import webapp
from labelmill.accounts import Role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from httpx import Response

    from webapp import Site

JSON = {"Content-Type": "application/json"}
MEGABYTE = 1024 * 1024


@pytest.fixture
def small(tmp_path: Path) -> object:
    with webapp.site(tmp_path, body_limit_mb=1) as site:
        yield site


def _post(site: Site, content: object, **headers: str) -> Response:
    return site.ask("POST", "/v1/tokens", role=Role.ADMIN, content=content, headers={**JSON, **headers})


def _fine(site: Site) -> bool:
    return site.ask("GET", "/v1/me", role=Role.ADMIN).status_code == 200


async def _endless(sent: list[int]) -> AsyncIterator[bytes]:
    while True:
        sent.append(MEGABYTE // 4)
        yield b" " * (MEGABYTE // 4)


def test_a_body_that_says_it_is_too_large_is_not_read(small: Site) -> None:
    answer = _post(small, b"{}", **{"Content-Length": str(2**40)})
    assert (answer.status_code, answer.json()["code"], answer.json()["where"]) == (413, "too-large", "body")
    assert _fine(small)


def test_a_body_without_an_end_is_cut_at_the_limit(small: Site) -> None:
    """Chunked bodies do not say their size."""
    sent: list[int] = []
    answer = _post(small, _endless(sent))
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert sum(sent) <= 2 * MEGABYTE
    assert answer.headers["connection"] == "close"
    assert _fine(small)


def test_forms_have_the_same_limit(small: Site) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", **webapp.SAME_SITE}
    answer = small.ask("POST", "/sign-in", content=_endless([]), headers=form)
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 40, "abc", ""])
def test_a_size_that_is_no_number_is_refused(site: Site, length: str) -> None:
    """The server below refuses most of these itself; behind a proxy nobody else would."""
    import anyio

    from labelmill.errors import BadInput, TooLarge
    from labelmill.web.middleware.bodies import BodyLimits

    async def never(*_: object) -> None:
        raise AssertionError("the app was asked")

    limits = BodyLimits(never, site.app.settings)
    scope = {"type": "http", "path": "/v1/tokens", "headers": [(b"content-length", length.encode())]}
    with pytest.raises((BadInput, TooLarge)):
        anyio.run(limits, scope, never, never)


def test_a_large_body_of_rubbish_costs_neither_time_nor_memory(site: Site) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    for content in (
        b"[" * (15 * MEGABYTE),
        b'{"a":' * (3 * MEGABYTE),
        b'"' + b"\\" * (15 * MEGABYTE),
        b'"' + b'\\"' * (7 * MEGABYTE),
        b"1" * (15 * MEGABYTE),
    ):
        assert _post(site, content).status_code == 422
    assert time.monotonic() - started < 20
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 300


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b'{"name": "x", "days": NaN}', "body"),
        (b'{"name": "x", "days": Infinity}', "body"),
        (b'{"name": "x", "days": 1e999}', "body"),
        (b'{"name": "x", "days": 99999999999999999999999}', "body.days"),
        (b'{"name": "x", "days": 1.5}', "body.days"),
        (b'{"name": "x", "days": "1; DROP TABLE"}', "body.days"),
        (b'{"name": "x", "name": "y"}', "body: name"),
        (b'{"name": "\\ud800"}', "body"),
        (b'{"name": "a\\u0000b"}', "body"),
        (b'{"name": "a\\u202eb"}', "name"),
        (b'{"name": ""}', "body.name"),
        (b'{"name": null}', "body.name"),
        (b'{"name": "x", "stranger": 1}', "body.stranger"),
        (b"[" * 1000 + b"]" * 1000, "body"),
        (b'{"name": "x"', "body"),
        (b"name=x", "body"),
    ],
)
def test_json_of_every_bad_kind_is_refused_with_its_place(site: Site, content: bytes, where: str) -> None:
    answer = _post(site, content)
    assert (answer.status_code, answer.json()["where"]) == (422, where)
    assert site.ask("GET", "/v1/tokens", role=Role.ADMIN).json()["items"][0]["name"] == "admin admin"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", ""]
)
def test_a_body_of_another_kind_is_not_read_as_json(site: Site, kind: str) -> None:
    """A form of another site can send these without asking first."""
    answer = site.ask("POST", "/v1/tokens", role=Role.ADMIN, content=b'{"name": "x"}', headers={"Content-Type": kind})
    assert answer.status_code == 422


def test_an_error_never_repeats_a_large_or_secret_input(site: Site) -> None:
    answer = _post(site, b'{"name": {"secret": "' + b"x" * 100_000 + b'"}}')
    assert answer.status_code == 422
    assert len(answer.content) < 2000


def test_a_thousand_mistakes_are_told_as_a_few(site: Site) -> None:
    body = b"{" + b",".join(b'"f%d": 1' % number for number in range(5000)) + b"}"
    answer = _post(site, body)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 50
