"""PostgreSQL in binary form: what goes in comes out as insert_frame would have stored it, whole or not at all."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl
import pytest
import sqlalchemy as sa
from adbc_driver_manager import AdbcStatement

from labelmill.db.bulk.arrow_stream import read_stream
from labelmill.db.bulk.insert import insert_frame
from labelmill.db.bulk.location import at_url
from labelmill.db.bulk.postgresql_adbc import BinaryInsert, NotInserted, connect
from labelmill.db.bulk.sql import open_table
from labelmill.db.engine import make_engine
from labelmill.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labelmill.db.bulk.location import Location

TEXTS = ["王小明", "Zoë 👩‍👩‍👧", "", None, "007", 'it\'s "quoted"', "\\N", "\\.", "a,b\r\n", "%s %(x)s", "x" * 300_000]
TIMES = [datetime(2020, 1, 1, 0, 0, 0, 1), datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999), None]


@pytest.fixture
def engine(postgresql_database: str) -> Iterator[sa.Engine]:
    engine = make_engine(postgresql_database)
    yield engine
    engine.dispose()


@pytest.fixture
def binary(engine: sa.Engine) -> Iterator[BinaryInsert]:
    binary = BinaryInsert(engine)
    yield binary
    binary.close()


def make(engine: sa.Engine, name: str = 'odd "name" %s', schema: str | None = None) -> sa.Table:
    columns = [
        sa.Column("n", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("t'%", sa.Text),
        sa.Column("at", sa.DateTime),
    ]
    table = sa.Table(name, sa.MetaData(schema=schema), *columns)
    table.create(engine)
    return table


def stored(engine: sa.Engine, table: sa.Table) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(table).order_by(table.c.n))]


def place(engine: sa.Engine, table: str) -> Location:
    return at_url(engine.url, table=table)


def put(binary: BinaryInsert, table: sa.Table, *frames: pl.DataFrame, then: Callable[[], object] = lambda: None) -> None:
    """Insert the frames in one transaction, and do something before the last."""
    with binary.transaction():
        for number, each in enumerate(frames, 1):
            if number == len(frames):
                then()
            binary.append(table, each)


def frame() -> pl.DataFrame:
    times = (TIMES * len(TEXTS))[: len(TEXTS)]
    return pl.DataFrame({"t'%": TEXTS, "at": times}, schema={"t'%": pl.String(), "at": pl.Datetime("us")})


def test_both_ways_store_the_same(engine: sa.Engine, binary: BinaryInsert) -> None:
    quick, slow = make(engine), make(engine, "slow")
    with binary.transaction():
        binary.append(quick, frame())
    with engine.begin() as connection:
        insert_frame(connection, slow, frame())
    assert stored(engine, quick) == stored(engine, slow)
    assert [row[1] for row in stored(engine, quick)] == TEXTS


def test_a_frame_of_several_chunks_and_a_slice_go_whole(engine: sa.Engine, binary: BinaryInsert) -> None:
    table = make(engine, "posts")
    with binary.transaction():
        binary.append(table, pl.concat([frame(), frame().head(0), frame()], rechunk=False))
        binary.append(table, frame().slice(2, 3))
        binary.append(table, frame().head(0))
    assert len(stored(engine, table)) == 2 * len(TEXTS) + 3


def test_a_table_of_another_schema_is_found(engine: sa.Engine, binary: BinaryInsert) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text('CREATE SCHEMA "other Place"'))
    table = make(engine, "posts", "other Place")
    with binary.transaction():
        binary.append(table, frame())
    assert len(stored(engine, table)) == len(TEXTS)


def test_an_error_in_the_block_takes_everything_back_and_the_next_goes_on(engine: sa.Engine, binary: BinaryInsert) -> None:
    table = make(engine, "posts")
    with pytest.raises(ZeroDivisionError):
        put(binary, table, frame(), frame(), then=lambda: 1 / 0)
    assert stored(engine, table) == []
    with binary.transaction():
        binary.append(table, frame().head(1))
    assert len(stored(engine, table)) == 1


@pytest.mark.parametrize("wrong", ["a\0b", None])
def test_what_the_server_refuses_takes_everything_back(engine: sa.Engine, binary: BinaryInsert, wrong: str | None) -> None:
    table = make(engine, "posts")
    with engine.begin() as connection:
        connection.execute(sa.text("""ALTER TABLE posts ALTER COLUMN "t'%" SET NOT NULL"""))
    with pytest.raises(NotInserted):
        put(binary, table, frame().head(3), frame().head(3).with_columns(pl.Series("t'%", ["a", wrong, "b"])))
    assert stored(engine, table) == []


def test_a_connection_that_was_ended_is_told_and_replaced(engine: sa.Engine, binary: BinaryInsert) -> None:
    table = make(engine, "posts")

    def end_others() -> None:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with engine.connect() as connection:
            connection.execute(sa.text(others))
        time.sleep(0.1)

    with pytest.raises(NotInserted):
        put(binary, table, frame(), frame(), then=end_others)
    with binary.transaction():
        binary.append(table, frame())
    assert len(stored(engine, table)) == len(TEXTS)


def test_nothing_is_left_open_between_transactions(engine: sa.Engine, binary: BinaryInsert) -> None:
    with binary.transaction():
        binary.append(make(engine, "posts"), frame())
    with engine.connect() as connection:
        states = connection.scalars(
            sa.text("SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        )
        assert set(states) == {"idle"}


@pytest.mark.parametrize(
    ("declared", "dtype", "taken"),
    [
        ("text", pl.String(), True),
        ("varchar(40)", pl.String(), True),
        ("timestamp", pl.Datetime("us"), True),
        # Eight bytes are eight bytes: these would be stored, as something else.
        ("bigint", pl.Datetime("us"), False),
        ("double precision", pl.Datetime("us"), False),
        ("timestamptz", pl.Datetime("us"), False),
        ("timestamp", pl.Datetime("ms"), False),
        ("jsonb", pl.String(), False),
        ("bytea", pl.String(), False),
        ("name", pl.String(), False),
    ],
)
def test_only_columns_of_the_very_type_are_taken(engine: sa.Engine, declared: str, dtype: pl.DataType, taken: bool) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE posts (c {declared})"))
    [column] = sa.inspect(engine).get_columns("posts")
    assert BinaryInsert.takes(column["type"], dtype) is taken


def test_a_stream_gives_its_batches_and_others_run_meanwhile(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE VIEW slow AS SELECT n, pg_sleep(0.3)::text AS t FROM generate_series(1, 2) AS n"))
    ticks, ended = [0], threading.Event()

    def tick() -> None:
        while not ended.wait(0.005):
            ticks[0] += 1

    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        with open_table(place(engine, "slow")) as source:
            frames = list(source.read(["n"]))
    finally:
        ended.set()
        ticker.join()
    assert pl.concat(frames)["n"].to_list() == [1, 2]
    assert ticks[0] > 20


def test_a_stream_that_fails_on_the_way_says_why(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE VIEW broken AS SELECT 1 / (50000 - n) AS t FROM generate_series(1, 100000) AS n"))
    with pytest.raises(Unavailable, match="division by zero"), open_table(place(engine, "broken")) as source:
        list(source.read(["t"]))


def test_reads_of_one_source_share_a_connection_that_is_closed_with_it(engine: sa.Engine) -> None:
    """A read that breaks off gives up its connection, the next one gets another; nothing holds a transaction between reads."""
    table = make(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(table), [{"t'%": "x" * 100}] * 60_000)

    def readers() -> list[tuple[int, str]]:
        asked = "SELECT pid, state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with engine.connect() as connection:
            return [(row.pid, row.state) for row in connection.execute(sa.text(asked))]

    with open_table(place(engine, table.name)) as source:
        assert sum(frame.height for frame in source.read(["n"])) == 60_000
        first = readers()
        assert sum(frame.height for frame in source.read(["n"])) == 60_000
        assert [state for _, state in first] == ["idle"]
        assert readers() == first
        broken = source.read(["n", "t'%"], batch_rows=100)
        next(broken)
        broken.close()  # type: ignore[attr-defined]
        assert sum(frame.height for frame in source.read(["n"])) == 60_000
        assert set(readers()).isdisjoint(first)
    deadline = time.monotonic() + 30
    while readers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert readers() == []


def test_the_server_of_a_url_without_a_host_is_the_one_that_psycopg_finds(postgresql_database: str) -> None:
    """Each brings a library of its own, which looks for the socket in another folder."""
    url = sa.make_url(postgresql_database)
    bare = sa.URL.create(url.drivername, url.username, url.password, None, url.port, url.database)
    engine = sa.create_engine(bare, connect_args={"host": url.host}, poolclass=sa.NullPool)
    with connect(engine) as connection, AdbcStatement(connection) as statement:
        statement.set_sql_query("SELECT current_database()::text AS name")
        (frame,) = read_stream(statement.execute_query()[0])
    assert frame.rows() == [(url.database,)]
