"""A backup is of one moment, on every kind of database, and one of an older schema is brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

import backup_lab
from labelmill import triggers
from labelmill.backup import reading, service
from labelmill.bootstrap import App, opened_as_is
from labelmill.datasets import record_rows
from labelmill.db import migrate
from labelmill.db.database import Database
from labelmill.db.engine import make_engine
from labelmill.errors import Conflict
from labelmill.jobs.waker import PollingWaker

if TYPE_CHECKING:
    from pathlib import Path


def installation(folder: Path, database: Database) -> App:
    url = database.engine.url.render_as_string(hide_password=False)
    return App(settings=backup_lab.settings_for(folder, url), database=database, waker=PollingWaker())


def contents(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(sa.select(record_rows.c.content).order_by(record_rows.c.id)))


def test_p19_what_is_added_while_a_backup_is_made_is_not_in_it(
    tmp_path: Path, database: Database, target: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables are read in many slices, and between any two of them somebody adds records and another dataset."""
    texts = [f"text {number}" for number in range(50)]
    first = backup_lab.add_texts(database, "first", texts)
    monkeypatch.setattr(reading, "SLICE_ROWS", 7)
    added: list[str] = []

    def meddle(done: int, total: int | None) -> None:
        backup_lab.quiet(done, total)
        added.append(f"later {done}")
        backup_lab.add_more(database, first, [added[-1]])
        backup_lab.add_texts(database, f"set {done}", ["x"])

    app = installation(tmp_path / "source", database)
    app.blobs.put("images/aa/a.png", b"picture")
    made = service.backup(app, tmp_path / "all.labelmill", meddle)
    assert len(added) > len(texts) // 7
    assert (made.blobs, made.rows < 60) == (1, True)
    service.restore(target, tmp_path / "all.labelmill", backup_lab.quiet)
    assert contents(target.database) == texts
    assert target.blobs.get("images/aa/a.png") == b"picture"


def test_a_backup_of_an_older_schema_is_brought_up_to_date(tmp_path: Path, database_url: str, target: App) -> None:
    engine = make_engine(database_url)
    migrate.upgrade(engine, "0001")
    row = {
        "id": "j" * 32, "kind": "test", "queue": "q", "state": "queued", "title": "old", "params": "{}", "phase": 0,
        "created_at": sa.text("'2024-03-10 01:59:59.000001'") if engine.dialect.name != "sqlite" else 1_710_035_999_000_001,
        "done": 3, "unit": "rows", "limit_seconds": 0.1, "limit_memory_mb": 1, "limit_tries": 1,
    }  # fmt: skip
    with engine.begin() as connection:
        old = sa.Table("jobs", sa.MetaData(), autoload_with=connection)
        connection.execute(sa.insert(old).values(row))
    app = installation(tmp_path / "source", Database(engine))
    (app.work_root / "uploads").mkdir(parents=True)
    (app.work_root / "uploads" / "one.csv").write_bytes(b"text")
    made = service.backup(app, tmp_path / "old.labelmill", backup_lab.quiet)
    app.close()
    assert (made.revision, made.rows, made.files) == ("0001", 1, 1)
    service.restore(target, tmp_path / "old.labelmill", backup_lab.quiet)
    assert migrate.current(target.database.engine) == migrate.head()
    [job] = backup_lab.rows_of(target.database)["jobs"]
    assert {"old", "test", 0.1, 3} <= {each for each in job if isinstance(each, str | float | int)}
    assert "2024-03-10 01:59:59.000001+00:00" in map(str, job)
    assert (target.work_root / "uploads" / "one.csv").read_bytes() == b"text"


def test_p25_a_restore_that_breaks_off_anywhere_can_be_started_again(
    tmp_path: Path, migrated_url: str, embedded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails at its first place, then at its second, and so on: the tables are there all or none."""
    source = installation(tmp_path / "source", embedded)
    backup_lab.add_texts(embedded, "first", ["one", "two"])
    source.blobs.put("images/aa/a.png", b"picture")
    service.backup(source, tmp_path / "all.labelmill", backup_lab.quiet)
    with opened_as_is(backup_lab.settings_for(tmp_path / "again", fresh_url(migrated_url, tmp_path))) as app:
        for number in range(1, 100):
            monkeypatch.setenv(triggers.VARIABLE, f"*:fail:{number}")
            triggers._passed.clear()
            try:
                service.restore(app, tmp_path / "all.labelmill", backup_lab.quiet)
            except triggers.Triggered as place:
                if str(place) == "restore.loaded":
                    break
                assert migrate.current(app.database.engine) is None or contents(app.database) == []
            else:
                pytest.fail("it was never broken off after the tables")
        assert number > 4
        assert contents(app.database) == ["one", "two"]
        monkeypatch.delenv(triggers.VARIABLE)
        with pytest.raises(Conflict, match="no empty installation"):
            service.restore(app, tmp_path / "all.labelmill", backup_lab.quiet)
    triggers._passed.clear()


def fresh_url(migrated_url: str, folder: Path) -> str:
    """Return the URL of an empty database: the embedded one is the source."""
    return f"sqlite:///{folder / 'again.db'}" if migrated_url.startswith("sqlite") else migrated_url


@pytest.mark.parametrize("number", range(1, 6))
def test_a_backup_that_breaks_off_leaves_no_file_and_not_half_of_one(
    tmp_path: Path, embedded: Database, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    app = installation(tmp_path / "source", embedded)
    backup_lab.add_texts(embedded, "first", ["one", "two"])
    app.blobs.put("images/aa/a.png", b"picture")
    file = tmp_path / "out" / "all.labelmill"
    file.parent.mkdir()
    file.write_text("what was there")
    monkeypatch.setenv(triggers.VARIABLE, f"*:fail:{number}")
    triggers._passed.clear()
    with pytest.raises(triggers.Triggered):
        service.backup(app, file, backup_lab.quiet, replace=True)
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert file.read_text() == "what was there"
    triggers._passed.clear()


def test_a_file_that_goes_away_meanwhile_is_told(tmp_path: Path, embedded: Database) -> None:
    app = installation(tmp_path / "source", embedded)
    backup_lab.add_texts(embedded, "first", ["one"])
    app.blobs.put("images/aa/a.png", b"picture")
    app.blobs.put("images/bb/b.png", b"another")

    def remove(done: int, total: int | None) -> None:
        backup_lab.quiet(done, total)
        app.blobs.remove("images/bb/b.png")

    made = service.backup(app, tmp_path / "all.labelmill", remove)
    assert (made.blobs, made.vanished) == (1, 1)
    assert service.verify(tmp_path / "all.labelmill", backup_lab.quiet) == made


def test_somebody_who_writes_into_the_database_meanwhile_ends_the_restore(
    tmp_path: Path, mariadb_migrated: str, embedded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others wait on SQLite and PostgreSQL; on MariaDB their row is found, and nothing of the backup stays."""
    source = installation(tmp_path / "source", embedded)
    backup_lab.add_texts(embedded, "first", ["one"])
    service.backup(source, tmp_path / "all.labelmill", backup_lab.quiet)

    def meddle(place: str) -> None:
        if place == "restore.before-compare":
            backup_lab.add_texts(app.database, "theirs", ["two"])

    monkeypatch.setattr("labelmill.backup.loading.passing", meddle)
    with opened_as_is(backup_lab.settings_for(tmp_path / "again", mariadb_migrated)) as app:
        with pytest.raises(Conflict, match="somebody else writes"):
            service.restore(app, tmp_path / "all.labelmill", backup_lab.quiet)
        assert contents(app.database) == ["two"]
