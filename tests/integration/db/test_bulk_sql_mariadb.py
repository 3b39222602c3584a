"""Reading MariaDB by columns gives what PyMySQL gives by values, whatever the types and lengths are."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import polars as pl
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from labelmill.db.bulk.location import at_url
from labelmill.db.bulk.mariadb_wire import fetch_columns
from labelmill.db.bulk.sql import open_table
from labelmill.db.engine import make_engine
from labelmill.errors import Unavailable

COLUMNS = (
    "id INT PRIMARY KEY, whole BIGINT, above BIGINT UNSIGNED, filled INT(9) ZEROFILL, tiny TINYINT(1), yes BIT(1), f FLOAT, d DOUBLE, "
    "n DECIMAL(20,4), at DATETIME, fine DATETIME(6), t TEXT, three VARCHAR(300) CHARACTER SET utf8mb3, latin VARCHAR(300) CHARACTER SET latin1, "
    "b BLOB, x VARBINARY(300), c CHAR(9), e ENUM('a','好'), j JSON"
)


def rows_of(count, seed=3):
    """Return rows of random values, a third of them null, with texts and bytes around the lengths at which the protocol changes."""
    draw = random.Random(seed)

    def text(signs):
        return "".join(draw.choice(signs) for _ in range(draw.choice([0, 1, 5, 249, 250, 251, 252, 255, 256, 300])))

    for number in range(count):
        values = [
            draw.randint(-(2**63), 2**63 - 1),
            draw.randint(0, 2**64 - 1),
            draw.randint(0, 99_999),
            draw.choice([0, 1]),
            draw.choice([0, 1]),
            draw.uniform(-1e6, 1e6),
            draw.choice([0.1, -1e300, 5e-324, draw.gauss(0, 1)]),
            f"{draw.randint(-(10**14), 10**14)}.{draw.randint(0, 9999):04}",
            datetime(1000, 1, 1) + timedelta(seconds=draw.randrange(10**11)),
            datetime(1970, 1, 1) + timedelta(microseconds=draw.randrange(10**15)),
            text("a王👩 '\"\\\n\0") * draw.choice([1, 1, 40]),
            text("a王é"),
            text("aé"),
            draw.randbytes(draw.choice([0, 1, 250, 251, 60_000])),
            draw.randbytes(draw.choice([0, 1, 250, 251])),
            "c",
            draw.choice(["a", "好"]),
            '{"a": "王"}',
        ]
        yield (number, *(value if draw.random() < 0.7 else None for value in values))


@pytest.fixture
def engine(mariadb_database):
    engine = make_engine(mariadb_database)
    yield engine
    engine.dispose()


def test_every_value_is_what_the_driver_gives(engine):
    """Numbers, times, texts of three character sets, bytes: equal to PyMySQL's own, which takes them one by one."""
    rows = list(rows_of(400))
    marks = ", ".join(["%s"] * len(rows[0]))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE odd ({COLUMNS}) CHARACTER SET utf8mb4")
        connection.exec_driver_sql(f"INSERT INTO odd VALUES ({marks})", rows)
        told = connection.exec_driver_sql("SELECT * FROM odd ORDER BY id").fetchall()
    with open_table(at_url(engine.url, table="odd")) as source:
        frame = pl.concat(source.read([column.name for column in source.table.columns])).sort("id")
    wanted = pl.DataFrame([tuple(row) for row in told], orient="row", schema=list(frame.columns), infer_schema_length=None)
    assert frame["n"].to_list() == [None if value is None else str(value) for value in wanted["n"].to_list()]
    assert frame["yes"].to_list() == [None if value is None else value.hex() for value in wanted["yes"].to_list()]
    for name in set(frame.columns) - {"n", "yes"}:
        assert frame[name].to_list() == wanted[name].to_list(), name


def test_the_names_of_columns_are_no_patterns(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE odd (`^.*$` DATETIME, `*` INT, `row` TEXT, `place` TEXT)")
        connection.exec_driver_sql("INSERT INTO odd VALUES ('2020-01-01', 5, 'r', 'p')")
    with open_table(at_url(engine.url, table="odd")) as source:
        (frame,) = source.read(["^.*$", "*", "row", "place"])
    assert frame.rows(named=True) == [{"^.*$": datetime(2020, 1, 1), "*": 5, "row": "r", "place": "p"}]


@pytest.mark.parametrize("total", [0xFFFFFF - 1, 0xFFFFFF, 0xFFFFFF + 1, 2 * 0xFFFFFF, 3 * 0xFFFFFF + 5])
def test_a_row_longer_than_a_packet_is_whole(engine, total):
    """Rows of 16 MB and more come in several packets, the last of which may be empty."""
    lengths = [total // 4] * 3
    lengths.append(total - sum(lengths) - 4 * 4)  # each value has four bytes of length before it
    from pymysql.cursors import SSCursor

    driver = engine.raw_connection()
    cursor = SSCursor(driver.driver_connection)
    cursor.execute(
        f"SELECT {', '.join(f'REPEAT(CHAR(254), {length})' for length in lengths)} UNION ALL SELECT 'a', 'b', NULL, ''"
    )
    rows = [row for columns in fetch_columns(driver.driver_connection, 4) for row in zip(*columns, strict=True)]
    cursor._result.unbuffered_active = False
    driver.invalidate()
    assert [list(map(len, rows[0])), rows[1]] == [lengths, (b"a", b"b", None, b"")]
    assert all(value.strip(b"\xfe") == b"" for value in rows[0])


def test_a_reader_whose_connection_is_ended_says_so(engine):
    """A stream that the server ends in its midst is unavailable, never a shorter table."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE posts (id INT PRIMARY KEY, t TEXT)")
        connection.exec_driver_sql("INSERT INTO posts SELECT seq, REPEAT('x', 1000) FROM seq_1_to_60000")
    with open_table(at_url(engine.url, table="posts")) as source:
        frames = source.read(["id", "t"], batch_rows=100)
        next(frames)
        with engine.begin() as connection:
            query = sa.text(
                "SELECT id FROM information_schema.processlist WHERE db = :name AND id <> CONNECTION_ID() AND info LIKE 'SELECT%'"
            )
            for number in connection.scalars(query, {"name": engine.url.database}).all():
                connection.exec_driver_sql(f"KILL {number}")
        with pytest.raises(Unavailable):
            list(frames)


def test_a_password_of_strange_signs_opens_the_stream(engine):
    """Whatever a password holds, the reader connects as PyMySQL does."""
    user, password = "labelmill_strange", "p@ss:/?#[]%20 '\"\\王"
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE posts (id INT)")
        connection.exec_driver_sql("INSERT INTO posts VALUES (1)")
        connection.execute(sa.text(f"CREATE OR REPLACE USER {user}@'%' IDENTIFIED BY :password"), {"password": password})
        connection.exec_driver_sql(f"GRANT SELECT ON `{engine.url.database}`.* TO {user}@'%%'")
    try:
        url = make_url(engine.url.render_as_string(hide_password=False)).set(username=user, password=password)
        with open_table(at_url(url, table="posts")) as source:
            assert pl.concat(source.read(["id"])).rows() == [(1,)]
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP USER {user}@'%%'")


def test_an_answer_may_take_longer_than_the_greeting(mariadb_database):
    """Whoever does not greet is given up after seconds; a query may take its time."""
    engine = make_engine(mariadb_database)
    with engine.connect() as connection:
        assert connection.connection.driver_connection._read_timeout == 3600
        assert connection.scalar(sa.text("SELECT SLEEP(6)")) == 0
    engine.dispose()
