"""Wrong places, names and files for tables: each a clear error with a way out, without a password in it, and nothing made."""

from __future__ import annotations

import shutil
import sqlite3
import traceback

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from labelmill.db.bulk.location import at_url, parse_location
from labelmill.db.bulk.sql import open_table
from labelmill.db.bulk.sql_source import explain
from labelmill.db.engine import make_engine
from labelmill.errors import BadFile, BadSource, LabelmillError, Unavailable

SECRET = "hunter2-s3cret"


@pytest.fixture
def engine(database_url):
    engine = make_engine(database_url)
    with engine.begin() as connection:
        for table in ("posts", "comments", "authors"):
            connection.exec_driver_sql(f"CREATE TABLE {table} (id INTEGER, author TEXT)")
    yield engine
    engine.dispose()


def test_a_missing_table_is_answered_with_those_there_are_the_likeliest_first(engine):
    with pytest.raises(BadSource, match="'postss'") as caught:
        open_table(at_url(engine.url, table="postss"))
    assert "Name one of: " in caught.value.way_out
    assert caught.value.way_out.split(": ")[1].split(", ")[0].rpartition(".")[2] == "posts"
    assert "authors" in caught.value.way_out


def test_no_table_named_among_several_lists_them(engine):
    with pytest.raises(BadSource, match="several") as caught:
        open_table(at_url(engine.url, table=None))
    assert all(table in caught.value.way_out for table in ("posts", "comments", "authors"))


def test_a_missing_column_is_answered_with_those_there_are(engine):
    with open_table(at_url(engine.url, table="posts")) as source, pytest.raises(BadSource, match="'autor'") as caught:
        source.read(["autor"])
    assert caught.value.way_out == "The columns are: id, author."


@pytest.mark.parametrize("columns", [[], ["id", "id"]])
def test_no_column_and_the_same_twice_are_refused(engine, columns):
    with open_table(at_url(engine.url, table="posts")) as source, pytest.raises(BadSource):
        source.read(columns)


def test_p20_a_statement_as_a_table_name_is_only_a_name_that_is_not_there(engine):
    with pytest.raises(BadSource, match="no table"):
        open_table(at_url(engine.url, table='posts"; DROP TABLE posts; --'))
    assert sa.inspect(engine).has_table("posts")


def test_a_table_that_goes_away_is_an_error_of_ours(engine):
    """Whoever drops the table between planning and reading causes an error with a code, not a driver's."""
    with open_table(at_url(engine.url, table="posts")) as source:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE posts")
        with pytest.raises(LabelmillError):
            list(source.read(["id"]))


def test_a_missing_file_is_not_made(tmp_path):
    path = tmp_path / "missing.db"
    with pytest.raises(BadSource, match="no such file") as caught:
        open_table(parse_location(f"{path}::posts"))
    assert caught.value.way_out
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_database(tmp_path):
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(BadSource, match="folder"):
        open_table(parse_location(f"{tmp_path / 'folder.db'}::posts"))


@pytest.mark.parametrize("content", [b"id,author\n1,x\n" * 100, b"SQLite format 3\0" + b"\xff" * 4000, b"\0" * 4096])
def test_a_file_that_is_no_database_is_named(tmp_path, content):
    path = tmp_path / "posts.db"
    path.write_bytes(content)
    with pytest.raises((BadFile, BadSource), match=r"posts\.db"):
        open_table(parse_location(f"{path}::posts"))
    assert path.read_bytes() == content


def test_an_empty_file_holds_no_tables(tmp_path):
    path = tmp_path / "posts.db"
    path.touch()
    with pytest.raises(BadSource, match="no tables"):
        open_table(parse_location(str(path)))


def test_a_damaged_page_ends_in_an_error_of_ours(tmp_path):
    path = tmp_path / "posts.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE posts (id INTEGER PRIMARY KEY, author TEXT)")
    connection.executemany("INSERT INTO posts VALUES (?, ?)", [(number, "x" * 100) for number in range(2_000)])
    connection.commit()
    connection.close()
    content = bytearray(path.read_bytes())
    content[20 * 4096 : 40 * 4096] = b"\xff" * (20 * 4096)
    path.write_bytes(content)
    with open_table(parse_location(f"{path}::posts")) as source, pytest.raises(LabelmillError):
        list(source.read(["id", "author"]))


@pytest.mark.parametrize("name", ["what?.db", "a#b.db", "100%.db", "名前.db", "with space.db"])
def test_odd_file_names_are_opened(tmp_path, name):
    """What means something in a URI is only a character of a file's name."""
    plain = tmp_path / "plain.db"
    connection = sqlite3.connect(plain)
    connection.execute("CREATE TABLE posts (id INTEGER)")
    connection.execute("INSERT INTO posts VALUES (1)")
    connection.commit()
    connection.close()
    shutil.copy(plain, tmp_path / name)
    with open_table(at_url(sa.URL.create("sqlite", database=str(tmp_path / name)), table="posts")) as source:
        assert [frame.rows() for frame in source.read(["id"])] == [[(1,)]]


@pytest.mark.parametrize("url", [f"postgresql://ann:{SECRET}@127.0.0.1:1/shop", f"mariadb://ann:{SECRET}@127.0.0.1:1/shop"])
def test_a_server_that_does_not_answer_is_unavailable_and_no_password_is_told(url):
    with pytest.raises(Unavailable) as caught:
        open_table(parse_location(f"{url}::posts"))
    assert caught.value.way_out
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in str(caught.value.as_problem())


def test_a_wrong_user_or_password_is_a_bad_source_and_no_password_is_told(postgresql_url, mariadb_url):
    for server in (postgresql_url, mariadb_url):
        url = make_url(server).set(username="nobody_of_that_name", password=SECRET)
        with pytest.raises(BadSource) as caught:
            open_table(at_url(url, table="posts"))
        assert "password" in caught.value.way_out
        assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["password", "PASSWORD", "passwd", "sslpassword", "ssl_key_password", "secret", "auth_token"])
@pytest.mark.parametrize("url", ["postgresql://ann@host/db", "mariadb://ann@host/db", "sqlite:///posts.db"])
def test_a_secret_in_the_query_of_a_url_is_refused_and_not_told(url, name):
    """It would be shown wherever the place is; there is a place for passwords."""
    with pytest.raises(BadSource, match=name) as caught:
        parse_location(f"{url}?connect_timeout=5&{name}={SECRET}&{name}=a%20{SECRET}::posts")
    assert "user:password@host" in caught.value.way_out
    assert "connect_timeout=5" in caught.value.where
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in str(caught.value.as_problem())


@pytest.mark.parametrize("name", ["passfile", "sslkey", "ssl_key"])
def test_the_name_of_a_file_with_a_secret_is_no_secret_to_refuse(name):
    """It is masked where it is shown all the same, and everything else of the query is shown."""
    location = parse_location(f"postgresql://ann:{SECRET}@host/db?{name}=/srv/ann/file&sslmode=require::posts")
    assert location.url.query[name] == "/srv/ann/file"
    assert str(location) == f"postgresql://ann:***@host/db?{name}=***&sslmode=require::posts"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("mariadb://ann@host/db", "mariadb://ann@host/db"), ("mysql://ann@host:3307/db", "mariadb://ann@host:3307/db"),
        ("mysql+pymysql://ann@host/db", "mariadb://ann@host/db"), ("postgres://ann@host/db", "postgresql://ann@host/db"),
        ("postgresql+psycopg://ann@host/db", "postgresql://ann@host/db"), ("sqlite:///posts.db", "sqlite:///posts.db"),
    ],
)  # fmt: skip
def test_a_place_is_shown_in_the_words_that_people_write(written, shown):
    """Not in those of drivers; what is shown means the same place when it is typed again."""
    location = parse_location(f"{written}::posts")
    assert str(location) == f"{shown}::posts"
    assert parse_location(str(location)) == location


@pytest.mark.parametrize("query", [{"password": SECRET}, {"Token": (SECRET, f"2{SECRET}")}, {"api_key": SECRET}])
def test_a_secret_in_the_query_is_masked_however_the_location_was_made(query):
    url = make_url("postgresql://ann@host/db?sslmode=require").update_query_dict(query)
    assert SECRET not in str(at_url(url, table="posts"))
    assert "sslmode=require" in str(at_url(url, table="posts"))
    with pytest.raises(BadSource, match="not supported") as caught:
        at_url(url.set(drivername="oracle"), table="posts")
    assert SECRET not in str(caught.value)


def test_a_driver_that_repeats_a_secret_of_the_query_is_masked():
    url = make_url(f"postgresql://ann:short@host/db?password={SECRET}&token=short2{SECRET}")
    error = explain(ValueError(f"no: short {SECRET} short2{SECRET}"), at_url(url, table="posts"))
    assert error.message.endswith("no: *** *** ***.")


def test_a_missing_database_is_a_bad_source(postgresql_url, mariadb_url):
    for server in (postgresql_url, mariadb_url):
        with pytest.raises(BadSource, match="no_such_database"):
            open_table(at_url(make_url(server).set(database="no_such_database"), table="posts"))
