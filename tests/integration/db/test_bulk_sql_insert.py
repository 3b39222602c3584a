"""Inserting frames into SQLite, PostgreSQL and MariaDB: every value as it was, in the caller's transaction, or an error that names the place."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.pool import NullPool

from labelmill.db.bulk import insert
from labelmill.db.bulk.insert import insert_frame
from labelmill.db.bulk.location import at_url
from labelmill.db.bulk.sql import open_table
from labelmill.db.engine import make_engine
from labelmill.db.types import Flag, UtcTime, name
from labelmill.errors import BadInput, BadSource

TEXTS = [
    "王小明",
    "Zoë 👩‍👩‍👧",
    "",
    None,
    "007",
    'it\'s "quoted"',
    '"',
    '""',
    "tab\there",
    "line\nbreak\r\n",
    "\r",
    "back\\slash\\",
    "\\N",
    "\\.",
    "NULL",
    "a,b;c",
    " ",
    "%s %(x)s",
]


PLACES = ("sqlite", "postgresql", "mariadb", "mariadb without files")
#: What SQLite has not.
on_servers = pytest.mark.parametrize("engine", PLACES[1:], indirect=True)


@pytest.fixture(params=PLACES)
def engine(request):
    """Labelmill's own engine; for MariaDB also one that may not load files, since rows go another way then."""
    kind, _, without = request.param.partition(" ")
    url = request.getfixturevalue(f"{kind}_database")
    engine = sa.create_engine(url, poolclass=NullPool) if without else make_engine(url)
    yield engine
    engine.dispose()


def make(engine, *columns, table="results", **options):
    table = sa.Table(table, sa.MetaData(), *columns, mysql_charset="utf8mb4", **options)
    table.create(engine)
    return table


def stored(engine, table):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(table.select().order_by(table.columns[0]))]


def put(engine, table, frame):
    with engine.begin() as connection:
        return insert_frame(connection, table, frame)


def number():
    return sa.Column("n", sa.Integer, primary_key=True, autoincrement=False)


def test_texts_arrive_unchanged(engine):
    """Emoji, CJK, nulls, empty texts, quotes, escapes and what looks like a null or an end are stored as they are."""
    table = make(engine, number(), sa.Column("author", sa.Text))
    frame = pl.DataFrame({"n": range(len(TEXTS)), "author": TEXTS})
    assert put(engine, table, frame) == len(TEXTS)
    assert stored(engine, table) == frame.rows()


def test_a_single_column_of_nulls_and_marks_arrives(engine):
    """A line that holds nothing, or only an end mark, is a row."""
    table = make(engine, sa.Column("author", sa.Text))
    put(engine, table, pl.DataFrame({"author": TEXTS}))
    with engine.connect() as connection:
        found = list(connection.scalars(table.select()))
    assert sorted(found, key=str) == sorted(TEXTS, key=str)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12), max_size=12
    )
)
def test_any_text_goes_in_and_comes_out(engine, texts):
    table = sa.Table("results", sa.MetaData(), number(), sa.Column("author", sa.Text), mysql_charset="utf8mb4")
    table.create(engine, checkfirst=True)
    with engine.begin() as connection:
        connection.execute(table.delete())
        insert_frame(
            connection,
            table,
            pl.DataFrame({"n": range(len(texts)), "author": texts}, schema={"n": pl.Int64, "author": pl.String}),
        )
    assert [row[1] for row in stored(engine, table)] == texts


def test_every_type_arrives(engine):
    columns = [
        number(),
        sa.Column("big", sa.BigInteger),
        sa.Column("real", sa.Double),
        sa.Column("yes", sa.Boolean),
        sa.Column("raw", sa.LargeBinary),
        sa.Column("day", sa.Date),
        sa.Column("word", sa.String(20)),
    ]
    table = make(engine, *columns)
    frame = pl.DataFrame(
        {
            "n": [0, 1, 2],
            "big": [2**63 - 1, -(2**63), None],
            "real": [0.1, -1e300, None],
            "yes": [True, False, None],
            "raw": [b"\x00\xff", b"", None],
            "day": [date(2020, 2, 29), date(1, 1, 1), None],
            "word": ["a", "b", None],
        },
        schema_overrides={"word": pl.Categorical},
    )
    put(engine, table, frame)
    assert stored(engine, table) == frame.rows()


def test_times_read_back_through_sqlalchemy_as_they_were(engine):
    """Plain times keep their microseconds; moments with a zone are the same moment."""
    kind = sa.DateTime().with_variant(sa.dialects.mysql.DATETIME(fsp=6), "mysql")
    table = make(engine, number(), sa.Column("plain", kind), sa.Column("moment", UtcTime))
    plain = [datetime(2020, 1, 1, 0, 0, 3), datetime(1999, 12, 31, 23, 59, 59, 999999), None]
    moments = [datetime(2020, 1, 1, 8, tzinfo=UTC), datetime(1969, 1, 1, 0, 0, 0, 1, tzinfo=UTC), None]
    frame = pl.DataFrame({"n": [0, 1, 2], "plain": plain, "moment": moments}).with_columns(
        pl.col("moment").dt.convert_time_zone("Asia/Taipei")
    )
    put(engine, table, frame)
    assert stored(engine, table) == list(zip(range(3), plain, moments, strict=True))


def test_sqlite_times_are_the_very_text_that_sqlalchemy_writes(tmp_path):
    engine = make_engine(f"sqlite:///{tmp_path / 'a.db'}")
    table = make(engine, number(), sa.Column("at", sa.DateTime))
    at = datetime(2020, 1, 1, 0, 0, 3)
    with engine.begin() as connection:
        connection.execute(table.insert(), {"n": 1, "at": at})
        insert_frame(connection, table, pl.DataFrame({"n": [2], "at": [at]}))
        texts = connection.exec_driver_sql("SELECT at FROM results").scalars().all()
    engine.dispose()
    assert texts == ["2020-01-01 00:00:03.000000"] * 2


def test_our_own_flag_is_one_or_zero(engine):
    table = make(engine, number(), sa.Column("done", Flag))
    put(engine, table, pl.DataFrame({"n": [0, 1], "done": [True, False]}))
    assert stored(engine, table) == [(0, True), (1, False)]


@on_servers
def test_decimals_keep_their_digits(engine):
    table = make(engine, number(), sa.Column("price", sa.Numeric(30, 5)))
    exact = Decimal("1234567890123456789.12345")
    put(engine, table, pl.DataFrame({"n": [1], "price": [exact]}))
    assert stored(engine, table) == [(1, exact)]


def test_zero_in_a_counting_key_stays_zero(engine):
    """MariaDB would make the next number of it."""
    table = make(engine, sa.Column("n", sa.Integer, primary_key=True, autoincrement=True), sa.Column("author", sa.Text))
    put(engine, table, pl.DataFrame({"n": [0, 5], "author": ["a", "b"]}))
    assert stored(engine, table) == [(0, "a"), (5, "b")]


def test_rows_vanish_with_their_transaction(engine):
    """Nothing is committed by the insert: with the ledger row on the same connection it stays or goes."""
    table = make(engine, number())
    ledger = make(engine, number(), table="ledger")
    with engine.connect() as connection:
        insert_frame(connection, table, pl.DataFrame({"n": range(100)}))
        connection.execute(ledger.insert(), {"n": 1})
        connection.rollback()
        assert (stored(engine, table), stored(engine, ledger)) == ([], [])
        insert_frame(connection, table, pl.DataFrame({"n": range(100)}))
        connection.execute(ledger.insert(), {"n": 1})
        connection.commit()
    assert (len(stored(engine, table)), len(stored(engine, ledger))) == (100, 1)


def test_rows_vanish_on_an_engine_that_is_not_ours(tmp_path):
    """On SQLite's usual driver settings, too, where a savepoint outside of a transaction would commit."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}", poolclass=NullPool)
    table = make(engine, number())
    with engine.connect() as connection:
        insert_frame(connection, table, pl.DataFrame({"n": [1]}))
        connection.rollback()
    assert stored(engine, table) == []


def test_a_refused_frame_leaves_the_transaction_as_it_was(engine):
    """A double key takes back its own frame only; the rows before it can be committed."""
    table = make(engine, number())
    with engine.begin() as connection:
        insert_frame(connection, table, pl.DataFrame({"n": [1]}))
        with pytest.raises(sa.exc.IntegrityError):
            insert_frame(connection, table, pl.DataFrame({"n": [2, 3, 1]}))
        insert_frame(connection, table, pl.DataFrame({"n": [4]}))
    assert stored(engine, table) == [(1,), (4,)]


def test_sqlite_says_that_the_disk_is_full_and_nothing_of_the_transaction_stays(tmp_path):
    """SQLite takes back all of it by itself: the error is about the disk, and later statements cannot slip in uncommitted work."""
    engine = make_engine(f"sqlite:///{tmp_path / 'a.db'}")
    table = make(engine, number(), sa.Column("author", sa.Text))
    ledger = make(engine, number(), table="ledger")
    frame = pl.DataFrame({"n": range(200_000)}).with_columns(author=pl.lit("x" * 100))
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100")
        connection.execute(ledger.insert(), {"n": 1})
        with pytest.raises(sa.exc.OperationalError, match="disk is full"):
            insert_frame(connection, table, frame)
        connection.execute(ledger.insert(), {"n": 2})
        connection.rollback()
        insert_frame(connection, table, frame.head(10))
        connection.commit()
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100")
    with pytest.raises(sa.exc.OperationalError, match="disk is full"):
        put(engine, table, frame.tail(199_000))
    assert (len(stored(engine, table)), stored(engine, ledger)) == (10, [])
    engine.dispose()


def test_mariadb_says_that_there_was_a_deadlock(mariadb_database):
    """The server takes back the transaction of the loser, its savepoints too: the error is the deadlock, on either way of writing."""
    for engine in (make_engine(mariadb_database), sa.create_engine(mariadb_database, poolclass=NullPool)):
        table = sa.Table("posts", sa.MetaData(), number(), mysql_engine="InnoDB")
        table.drop(engine, checkfirst=True)
        table.create(engine)
        with engine.connect() as loser, engine.connect() as winner, ThreadPoolExecutor(1) as threads:
            insert_frame(loser, table, pl.DataFrame({"n": [1]}))
            # The one that has changed more rows wins.
            insert_frame(winner, table, pl.DataFrame({"n": range(2, 500)}))
            number_of_loser = loser.exec_driver_sql("SELECT CONNECTION_ID()").scalar()
            waiting = threads.submit(insert_frame, loser, table, pl.DataFrame({"n": [2]}))
            _wait_for_a_lock(engine, number_of_loser)
            insert_frame(winner, table, pl.DataFrame({"n": [1]}))
            with pytest.raises(sa.exc.OperationalError, match="Deadlock"):
                waiting.result()
            winner.commit()
        assert len(stored(engine, table)) == 499
        engine.dispose()


def _wait_for_a_lock(engine, connection_id):
    """Other tests wait for locks of their own on the same server."""
    waiting = f"SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' AND trx_mysql_thread_id = {connection_id}"
    for _ in range(50):
        # Whoever asks more often than ten times a second gets the same answer for ever: the server keeps it for a tenth of a second.
        time.sleep(0.2)
        with engine.connect() as connection:
            if connection.exec_driver_sql(waiting).scalar():
                return
    raise AssertionError


def test_postgresql_says_that_the_connection_was_ended(postgresql_database):
    """Where nothing can be taken back any more, the error is still the one that came first."""
    engine = make_engine(postgresql_database)
    table = make(engine, number())
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'"
        )
        connection.exec_driver_sql("CREATE TRIGGER leaving BEFORE INSERT ON results FOR EACH ROW EXECUTE FUNCTION leave()")
    with pytest.raises(sa.exc.OperationalError, match="administrator command"):
        put(engine, table, pl.DataFrame({"n": [1]}))
    assert stored(engine, table) == []
    engine.dispose()


def test_a_null_where_none_may_be_is_refused(engine):
    """LOAD DATA LOCAL would store an empty text and only warn."""
    table = make(engine, number(), sa.Column("author", sa.String(20), nullable=False))
    with pytest.raises(sa.exc.IntegrityError):
        put(engine, table, pl.DataFrame({"n": [1, 2], "author": ["a", None]}))
    assert stored(engine, table) == []


def test_an_empty_frame_is_no_work_but_its_columns_are_checked(engine):
    table = make(engine, number())
    assert put(engine, table, pl.DataFrame({"n": []}, schema={"n": pl.Int64})) == 0
    with pytest.raises(BadSource, match="'m'"):
        put(engine, table, pl.DataFrame({"m": []}, schema={"m": pl.Int64}))


def test_many_rows_in_several_chunks_all_arrive(engine, monkeypatch):
    monkeypatch.setattr(insert, "CHUNK_ROWS", 1_000)
    table = make(engine, number(), sa.Column("author", sa.Text))
    frame = pl.DataFrame({"n": range(4_500)}).with_columns(author=pl.format("王 {}\n", "n"))
    put(engine, table, frame)
    assert stored(engine, table) == frame.rows()


def test_what_is_inserted_is_read_back_as_a_source(engine):
    """The two halves agree with each other."""
    table = make(engine, number(), sa.Column("author", sa.Text))
    frame = pl.DataFrame({"n": range(len(TEXTS)), "author": TEXTS})
    put(engine, table, frame)
    with open_table(at_url(engine.url, table="results")) as source:
        assert pl.concat(source.read(["n", "author"])).sort("n").rows() == frame.rows()


@pytest.mark.parametrize(
    "table_name", ['a"; DROP TABLE victim; --', "select", "it's", "back`tick", "100% %s", "名前", "x" * 60]
)
def test_p20_hostile_names_of_results_are_only_names(engine, table_name):
    make(engine, number(), table="victim")
    column = f"{table_name[:59]}c"
    table = make(engine, number(), sa.Column(column, sa.Text), table=table_name)
    put(engine, table, pl.DataFrame({"n": [1], column: ["'; DROP TABLE victim; --"]}))
    assert stored(engine, table) == [(1, "'; DROP TABLE victim; --")]
    assert sa.inspect(engine).has_table("victim")


def test_a_text_longer_than_its_column_is_named_and_not_cut(engine):
    """The error says column and row, and nothing is stored; SQLite has no such limit and keeps the text."""
    table = make(engine, number(), sa.Column("author", name(5)))
    frame = pl.DataFrame({"n": range(3), "author": ["12345", "王小明王小", "123456"]})
    if engine.dialect.name == "sqlite":
        put(engine, table, frame)
        assert stored(engine, table) == frame.rows()
        return
    with pytest.raises(BadInput, match="longer than the 5 characters") as caught:
        put(engine, table, frame)
    assert caught.value.where == "row 3 of this batch, column 'author'"
    assert caught.value.details == {"column": "author", "row": 3}
    assert stored(engine, table) == []


@on_servers
@pytest.mark.parametrize("bad", [1, 2, 700, 1_000])
def test_a_text_that_only_the_database_knows_to_be_too_long_is_named_too(engine, monkeypatch, bad):
    """The table that is there is narrower than the one that was expected: row and column are found, the transaction goes on."""
    monkeypatch.setattr(insert, "CHUNK_ROWS", 300)
    make(engine, number(), sa.Column("author", sa.String(5)), sa.Column("note", sa.Text))
    table = sa.Table("results", sa.MetaData(), number(), sa.Column("author", sa.Text), sa.Column("note", sa.Text))
    frame = pl.DataFrame({"n": range(1, 1_001)}).with_columns(
        author=pl.when(pl.col("n") >= bad).then(pl.lit("column note: x")).otherwise(pl.lit("fine")), note=pl.lit("two\nlines")
    )
    with engine.begin() as connection:
        with pytest.raises(BadInput, match="too long") as caught:
            insert_frame(connection, table, frame)
        insert_frame(connection, table, frame.head(bad - 1))
    assert caught.value.where == f"row {bad} of this batch, column 'author'"
    assert caught.value.details == {"column": "author", "row": bad}
    assert caught.value.way_out
    assert len(stored(engine, table)) == bad - 1


def test_values_that_some_databases_change_in_silence_are_refused_by_all(engine):
    table = make(engine, number(), sa.Column("real", sa.Double))
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(BadInput, match="row 2 of this batch, column 'real'"):
            put(engine, table, pl.DataFrame({"n": [1, 2], "real": [1.0, wrong]}))
    with pytest.raises(BadInput, match="column 'n'"):
        put(engine, table, pl.DataFrame({"n": ["one"]}))
    with pytest.raises(BadInput, match="column 'n'"):
        put(engine, table, pl.DataFrame({"n": [[1]]}))
    assert stored(engine, table) == []


def test_numbers_that_do_not_fit_are_bad_input(engine):
    """The row is named, whether the driver or the database refuses."""
    table = make(engine, number(), sa.Column("big", sa.BigInteger))
    frame = pl.DataFrame({"n": [1, 2, 3], "big": [0, 2**64 - 1, 0]}, schema_overrides={"big": pl.UInt64})
    with pytest.raises(BadInput, match="row 2 of this batch"):
        put(engine, table, frame)
    assert stored(engine, table) == []


def test_nul_characters(engine):
    """PostgreSQL cannot store one: the error names the place. The others keep it."""
    table = make(engine, number(), sa.Column("author", sa.Text))
    frame = pl.DataFrame({"n": [1, 2], "author": ["fine", "a\0b"]})
    if engine.dialect.name == "postgresql":
        with pytest.raises(BadInput, match=r"row 2 of this batch, column 'author'.*NUL"):
            put(engine, table, frame)
    else:
        put(engine, table, frame)
        assert stored(engine, table) == frame.rows()


def test_a_table_that_is_not_there_is_a_bad_source(engine):
    table = sa.Table("missing", sa.MetaData(), number())
    with pytest.raises(BadSource, match="missing"):
        put(engine, table, pl.DataFrame({"n": [1]}))


def test_a_column_that_the_database_lacks_is_a_bad_source(engine):
    make(engine, number())
    table = sa.Table("results", sa.MetaData(), number(), sa.Column("author", sa.Text))
    with pytest.raises(BadSource, match="author"):
        put(engine, table, pl.DataFrame({"n": [1], "author": ["x"]}))


def test_mariadb_says_when_emoji_do_not_fit_an_old_character_set(mariadb_database):
    """A column in three-byte utf8 refuses a smiley instead of storing question marks, on either way of writing."""
    for engine in (make_engine(mariadb_database), sa.create_engine(mariadb_database, poolclass=NullPool)):
        table = sa.Table("old", sa.MetaData(), number(), sa.Column("author", sa.String(20)), mysql_charset="utf8mb3")
        table.create(engine, checkfirst=True)
        with pytest.raises(BadInput, match="author"):
            put(engine, table, pl.DataFrame({"n": [1, 2], "author": ["王", "🙂"]}))
        assert stored(engine, table) == []
        engine.dispose()


def test_mariadb_counts_the_bytes_of_a_text_column(mariadb_database):
    engine = make_engine(mariadb_database)
    table = make(engine, number(), sa.Column("author", sa.Text))
    with pytest.raises(BadInput, match="row 1 of this batch, column 'author'"):
        put(engine, table, pl.DataFrame({"n": [1], "author": ["王" * 21_846]}))
    put(engine, table, pl.DataFrame({"n": [1], "author": ["王" * 21_845]}))
    engine.dispose()


def test_mariadb_uses_the_fast_way_only_where_both_sides_allow_it(mariadb_database):
    """An engine without the client's permission never sends LOAD DATA."""
    for engine, fast in (
        (make_engine(mariadb_database), True),
        (sa.create_engine(mariadb_database, poolclass=NullPool), False),
    ):
        said = []
        sa.event.listen(engine, "before_cursor_execute", lambda *call, said=said: said.append(call[2]))
        table = make(engine, number(), table=f"fast_{fast}")
        put(engine, table, pl.DataFrame({"n": [1]}))
        assert any(statement.startswith("LOAD DATA") for statement in said) is fast
        assert stored(engine, table) == [(1,)]
        engine.dispose()
