"""Brute force on tokens and links is slowed, and hurts nobody who has a good one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import webapp
from labelmill.accounts import Role
from labelmill.datasets import service as datasets
from labelmill.datasets.model import RecordKind

if TYPE_CHECKING:
    from pathlib import Path


def test_guessing_tokens_ends_in_429_while_a_good_token_goes_on(tmp_path: Path) -> None:
    with webapp.site(tmp_path, login_attempts_per_minute=5) as site:
        statuses = [site.ask("GET", "/v1/jobs", token=f"lm_guess{number}").status_code for number in range(8)]
        assert statuses == [401] * 5 + [429] * 3
        assert site.ask("GET", "/v1/jobs", role=Role.VIEWER).status_code == 200
        assert site.ask("GET", "/v1/jobs", token="lm_x", address="10.0.0.9").status_code == 401


def test_guessing_links_ends_in_429_with_the_time_to_wait(tmp_path: Path) -> None:
    with webapp.site(tmp_path, login_attempts_per_minute=3) as site:
        answers = [
            site.ask("POST", "/sign-in", headers=webapp.SAME_SITE, data={"link": f"guess{number}"}) for number in range(5)
        ]
        assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 2
        assert "Try again in" in answers[-1].text


def test_the_answer_to_a_wrong_token_tells_when_to_try_again(tmp_path: Path) -> None:
    with webapp.site(tmp_path, login_attempts_per_minute=1) as site:
        site.ask("GET", "/v1/jobs", token="lm_a")
        refused = site.ask("GET", "/v1/jobs", token="lm_b")
        assert refused.json()["code"] == "too-many-requests"
        assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_signing_in_clears_the_count(tmp_path: Path) -> None:
    with webapp.site(tmp_path, login_attempts_per_minute=2) as site:
        for _ in range(5):
            good = site.ask("POST", "/sign-in", headers=webapp.SAME_SITE, data={"token": site.token(Role.VIEWER)})
            assert good.status_code == 303


def test_somebody_who_sends_too_many_files_is_slowed_and_nobody_else(tmp_path: Path) -> None:
    with webapp.site(tmp_path, imports_per_minute=2) as site:
        made = site.app.database.transact(datasets.create, name="posts", kind=RecordKind.TEXT)
        path = f"/v1/datasets/{made.id}/uploads/posts.csv"
        statuses = [site.ask("PUT", path, role=Role.MANAGER, content=b"text\nhello\n").status_code for _ in range(2)]
        refused = site.ask("PUT", path, role=Role.MANAGER, content=b"text\nhello\n")
        assert (statuses, refused.status_code) == ([201, 201], 429)
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        for call in (
            "POST /v1/datasets/{id}/imports",
            "POST /datasets/{id}/import",
            "POST /datasets/{id}/import/file",
            "POST /datasets/new",
        ):
            method, _, path_of = call.replace("{id}", str(made.id)).partition(" ")
            assert site.ask(method, path_of, role=Role.MANAGER).status_code == 429, call
        assert site.ask("PUT", path, role=Role.ADMIN, content=b"text\nhello\n").status_code == 201
        assert site.ask("PUT", path, content=b"text\nhello\n").status_code == 401
