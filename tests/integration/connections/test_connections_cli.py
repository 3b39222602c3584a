"""`labelmill connection`, as it is typed."""

from __future__ import annotations

import io
import json
import sqlite3
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


def test_a_connection_lives_from_add_to_remove(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "posts.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE posts (id INTEGER)")
    connection.close()
    assert _run(capsys, "connection", "add", "posts", f"sqlite:///{path}", "--read", "main")[0] == 0
    [listed] = json.loads(_run(capsys, "connection", "list", "--json")[1])
    assert (listed["name"], listed["readable"]) == ("posts", ["main"])
    assert json.loads(_run(capsys, "connection", "test", "posts", "--json")[1]) == [{"table": "main.posts"}]
    assert _run(capsys, "connection", "remove", "posts")[0] == 0
    assert _run(capsys, "connection", "test", "posts")[0] == 3


def test_a_password_comes_from_standard_input_and_is_printed_nowhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\n"))
    code, out, err = _run(
        capsys, "connection", "add", "shop", "postgresql://ann@127.0.0.1:1/x", "--read", "public", "--password-stdin"
    )
    assert code == 0
    listed = _run(capsys, "connection", "list", "--json")[1]
    failed = _run(capsys, "connection", "test", "shop")
    assert failed[0] == 2
    assert "hunter2" not in out + err + listed + failed[1] + failed[2]


def test_a_mistake_is_one_line_with_its_place_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(capsys, "connection", "add", "bad name", "sqlite:///x.db", "--read", "main")
    assert (code, out) == (2, "")
    assert "name" in err
