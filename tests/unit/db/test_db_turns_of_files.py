"""Threads of one process write to a SQLite file in turn, and to different files at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from labelmill.db.turns import turn


def may_begin(path: Path | None) -> bool:
    """Tell whether another thread would get its turn within a moment."""
    began = threading.Event()

    def write() -> None:
        with turn(path):
            began.set()

    threading.Thread(target=write, daemon=True).start()
    return began.wait(0.3)


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    with turn(path):
        assert not may_begin(path)
        assert may_begin(tmp_path / "other.db")
    assert may_begin(path)


def test_a_file_is_one_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with turn(Path("results.db")):
        assert not may_begin(tmp_path / "results.db")


def test_a_server_lets_all_write_at_once() -> None:
    with turn(None):
        assert may_begin(None)
