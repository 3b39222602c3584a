"""Reading tables of SQLite, PostgreSQL and MariaDB as frames: every value as it is, in bounded memory, without a right to write."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import psutil
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from labelmill.db.bulk.location import at_url
from labelmill.db.bulk.model import Kind
from labelmill.db.bulk.sql import open_table
from labelmill.db.engine import make_engine
from labelmill.errors import LabelmillError

TEXTS = [
    "王小明",
    "Zoë 👩‍👩‍👧",
    "",
    None,
    "007",
    'it\'s "quoted"',
    "tab\there",
    "line\nbreak\r\n",
    "back\\slash",
    "\\N",
    "NULL",
    "a,b;c",
    " ",
]
HOSTILE = [
    'a"; DROP TABLE victim; --',
    "select",
    "two words",
    "it's",
    "back`tick",
    "100% sure %s",
    "名前🙂"[:2],
    "colon:name",
    "x" * 60,
    "a.b",
]


#: What SQLite has not.
on_servers = pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"], indirect=True)


@pytest.fixture
def engine(database_url):
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


def opened(engine, table=None, schema=None):
    return open_table(at_url(engine.url, table=table, schema=schema))


def create(engine, name, *columns, rows=()):
    """Make a table by SQLAlchemy, which quotes every name, and fill it."""
    table = sa.Table(name, sa.MetaData(), *columns, mysql_charset="utf8mb4")
    table.create(engine)
    if rows:
        with engine.begin() as connection:
            connection.execute(table.insert(), list(rows))
    return table


def read(source, *columns, part=None):
    frames = list(source.read(columns, part))
    return pl.concat(frames) if frames else pl.DataFrame()


def test_texts_of_every_kind_arrive_unchanged(engine):
    """Emoji, CJK, nulls, empty texts, leading zeros, quotes and escapes are the same after reading."""
    rows = [{"id": number, "author": text} for number, text in enumerate(TEXTS)]
    create(
        engine,
        "posts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("author", sa.Text),
        rows=rows,
    )
    with opened(engine, "posts") as source:
        frame = read(source, "id", "author").sort("id")
    assert frame["author"].to_list() == TEXTS
    assert frame.schema["author"] == pl.String
    assert frame.schema["id"].is_integer()


def test_columns_come_in_the_order_asked_for(engine):
    create(engine, "posts", *(sa.Column(name, sa.Integer) for name in "abc"), rows=[{"a": 1, "b": 2, "c": 3}])
    with opened(engine) as source:
        assert read(source, "c", "a").columns == ["c", "a"]


def test_kinds_follow_the_declared_types(engine):
    """The catalogue says of each column what it holds, the same on every database."""
    columns = {
        "i": sa.BigInteger,
        "t": sa.String(20),
        "l": sa.Text,
        "f": sa.Double,
        "d": sa.DateTime,
        "b": sa.LargeBinary,
        "n": sa.Numeric(20, 5),
    }
    create(engine, "kinds", *(sa.Column(name, kind) for name, kind in columns.items()))
    with opened(engine) as source:
        kinds = [column.kind for column in source.table.columns]
    assert kinds == [Kind.INTEGER, Kind.TEXT, Kind.TEXT, Kind.REAL, Kind.DATETIME, Kind.BYTES, Kind.OTHER]


def test_numbers_bytes_and_nulls_keep_their_type(engine):
    rows = [
        {"i": 2**63 - 1, "f": 0.1, "b": b"\x00\xff"},
        {"i": -(2**63), "f": -1e300, "b": b""},
        {"i": None, "f": None, "b": None},
    ]
    create(engine, "kinds", sa.Column("i", sa.BigInteger), sa.Column("f", sa.Double), sa.Column("b", sa.LargeBinary), rows=rows)
    with opened(engine) as source:
        frame = read(source, "i", "f", "b")
    assert sorted(frame.rows(), key=str) == sorted(((row["i"], row["f"], row["b"]) for row in rows), key=str)


@on_servers
def test_decimals_come_as_text_without_loss(engine):
    exact = Decimal("12345678901234567890.12345")
    create(engine, "prices", sa.Column("price", sa.Numeric(30, 5)), rows=[{"price": exact}])
    with opened(engine) as source:
        assert read(source, "price")["price"].to_list() == [str(exact)]


def test_times_are_microseconds(engine):
    """A time comes as Datetime('us') from a server, and from SQLite as the text that it is there."""
    moment = datetime(2020, 1, 1, 0, 0, 3)
    create(engine, "posts", sa.Column("at", sa.DateTime), rows=[{"at": moment}, {"at": None}])
    with opened(engine) as source:
        values = read(source, "at")["at"]
    if engine.dialect.name == "sqlite":
        assert values.to_list() == ["2020-01-01 00:00:03.000000", None]
    else:
        assert (values.dtype, values.to_list()) == (pl.Datetime("us"), [moment, None])


def test_an_empty_table_gives_no_frame(engine):
    create(engine, "posts", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False))
    with opened(engine) as source:
        assert list(source.read(["id"])) == []
        assert source.plan(10) == ()


def test_no_frame_is_larger_than_asked(engine):
    create(
        engine,
        "posts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        rows=[{"id": number} for number in range(1000)],
    )
    with opened(engine) as source:
        heights = [frame.height for frame in source.read(["id"], batch_rows=300)]
    assert max(heights) <= 300
    assert sum(heights) == 1000


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_tables_and_columns_are_only_names(engine, name):
    """Quotes, reserved words, statements, per cent signs, CJK and long names are read like any other."""
    create(engine, "victim", sa.Column("id", sa.Integer))
    create(
        engine,
        name,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column(f"{name[:59]}c", sa.Text),
        rows=[{"id": 5, f"{name[:59]}c": "x"}],
    )
    with opened(engine, name) as source:
        assert read(source, f"{name[:59]}c").rows() == [("x",)]
        (part,) = source.plan(10)
        assert read(source, "id", f"{name[:59]}c", part=part).rows() == [(5, "x")]
    assert sa.inspect(engine).has_table("victim")


def test_p20_a_source_cannot_write(engine):
    """Every connection of a source refuses to insert, update, delete, create and drop."""
    create(engine, "posts", sa.Column("id", sa.Integer), rows=[{"id": 1}])
    with opened(engine, "posts") as source:
        for statement in (
            "INSERT INTO posts VALUES (2)",
            "UPDATE posts SET id = 3",
            "DELETE FROM posts",
            "DROP TABLE posts",
            "CREATE TABLE other (id INT)",
        ):
            with source.engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match=r"(?i)read.?only"):
                connection.exec_driver_sql(statement)
        assert read(source, "id").rows() == [(1,)]


def test_p20_a_source_refuses_to_write_on_the_stream_too(postgresql_database):
    """The connection that streams from PostgreSQL is not the one that plans; it may not write either."""
    engine = make_engine(postgresql_database)
    create(engine, "posts", sa.Column("id", sa.Integer), rows=[{"id": 1}])
    with opened(engine, "posts") as source, pytest.raises(Exception, match="read-only"):
        list(source._stream("DELETE FROM posts RETURNING id"))
    engine.dispose()


def test_p20_a_statement_in_a_column_name_is_refused_by_the_catalogue(engine):
    create(engine, "posts", sa.Column("id", sa.Integer), rows=[{"id": 1}])
    with opened(engine, "posts") as source:
        with pytest.raises(LabelmillError, match="no column"):
            source.read(['id"; DROP TABLE posts; --'])
        assert read(source, "id").rows() == [(1,)]


def test_views_are_read_and_not_split(engine):
    create(engine, "posts", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), rows=[{"id": 1}, {"id": 2}])
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE VIEW some_posts AS SELECT id FROM posts WHERE id > 1")
    with opened(engine, "some_posts") as source:
        assert source.plan(10) is None
        assert read(source, "id").rows() == [(2,)]


def test_closing_a_read_early_leaves_no_connection_and_the_source_usable(engine):
    """Whoever stops after the first frame does not wait for the rest, and the next read is whole."""
    create(
        engine,
        "posts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        rows=[{"id": number} for number in range(20_000)],
    )
    with opened(engine, "posts") as source:
        for _ in range(3):
            frames = source.read(["id"], batch_rows=100)
            next(frames)
            frames.close()
        assert sum(frame.height for frame in source.read(["id"])) == 20_000
    sockets = [one for one in psutil.Process().net_connections() if one.status == "ESTABLISHED"]
    files = [file for file in psutil.Process().open_files() if file.path == engine.url.database]
    engine.dispose()
    assert len(sockets) <= 3  # those of the pool that made the table and of the fixture
    assert len(files) <= 3


def test_memory_is_bounded_by_the_batch_and_not_by_the_table(engine):
    """A table of 120 MB of text is read with a small part of that held at any time."""
    create(engine, "posts", sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("content", sa.Text))
    with engine.begin() as connection:
        for start in range(0, 30_000, 1_000):
            rows = [(number, f"{number:06}" + "x" * 4_000) for number in range(start, start + 1_000)]
            mark = "?" if engine.dialect.name == "sqlite" else "%s"
            connection.exec_driver_sql(f"INSERT INTO posts VALUES ({mark}, {mark})", rows)
    process = psutil.Process()
    with opened(engine, "posts") as source:
        next(source.read(["id"]))  # libraries are loaded now
        tracemalloc.start()
        before = most = process.memory_info().rss
        rows = 0
        for frame in source.read(["id", "content"]):
            rows += frame.height
            most = max(most, process.memory_info().rss)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert rows == 30_000
    assert held < 40_000_000
    # Two frames of 32 MB, the chunk that grows, and what the allocator keeps.
    assert most - before < 110_000_000


def test_reading_postgresql_works_without_pyarrow(postgresql_database):
    """The extra for PostgreSQL does not bring pyarrow: reading goes on where importing it fails."""
    engine = make_engine(postgresql_database)
    create(engine, "posts", sa.Column("id", sa.Integer), sa.Column("author", sa.Text), rows=[{"id": 1, "author": "王"}])
    engine.dispose()
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from labelmill.db.bulk.location import parse_location\n"
        "from labelmill.db.bulk.sql import open_table\n"
        "print(next(open_table(parse_location(sys.argv[1])).read(['id', 'author'])).rows() == [(1, '王')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, f"{postgresql_database}::posts"], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_postgresql_types_without_a_counterpart_come_as_text(postgresql_database):
    """uuid, json, arrays, enums, intervals, dates and numerics read as PostgreSQL spells them; timestamptz as UTC."""
    engine = make_engine(postgresql_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TYPE mood AS ENUM ('好', 'bad')")
        connection.exec_driver_sql(
            "CREATE TABLE odd AS SELECT 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'::uuid AS u, '{\"a\": [1]}'::jsonb AS j, ARRAY['x', NULL] AS a, '好'::mood AS m, "
            "interval '1 day' AS i, date '2020-01-01' AS d, 1.50::numeric AS n, 'ab'::char(4) AS c, true AS b, point '(1,2)' AS p, "
            "timestamptz '2020-01-01 08:00:03+08' AS z, 'infinity'::timestamp AS f, 7::smallint AS s, '0044-03-15 BC'::timestamp AS bc"
        )
    with opened(engine, "odd") as source:
        row = read(source, *[column.name for column in source.table.columns]).row(0, named=True)
    engine.dispose()
    assert row["z"] == datetime(2020, 1, 1, 0, 0, 3, tzinfo=UTC)
    assert {name: row[name] for name in "ujamidnp"} == {
        "u": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "j": '{"a": [1]}',
        "a": "{x,NULL}",
        "m": "好",
        "i": "1 day",
        "d": "2020-01-01",
        "n": "1.50",
        "p": "(1,2)",
    }
    assert (row["c"], row["b"], row["f"], row["s"], row["bc"]) == ("ab", True, None, 7, None)


def test_mariadb_types_without_a_counterpart_come_as_text_or_digits(mariadb_database):
    """Zero dates come as null, decimals, days and durations as text, bits and points as hexadecimal digits, unsigned as such."""
    engine = make_engine(mariadb_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET SESSION sql_mode = ''")
        connection.exec_driver_sql(
            "CREATE TABLE odd (z DATETIME, n DECIMAL(10,2), d DATE, t TIME, y YEAR, b BIT(8), u BIGINT UNSIGNED, e ENUM('好'), j JSON, p POINT, "
            "three VARCHAR(20) CHARACTER SET utf8mb3, latin VARCHAR(20) CHARACTER SET latin1, s TIMESTAMP NULL, x BINARY(2))"
        )
        connection.exec_driver_sql(
            "INSERT INTO odd VALUES ('0000-00-00 00:00:00', 1.5, '0000-00-00', '-10:00:00', 2020, b'101', 18446744073709551615, '好', '[1]', "
            "POINT(1, 2), '王', 'Zoë', FROM_UNIXTIME(1577836803), X'FF00'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
        )
    with opened(engine, "odd") as source:
        frame = read(source, *[column.name for column in source.table.columns])
    engine.dispose()
    row = frame.row(0, named=True)
    assert row.pop("p").endswith("000000000000f03f0000000000000040")
    assert row == {
        "z": None,
        "n": "1.50",
        "d": "0000-00-00",
        "t": "-10:00:00",
        "y": "2020",
        "b": "05",
        "u": 2**64 - 1,
        "e": "好",
        "j": "[1]",
        "three": "王",
        "latin": "Zoë",
        "s": datetime(2020, 1, 1, 0, 0, 3),
        "x": b"\xff\x00",
    }
    assert frame.row(1) == (None,) * frame.width


def sqlite_file(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return at_url(make_url(f"sqlite:///{path}"), table=None)


def test_sqlite_numbers_among_texts_and_texts_among_numbers_are_kept_as_text(tmp_path):
    """A column of several kinds comes as text, whichever kind was declared, with every digit."""
    location = sqlite_file(
        tmp_path / "a.db",
        "CREATE TABLE t (a INTEGER, b, c TEXT, d REAL, e BLOB)",
        "INSERT INTO t VALUES (7, 7, 7, 0.1, X'ff'), ('x', '007', '007', 'y', 'text'), (0.30000000000000004, 2.5, NULL, NULL, 5)",
    )
    with open_table(location) as source:
        frame = read(source, "a", "b", "c", "d")
        assert frame.rows() == [("7", "7", "7", "0.1"), ("x", "007", "007", "y"), ("0.30000000000000004", "2.5", None, None)]
        assert source.rejected == 0


def test_sqlite_numbers_beside_a_far_stray_text_are_exactly_their_digits(tmp_path):
    """One stray text makes the part text, in all of its frames: each number is then spelled by its digits, and none is lost."""
    times = [1577836803, -1, 0, 2**63 - 1, -(2**63), 1577836803000000]
    location = sqlite_file(tmp_path / "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER)")
    connection = sqlite3.connect(location.path)
    rows = [*((time,) for time in times), *((time,) for time in range(5_000)), ("yesterday",), (None,), (1e20,)]
    connection.executemany("INSERT INTO t (at) VALUES (?)", rows)
    connection.commit()
    connection.close()
    with open_table(location) as source:
        frame = read(source, "id", "at").sort("id")
        assert frame["at"].to_list() == [*map(str, times), *map(str, range(5_000)), "yesterday", None, "1e+20"]
        assert (frame.schema["at"], source.rejected) == (pl.String, 0)


def test_sqlite_numbers_stay_numbers_where_all_are(tmp_path):
    location = sqlite_file(tmp_path / "a.db", "CREATE TABLE t (a INTEGER, d REAL)", "INSERT INTO t VALUES (7, 1), (NULL, 0.5)")
    with open_table(location) as source:
        assert read(source, "a", "d").schema == {"a": pl.Int64, "d": pl.Float64}


def test_sqlite_bytes_that_are_no_text_refuse_their_row_only(tmp_path):
    """A text that is not UTF-8 is counted and named by its rowid; the rows around it arrive."""
    location = sqlite_file(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)",
        "INSERT INTO t VALUES (10, 'good'), (20, CAST(X'ff41' AS TEXT)), (30, X'E78E8B'), (40, X'fe')",
    )
    with open_table(location) as source:
        assert read(source, "id", "a").rows() == [(10, "good"), (30, "王")]
        assert source.rejected == 2
        assert [(reject.place, reject.text) for reject in source.rejects] == [(20, "b'\\xffA'"), (40, "b'\\xfe'")]
        assert "'a'" in source.rejects[0].reason


def test_sqlite_reads_while_somebody_writes(tmp_path):
    """A reader sees the table as it was when it began, and the writer is not stopped."""
    path = tmp_path / "a.db"
    location = sqlite_file(
        path,
        "PRAGMA journal_mode=WAL",
        "CREATE TABLE t (a INTEGER)",
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) SELECT i FROM n",
    )
    writer = sa.create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with open_table(location) as source:
        frames = source.read(["a"], batch_rows=100)
        rows = next(frames).height
        with writer.begin() as connection:
            connection.exec_driver_sql("DELETE FROM t")
        rows += sum(frame.height for frame in frames)
    assert rows == 5000
