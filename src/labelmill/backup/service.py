"""The verbs of backups: make one, check one, bring one back."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from labelmill import __version__, clock
from labelmill.backup import loading, reading
from labelmill.backup.container import new_backup, open_backup
from labelmill.backup.files import Files
from labelmill.backup.model import BLOBS, TABLES, WORK, Manifest, slice_name
from labelmill.db import migrate
from labelmill.errors import BadSettings, Conflict, Unavailable
from labelmill.triggers import passing

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from labelmill.backup.container import Writer
    from labelmill.bootstrap import App

#: Told what is done and what there is in all: rows and files together, or bytes where a file is verified.
Tell = Callable[[int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a backup holds."""

    made_at: str
    revision: str
    tables: int
    rows: int
    blobs: int
    files: int
    #: Files that went away while the backup was made.
    vanished: int = 0

    @classmethod
    def of(cls, manifest: Manifest) -> Summary:
        return cls(
            made_at=manifest.made_at, revision=manifest.revision, tables=len(manifest.tables), rows=sum(manifest.tables.values()),
            blobs=len(manifest.below(BLOBS)), files=len(manifest.below(WORK)), vanished=len(manifest.vanished),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore brought back."""

    summary: Summary
    #: Steps of jobs that somebody was at when the backup was made: they begin again.
    freed: int
    #: Connections whose password cannot be read with the secret of this installation.
    locked: int


def backup(app: App, path: Path, tell: Tell, *, replace: bool = False) -> Summary:
    """Write a whole installation to a file, as of one moment, while people go on labelling. The file is there whole or not at all.

    Raises Conflict where the file is there or the database is of a newer version, Unavailable for a full disk or a database that is away.
    """
    engine = app.database.engine
    if migrate.current(engine) is None:
        raise Conflict("The database is empty: there is nothing to back up.", way_out="Check LABELMILL_DATABASE_URL.")
    files = Files(blobs=app.blobs, work_root=app.work_root)
    with new_backup(path, replace=replace) as writer, reading.snapshot(engine) as connection:
        made_at = clock.now().isoformat()
        revision = str(connection.scalar(sa.text("SELECT version_num FROM alembic_version")))
        tables = reading.stored_tables(connection, revision)
        progress = _Progress(tell, {str(table.name): reading.count(connection, table) for table in tables})
        # The files first: every one that the tables of this moment speak of is there now, and may be removed later.
        _write_files(writer, files, progress)
        for table in tables:
            _write_table(writer, connection, table, progress)
        manifest = Manifest(
            labelmill=__version__, revision=revision, made_at=made_at, dialect=engine.dialect.name, secret_mark=_secret_mark(app),
            tables=progress.rows, vanished=files.vanished, members=writer.members,
        )  # fmt: skip
        passing("backup.before-manifest")
        writer.finish(manifest)
    return Summary.of(manifest)


class _Progress:
    def __init__(self, tell: Tell, rows: dict[str, int]) -> None:
        self.rows = rows
        self.total = sum(rows.values())
        self._tell = tell
        self._done = 0

    def add(self, done: int) -> None:
        self._done += done
        self._tell(self._done, self.total)


def _write_files(writer: Writer, files: Files, progress: _Progress) -> None:
    blobs, work = files.names()
    progress.total += len(blobs) + len(work)
    for name in blobs:
        files.write_blob(writer, name)
        passing("backup.file-written")
        progress.add(1)
    for name in work:
        files.write_work(writer, name)
        passing("backup.file-written")
        progress.add(1)


def _write_table(writer: Writer, connection: Connection, table: sa.Table, progress: _Progress) -> None:
    rows = 0
    for number, frame in enumerate(reading.read_slices(connection, table)):
        packed = io.BytesIO()
        frame.write_parquet(packed, compression="zstd", compression_level=1, statistics=False)
        writer.add(slice_name(table.name, number), [packed.getvalue()], rows=frame.height)
        passing("backup.slice-written")
        rows += frame.height
        progress.add(frame.height)
    if rows != progress.rows[table.name]:
        raise Unavailable(
            f"{rows} of {progress.rows[table.name]} rows were read.", where=f"{TABLES}/{table.name}", way_out="Try again."
        )


def verify(path: Path, tell: Tell) -> Summary:
    """Read all of a backup and return what it holds; raises BadFile that names what is not as it was written."""
    with open_backup(path) as found:
        total = sum(each.bytes for each in found.manifest.members)
        found.verify(lambda done: tell(done, total))
        return Summary.of(found.manifest)


def restore(app: App, path: Path, tell: Tell) -> Restored:
    """Bring a backup back into an empty installation, and up to the schema of this version.

    The file is checked first. A restore that was killed can be started again: the tables are there all or none.
    Raises BadFile for a damaged file, Conflict for an installation that is not empty and for a backup of a newer version.
    """
    engine = app.database.engine
    with open_backup(path) as found:
        loading.check_target(engine, found.manifest)
        total = sum(each.bytes for each in found.manifest.members)
        found.verify(lambda done: tell(done, total))
        summary = Summary.of(found.manifest)
        progress = _Progress(tell, found.manifest.tables)
        progress.total += summary.blobs + summary.files
        files = Files(blobs=app.blobs, work_root=app.work_root)
        loading.prepare(engine, found.manifest.revision)
        passing("restore.schema-made")
        is_older = found.manifest.revision != migrate.head()
        if not is_older:
            # Before the tables, which end it: what was broken off before they are there can be started again.
            files.restore(found, progress.add)
        freed = loading.load(app.database, found, progress.add)
        passing("restore.loaded")
        if is_older:
            # A store of blobs may be a table that comes with the newer schema.
            migrate.upgrade(engine)
            files.restore(found, progress.add)
        return Restored(summary=summary, freed=freed, locked=_locked(app, found.manifest.secret_mark))


def _secret_mark(app: App) -> str:
    """Return what two installations with the same secret have in common, from which nobody learns the secret."""
    with suppress(BadSettings):
        return hashlib.sha256(app.keys.derive("backup-mark")).hexdigest()[:32]
    return ""


def _locked(app: App, mark: str) -> int:
    connections = reading.catalogue()["connections"]
    with app.database.read() as connection:
        query = sa.select(sa.func.count()).select_from(connections).where(connections.c.secret.is_not(None))
        with_password = int(connection.scalar(query) or 0)
    return with_password if with_password and mark != _secret_mark(app) else 0
