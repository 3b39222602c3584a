"""Old entries of the audit log are forgotten on request or after a time; that they were is written down."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from labelmill import cli, clock, triggers
from labelmill.accounts import Role, Scope, audit, service
from labelmill.accounts.tables import audit_entries
from labelmill.errors import BadInput
from labelmill.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from labelmill.db.database import Database

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def old(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Give a database with an entry of each of the last ten days."""
    for days in range(10, 0, -1):
        monkeypatch.setattr(clock, "now", lambda days=days: NOW - timedelta(days=days))
        database.transact(service.note, None, f"{days} days ago", "thing")
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return database


def entries(database: Database) -> list[tuple[str, dict[str, Any]]]:
    with database.read() as connection:
        return [(each.action, each.details) for each in service.list_audit(connection)]


def test_what_is_older_is_forgotten_and_that_stays_in_the_log(old: Database) -> None:
    before = NOW - timedelta(days=3)
    assert service.prune(old, before) == 7
    assert entries(old) == [
        ("prune audit log", {"before": before.isoformat(), "number": 7}), ("1 days ago", {}), ("2 days ago", {}), ("3 days ago", {}),
    ]  # fmt: skip
    assert service.prune(old, before) == 0
    assert len(entries(old)) == 4


def test_a_kill_between_slices_leaves_the_note_and_the_next_run_ends_it(old: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(name: str) -> None:
        if name == "audit.slice-forgotten":
            raise Killed

    monkeypatch.setattr(audit, "SLICE", 2)
    monkeypatch.setattr(audit, "passing", die)
    with pytest.raises(Killed):
        service.prune(old, NOW - timedelta(days=3))
    assert [action for action, _ in entries(old)] == ["prune audit log", *(f"{days} days ago" for days in range(1, 9))]
    monkeypatch.setattr(audit, "passing", triggers.passing)
    assert service.prune(old, NOW - timedelta(days=3)) == 5
    assert [action for action, _ in entries(old)][2:] == ["1 days ago", "2 days ago", "3 days ago"]


def test_what_is_not_over_is_kept(old: Database) -> None:
    with pytest.raises(BadInput, match="not over"):
        service.prune(old, NOW + timedelta(seconds=1))
    assert len(entries(old)) == 10


@pytest.mark.parametrize(("days", "left"), [(None, 10), (4, 5), (9, 10), (30, 10)])
def test_who_signs_in_finds_the_log_as_short_as_the_setting_wants(
    old: Database, tmp_path: Path, days: int | None, left: int
) -> None:
    settings = Settings(data_dir=tmp_path, audit_days=days)
    made = old.transact(service.add_annotator, email="ann@example.org", name="Ann", role=Role.ANNOTATOR)
    old.transact(service.open_session, made.id, Scope.ADMIN, settings)
    with old.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(audit_entries)) == left


def test_at_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELMILL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("LABELMILL_DATABASE_URL", raising=False)
    assert cli.run(("dataset", "new", "posts")) == 0
    for wrong in ("yesterday", "2026-13-01", "3000-01-01"):
        assert cli.run(("audit", "prune", "--before", wrong, "--yes")) == 2
    assert "2026-01-31" in capsys.readouterr().err
    assert cli.run(("audit", "prune", "--before", "2020-01-01", "--yes", "--json")) == 0
    assert json.loads(capsys.readouterr().out) == {"forgotten": 0, "before": "2020-01-01T00:00:00+00:00"}
