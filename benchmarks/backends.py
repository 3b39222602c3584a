"""Where the rows of a benchmark are and where its results go: files, or two databases of one server.

The source is made once for each number of rows and kept. On servers the databases are called ``bench_in_<rows>`` and ``bench_out``.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl
import psycopg
import pymysql
from sqlalchemy.engine import URL, make_url

from posts import TABLE, pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

OUT = Path(__file__).resolve().parent / "out"
SINK = "bench_out"
OURS = re.compile(r"bench_out|bench_in_\d+")
COLUMNS = ("id", "s_id", "s_area_id", "author", "title", "content", "post_time")
#: The columns of the tables that the baseline writes.
RESULT = ("id", "task_id", "source_author", "panel", "create_time", "field_content", "match_content")
PRODUCTION = "wh_panel_mapping_"
#: How databases other than SQLite take times in text.
MOMENT = "%Y-%m-%d %H:%M:%S"
Row = tuple[Any, ...]


class Parquet:
    """One file of posts; results in a file too, and the baseline's tables as files beside them."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._posts, self._sink = OUT / f"in-{rows}.parquet", OUT / "sink-parquet"
        self.source, self.sink = str(self._posts), str(self._sink / "results.parquet")

    def load(self) -> None:
        """Make the source unless it is there whole."""
        if self._posts.exists():
            return
        with tempfile.TemporaryDirectory(dir=OUT) as folder:
            for number, piece in enumerate(pieces(self._rows)):
                piece.write_parquet(Path(folder) / f"{number:06}.parquet")
            whole = Path(folder) / "whole"
            pl.scan_parquet(f"{folder}/*.parquet").sink_parquet(whole)
            whole.rename(self._posts)

    def empty(self) -> None:
        """Leave nothing in the sink."""
        shutil.rmtree(self._sink, ignore_errors=True)
        self._sink.mkdir(parents=True)

    def read_slice(self, rows: int) -> Iterator[Sequence[Any]]:
        """Give whole rows of the source one by one."""
        return pl.scan_parquet(self._posts).head(rows).collect().iter_rows()

    def insert_rows(self, table: str, rows: list[Row]) -> None:
        pl.DataFrame(rows, schema=list(RESULT), orient="row").write_parquet(self._sink / f"{table}.parquet")

    def read_rows(self, table: str) -> list[Row]:
        return pl.read_parquet(self._sink / f"{table}.parquet").rows()

    def production_rows(self, name: str) -> int:
        """Return how many production rows the command wrote for a name."""
        written = pl.scan_parquet(self._sink / "results.production.parquet")
        return int(written.filter(pl.col("name") == name).select(pl.len()).collect().item())

    def clean(self) -> None:
        """Remove the sink and the sources of every number of rows."""
        shutil.rmtree(self._sink, ignore_errors=True)
        for path in OUT.glob("in-*.parquet"):
            path.unlink()


class Database:
    """What the three databases share: everything but how one connects, and how many rows are put in quickly."""

    mark = "%s"
    quote = '"'
    #: Types of an id, a short text, a long one, a time.
    types: ClassVar[tuple[str, str, str, str]] = ("TEXT", "TEXT", "TEXT", "TIMESTAMP")
    source: str
    sink: str

    def __init__(self, rows: int) -> None:
        self._rows = rows

    @contextmanager
    def connected(self, *, sink: bool) -> Iterator[Any]:
        """Give a connection to the sink, or to the source, that commits at the end."""
        with closing(self._connect(sink=sink)) as connection:
            yield connection
            connection.commit()

    def read_slice(self, rows: int) -> Iterable[Sequence[Any]]:
        return self._all(f"SELECT * FROM {TABLE} WHERE author IS NOT NULL LIMIT {rows}", sink=False)

    def insert_rows(self, table: str, rows: list[Row]) -> None:
        short, text, long, moment = self.types
        types = (short, short, text, text, moment, text, long)
        columns = ", ".join(f"{name} {kind} NOT NULL" for name, kind in zip(RESULT, types, strict=True))
        with self.connected(sink=True) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {self._name(table)} ({columns})")
            marks = ", ".join([self.mark] * len(RESULT))
            cursor.executemany(f"INSERT INTO {self._name(table)} ({', '.join(RESULT)}) VALUES ({marks})", rows)

    def read_rows(self, table: str) -> list[Row]:
        return list(self._all(f"SELECT * FROM {self._name(table)}", sink=True))

    def production_rows(self, name: str) -> int:
        return int(self._all(f"SELECT count(*) FROM {self._name(PRODUCTION + name)}", sink=True)[0][0])

    def _connect(self, *, sink: bool) -> Any:
        raise NotImplementedError

    def _all(self, statement: str, *, sink: bool) -> Sequence[Row]:
        with self.connected(sink=sink) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement)
            rows: Sequence[Row] = cursor.fetchall()
            return rows

    def _name(self, table: str) -> str:
        return f"{self.quote}{table}{self.quote}"

    def _create(self, table: str = TABLE) -> str:
        short, text, long, moment = self.types
        types = (f"{short} PRIMARY KEY", short, short, text, text, long, moment)
        return f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in zip(COLUMNS, types, strict=True))})"

    def _index(self, table: str = TABLE) -> str:
        return f"CREATE INDEX post_time_of_{TABLE} ON {table} (post_time)"


class Sqlite(Database):
    """Two files."""

    mark = "?"
    types = ("TEXT", "TEXT", "TEXT", "DATETIME")

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self._posts, self._sink = OUT / f"in-{rows}.db", OUT / "sink-sqlite" / "results.db"
        self.source, self.sink = f"sqlite:///{self._posts}::{TABLE}", f"sqlite:///{self._sink}"

    def load(self) -> None:
        if self._posts.exists():
            return
        with tempfile.TemporaryDirectory(dir=OUT) as folder:
            whole = Path(folder) / "whole"
            with closing(sqlite3.connect(whole, isolation_level=None)) as connection:
                for pragma in ("journal_mode = OFF", "synchronous = OFF", "page_size = 8192"):
                    connection.execute(f"PRAGMA {pragma}")
                connection.execute(self._create())
                for piece in pieces(self._rows):
                    connection.execute("BEGIN")
                    rows = piece.with_columns(pl.col("post_time").dt.strftime(MOMENT)).rows()
                    connection.executemany(f"INSERT INTO {TABLE} VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                    connection.execute("COMMIT")
                connection.execute(self._index())
                connection.execute("ANALYZE")
            whole.rename(self._posts)

    def empty(self) -> None:
        shutil.rmtree(self._sink.parent, ignore_errors=True)
        self._sink.parent.mkdir(parents=True)

    def clean(self) -> None:
        shutil.rmtree(self._sink.parent, ignore_errors=True)
        for path in OUT.glob("in-*.db"):
            path.unlink()

    def _connect(self, *, sink: bool) -> sqlite3.Connection:
        return sqlite3.connect(self._sink if sink else self._posts)


class Server(Database):
    """Two databases of a server; ``url`` is that of any database there."""

    #: Lists all databases.
    listing: str
    create_database: str
    drop_database: str

    def __init__(self, rows: int, url: str) -> None:
        super().__init__(rows)
        self._url = make_url(url)
        self._posts = f"bench_in_{rows}"
        self.source, self.sink = f"{self._text(self._posts)}::{TABLE}", self._text(SINK)

    def load(self) -> None:
        if self._posts not in self._databases():
            self._administer(self.create_database.format(name=self._posts))
        if not self._is_loaded():
            self._fill()

    def empty(self) -> None:
        self._administer(self.drop_database.format(name=SINK))
        self._administer(self.create_database.format(name=SINK))

    def clean(self) -> None:
        for name in self._databases():
            if OURS.fullmatch(name):
                self._administer(self.drop_database.format(name=name))

    def _is_loaded(self) -> bool:
        found = f"SELECT 1 FROM information_schema.tables WHERE table_name = '{TABLE}' AND table_schema IN ('public', '{self._posts}')"
        return bool(self._all(found, sink=False))

    def _fill(self) -> None:
        raise NotImplementedError

    def _administer(self, statement: str) -> list[Row]:
        """Run a statement outside of the two databases; it commits by itself."""
        raise NotImplementedError

    def _databases(self) -> list[str]:
        return [row[0] for row in self._administer(self.listing)]

    def _text(self, database: str) -> str:
        return self._url.set(database=database).render_as_string(hide_password=False)


class PostgreSQL(Server):
    listing = "SELECT datname FROM pg_database"
    create_database = "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"
    drop_database = "DROP DATABASE IF EXISTS {name} WITH (FORCE)"

    def _fill(self) -> None:
        """Copy everything in one transaction: the table is there whole or not at all, and its rows need no vacuum."""
        with self.connected(sink=False) as connection, connection.cursor() as cursor:
            cursor.execute(self._create())
            with cursor.copy(f"COPY {TABLE} FROM STDIN (FORMAT csv, FREEZE)") as copy:
                for piece in pieces(self._rows):
                    copy.write(piece.write_csv(include_header=False))
            cursor.execute(self._index())
            cursor.execute("ANALYZE")

    def _connect(self, *, sink: bool) -> psycopg.Connection:
        return psycopg.connect(_plain(self._url.set(database=SINK if sink else self._posts)))

    def _administer(self, statement: str) -> list[Row]:
        with psycopg.connect(_plain(self._url), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


class MariaDB(Server):
    quote = "`"
    types = ("VARCHAR(64)", "TEXT", "LONGTEXT", "DATETIME")
    listing = "SHOW DATABASES"
    create_database = "CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    drop_database = "DROP DATABASE IF EXISTS {name}"

    def _fill(self) -> None:
        """Load piece by piece into a table that gets its name at the end: DDL commits by itself."""
        with self.connected(sink=False) as connection, tempfile.TemporaryDirectory() as folder:
            cursor, path = connection.cursor(), Path(folder) / "piece.csv"
            cursor.execute("DROP TABLE IF EXISTS loading")
            cursor.execute(self._create("loading"))
            for piece in pieces(self._rows):
                piece.write_csv(path, include_header=False, datetime_format=MOMENT)
                cursor.execute(
                    f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE loading CHARACTER SET utf8mb4"
                    " FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY ''"
                )
                connection.commit()
            cursor.execute(self._index("loading"))
            cursor.execute("ANALYZE TABLE loading")
            cursor.execute(f"RENAME TABLE loading TO {TABLE}")

    def _connect(self, *, sink: bool) -> pymysql.Connection[Any]:
        return self._to(SINK if sink else self._posts)

    def _administer(self, statement: str) -> list[Row]:
        with closing(self._to(None)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def _to(self, database: str | None) -> pymysql.Connection[Any]:
        return pymysql.connect(
            host=self._url.host or "127.0.0.1", port=self._url.port or 3306, user=self._url.username,
            password=self._url.password or "", database=database, charset="utf8mb4", local_infile=True,
        )  # fmt: skip


Backend = Parquet | Sqlite | PostgreSQL | MariaDB
FILES: dict[str, type[Parquet | Sqlite]] = {"parquet": Parquet, "sqlite": Sqlite}
SERVERS: dict[str, type[PostgreSQL | MariaDB]] = {"postgresql": PostgreSQL, "mariadb": MariaDB}


def open_backend(name: str, rows: int, url: str | None) -> Backend:
    """Return the backend of a name; ``url`` is that of its server, where it has one."""
    OUT.mkdir(exist_ok=True)
    return FILES[name](rows) if url is None else SERVERS[name](rows, url)
