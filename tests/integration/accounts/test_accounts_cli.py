"""`labelmill token`, as it is typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from labelmill import cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELMILL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("LABELMILL_DATABASE_URL", raising=False)


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.run(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_token_is_printed_alone_so_that_a_script_can_take_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "token", "create", "nightly", "--scope", "read")
    assert (code, out.count("\n")) == (0, 1)
    assert out.startswith("lm_")


def test_the_list_tells_everything_but_the_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    _, secret, _ = _run(capsys, "token", "create", "nightly")
    _, out, _ = _run(capsys, "token", "list", "--json")
    [token] = json.loads(out)
    assert (token["name"], token["scope"], token["revoked_at"]) == ("nightly", "write", None)
    assert secret.strip() not in out
    assert _run(capsys, "token", "revoke", token["id"])[0] == 0
    assert json.loads(_run(capsys, "token", "list", "--json")[1])[0]["revoked_at"]


def test_an_unknown_token_or_person_is_told_with_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, "token", "revoke", "nothing")[0] == 3
    assert _run(capsys, "token", "create", "--for", "nobody@example.org")[0] == 3


def test_a_link_leads_to_the_sign_in_page(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "token", "link")
    assert code == 0
    assert out.startswith("http://127.0.0.1:8700/sign-in?link=")


def test_a_link_leads_to_the_port_that_the_server_was_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`up --port` tells nobody else which one it was."""
    assert _run(capsys, "token", "link", "--port", "8765")[1].startswith("http://127.0.0.1:8765/sign-in?link=")
    assert json.loads(_run(capsys, "token", "link", "--port", "8765", "--json")[1])["link"].startswith("http://127.0.0.1:8765/")
    assert _run(capsys, "token", "link", "--port", "70000")[0] == 2
    assert _run(capsys, "token", "link")[1].startswith("http://127.0.0.1:8700/")
    monkeypatch.setenv("LABELMILL_PUBLIC_URL", "https://labels.example.org")
    assert _run(capsys, "token", "link", "--port", "8765")[1].startswith("https://labels.example.org/sign-in?link=")


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    code, out, err = _run(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_people_are_invited_and_the_links_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    made = _json(capsys, "people", "invite", "ann@example.org", "bob@example.org", "--role", "manager", "--days", "3")
    assert [one["email"] for one in made] == ["ann@example.org", "bob@example.org"]
    assert all(one["link"].startswith("http://127.0.0.1:8700/sign-up?link=") for one in made)
    [anybody] = _json(capsys, "people", "invite", "--uses", "5")
    assert anybody["email"] is None
    known = _json(capsys, "people", "invitations")
    assert [(one["email"], one["role"], one["uses_left"], one["state"]) for one in known] == [
        (None, "annotator", 5, "open"), ("bob@example.org", "manager", 1, "open"), ("ann@example.org", "manager", 1, "open"),
    ]  # fmt: skip
    assert "link" not in known[0]
    _json(capsys, "people", "revoke", known[0]["id"])
    assert _json(capsys, "people", "invitations")[0]["state"] == "revoked"
    assert [one["action"] for one in _json(capsys, "people", "audit")] == ["revoke invitation", *["invite"] * 3]


def test_roles_and_accounts_are_kept_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    _run(capsys, "token", "create")
    [admin] = _json(capsys, "people", "list")
    assert (admin["role"], "password_hash" in admin) == ("admin", False)
    assert _run(capsys, "people", "role", admin["email"], "viewer")[0] == 4
    assert _run(capsys, "people", "disable", admin["email"])[0] == 4
    assert _run(capsys, "people", "role", "nobody@example.org", "viewer")[0] == 3
    assert _run(capsys, "people", "role", admin["email"], "emperor")[0] == 2
    assert _json(capsys, "people", "link", admin["email"])["link"].endswith("&next=/account")
    assert _json(capsys, "people", "enable", admin["email"])["disabled_at"] is None


@pytest.mark.parametrize(
    "wrong", [["no-address"], ["--uses", "0"], ["--days", "0"], ["--dataset-role", "admin", "--dataset", "posts"]]
)
def test_an_invitation_that_cannot_be_meant_is_told_with_exit_code_2(
    capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    _json(capsys, "dataset", "new", "posts")
    assert _run(capsys, "people", "invite", *wrong)[0] == 2


def test_nobody_is_invited_to_a_dataset_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    for which in ("7", "posts", "9" * 30):
        code, _, told = _run(capsys, "people", "invite", "--dataset", which)
        assert (code, which in told, "labelmill dataset list" in told) == (3, True, True)


def test_a_dataset_is_named_by_its_name_or_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    number = _json(capsys, "dataset", "new", "posts of May")["id"]
    for which in ("posts of May", str(number)):
        _json(capsys, "people", "invite", "--dataset", which)
        invited = _json(capsys, "people", "invitations")[0]
        assert (invited["dataset_id"], invited["dataset_role"]) == (number, "annotator")
        done = _json(capsys, "people", "audit", "--dataset", which)
        assert {one["dataset_id"] for one in done} == {number}
    assert _run(capsys, "people", "audit", "--dataset", "nothing")[0] == 3


def test_what_was_done_in_a_removed_dataset_is_found_by_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    number = _json(capsys, "dataset", "new", "posts")["id"]
    _json(capsys, "dataset", "archive", "posts")
    _json(capsys, "dataset", "remove", "posts", "--yes")
    done = _json(capsys, "people", "audit", "--dataset", str(number))
    assert [one["action"] for one in done] == ["remove dataset", "archive dataset", "make dataset"]
