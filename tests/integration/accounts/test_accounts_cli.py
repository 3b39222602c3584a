"""`labelmill token`, as it is typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

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
