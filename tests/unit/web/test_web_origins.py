"""Hosts of URLs, and where a browser may be sent."""

from __future__ import annotations

import pytest

from labelmill.http.pages import local_path
from labelmill.web.middleware.origins import host_of


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Example.ORG:80/x", "example.org"),
        ("//127.0.0.1:8700", "127.0.0.1"),
        ("//[::1]:8700", "::1"),
        ("//", ""),
        ("null", ""),
        ("//[broken", ""),
        ("http://good.example@evil.example/", "evil.example"),
    ],
)
def test_the_host_of_a_url_is_what_a_browser_would_ask(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "evil",
        "",
        "/a\nb",
        "\t//evil",
        "/\t/evil",
        "/a\\b",
    ],
)
def test_nobody_is_sent_to_another_site(path: str) -> None:
    assert local_path(path) == "/"


@pytest.mark.parametrize("path", ["/", "/jobs", "/jobs?state=failed", "/jobs/0123?x=//y"])
def test_paths_of_ours_stay(path: str) -> None:
    assert local_path(path) == path
