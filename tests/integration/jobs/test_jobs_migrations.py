"""The schema's revisions on each database: up, down and up with data, equal to the models, one process at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import labelmill
from labelmill.db import migrate
from labelmill.db.engine import make_engine
from labelmill.db.tables import METADATA
from labelmill.errors import Conflict

SOURCE = Path(labelmill.__file__).parent


@pytest.fixture
def engine(database_url):
    made = make_engine(database_url)
    yield made
    made.dispose()


def every_model():
    """Return the catalogue with the tables of every feature."""
    for path in SOURCE.rglob("tables.py"):
        import_module(".".join(path.relative_to(SOURCE.parent).with_suffix("").parts))
    return METADATA


def test_the_revisions_make_the_schema_of_the_models(engine):
    migrate.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        differences = [found for found in compare_metadata(context, every_model()) if "alembic_version" not in str(found)]
    assert differences == []


def test_p18_up_down_and_up_with_data_at_every_revision(engine):
    """Each step up and down runs with a row in every table that it can hold one in; the rows of older tables stay."""
    line = ["base", *migrate.revisions()]
    for older, newer in pairwise(line):
        migrate.upgrade(engine, newer)
        filled = _fill(engine)
        assert migrate.current(engine) == newer
        before = _counts(engine)
        migrate.downgrade(engine, older)
        assert migrate.current(engine) == (None if older == "base" else older)
        migrate.upgrade(engine, newer)
        after = _counts(engine)
        kept = {name for name in after if name in _tables_of(engine, older)}
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
        assert filled


def _tables_of(engine, revision):
    """Return the tables that exist at an older revision, by going there and back."""
    newest = migrate.current(engine)
    migrate.downgrade(engine, revision)
    names = set(sa.inspect(engine).get_table_names()) - {"alembic_version"}
    migrate.upgrade(engine, newest)
    return names


def _fill(engine):
    """Put a row into each table that is empty and takes one; return their names."""
    tables = sa.MetaData()
    with engine.begin() as connection:
        tables.reflect(connection)
        filled = []
        for table in tables.sorted_tables:
            if table.name == "alembic_version" or connection.scalar(sa.select(sa.func.count()).select_from(table)):
                continue
            connection.execute(sa.insert(table).values({column.name: _value(column) for column in table.columns}))
            filled.append(table.name)
    return filled


def _value(column):
    """Return something that fits: the same everywhere, so that references match."""
    values = {datetime: datetime(2026, 1, 1, tzinfo=UTC), bytes: b"1", str: "1"}
    return values.get(column.type.python_type, 1)


def _counts(engine):
    tables = sa.MetaData()
    with engine.connect() as connection:
        tables.reflect(connection)
        names = [table for table in tables.sorted_tables if table.name != "alembic_version"]
        return {table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in names}


UPGRADE = "import sys; from labelmill.db import engine, migrate; migrate.upgrade(engine.make_engine(sys.argv[1]))"


def test_p18_processes_that_upgrade_at_once_wait_for_each_other(database_url, engine):
    """Four start together on an empty database: all succeed, and the schema is there once."""
    started = [subprocess.Popen([sys.executable, "-c", UPGRADE, database_url], stderr=subprocess.PIPE) for _ in range(4)]
    ended = [(process.communicate(timeout=60)[1].decode(), process.returncode) for process in started]
    assert ended == [("", 0)] * 4
    migrate.require_current(engine)


def test_p18_an_upgrade_waits_for_whoever_changes_the_schema(engine):
    upgrade = threading.Thread(target=migrate.upgrade, args=(engine,))
    with migrate._alone(engine) as connection:
        migrate._current(connection)
        upgrade.start()
        upgrade.join(0.5)
        assert upgrade.is_alive()
    upgrade.join(30)
    migrate.require_current(engine)


def test_p18_an_old_or_newer_schema_is_refused_with_the_way_out(engine):
    with pytest.raises(Conflict, match="labelmill db upgrade"):
        migrate.require_current(engine)
    migrate.upgrade(engine)
    migrate.require_current(engine)
    migrate.downgrade(engine, migrate.revisions()[0])
    if len(migrate.revisions()) > 1:
        with pytest.raises(Conflict, match=r"at revision 0001.*labelmill db upgrade"):
            migrate.require_current(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for refused in (migrate.require_current, migrate.upgrade, lambda found: migrate.downgrade(found, "base")):
        with pytest.raises(Conflict, match=r"9999.*newer version"):
            refused(engine)


def test_a_revision_that_fails_leaves_the_schema_as_it_was(engine, monkeypatch):
    """On SQLite and PostgreSQL the whole way up is one transaction; MariaDB commits each change of the schema by itself."""
    if engine.dialect.name == "mysql":
        return
    import alembic.op

    def broken(*_arguments, **_named):
        raise RuntimeError("no")

    monkeypatch.setattr(alembic.op, "create_index", broken)
    with pytest.raises(RuntimeError):
        migrate.upgrade(engine)
    assert (migrate.current(engine), sa.inspect(engine).get_table_names()) == (None, [])


def test_the_revisions_are_those_of_the_library():
    """Told from the names of their files, so that the library need not be loaded to know them."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(SOURCE / "db" / "migrations"))
    config.set_main_option("path_separator", "os")
    walked = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert migrate.revisions() == tuple(reversed(walked))
