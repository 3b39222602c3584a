"""A server gets the file that a statement of ours names, and no other file of this machine, whatever it asks for."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress

import polars as pl
import pytest
import sqlalchemy as sa

from labelmill.db.bulk.insert import insert_frame
from labelmill.db.engine import make_engine
from labelmill.db.local_files import may_send, sending
from labelmill.errors import BadSource

SECRET = b"the secret of this machine"
GREETING = (
    b"\x0a10.11.0-MariaDB\0\x01\0\0\0abcdefgh\0\xff\xf7\x2d\x02\0\xff\x81\x15"
    + b"\0" * 10
    + b"ijklmnopqrst\0mysql_native_password\0"
)
OK = b"\0\0\0\x02\0\0\0"


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    return path


@contextmanager
def hostile_server(wanted, honest):
    """Give the port of a server that answers ``honest`` statements properly and then asks for the file ``wanted``, and what it got."""
    got = bytearray()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        client, _ = listener.accept()
        client.settimeout(10)
        with client, client.makefile("rb") as stream:

            def take():
                head = stream.read(4)
                if len(head) < 4:
                    raise ConnectionError
                body = stream.read(int.from_bytes(head[:3], "little"))
                got.extend(body)
                return head[3], body

            def give(number, payload):
                client.sendall(len(payload).to_bytes(3, "little") + bytes([number % 256]) + payload)

            give(0, GREETING)
            give(take()[0] + 1, OK)
            for statement in range(100):
                number, body = take()
                if not body:
                    return
                give(number + 1, OK if statement < honest else b"\xfb" + str(wanted).encode())

    def quietly():
        with suppress(OSError):
            serve()

    thread = threading.Thread(target=quietly, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], got
    finally:
        listener.close()
        thread.join(10)


@pytest.mark.parametrize("honest", [0, 1, 2, 3])
def test_p20_a_server_that_asks_for_a_file_unasked_gets_none(secret, honest):
    """In answer to whichever statement, those that begin a connection included."""
    with hostile_server(secret, honest) as (port, got):
        engine = make_engine(f"mariadb://ann@127.0.0.1:{port}/shop")
        with pytest.raises(Exception), engine.connect() as connection:  # noqa: B017, PT011 - it breaks somewhere, which is all
            connection.exec_driver_sql("DELETE FROM posts")
        engine.dispose()
    assert got
    assert SECRET not in got


def connected(port):
    import pymysql
    from pymysql.constants import CLIENT

    return pymysql.connect(host="127.0.0.1", port=port, user="ann", client_flag=CLIENT.LOCAL_FILES, autocommit=None)


def test_p20_a_server_that_asks_for_another_file_than_the_named_one_gets_none(secret, tmp_path):
    """While one file may be sent, the server's wish for another ends the connection."""
    offered = tmp_path / "offered"
    offered.write_bytes(b"rows")
    with hostile_server(secret, 1) as (port, got):
        connection = connected(port)
        with pytest.raises(BadSource, match="not offered"), sending(connection, offered), connection.cursor() as cursor:
            cursor.execute(f"LOAD DATA LOCAL INFILE '{offered}' INTO TABLE posts")
        assert not connection.open
    assert SECRET not in got
    assert b"rows" not in got


def test_the_named_file_is_sent_and_then_none_any_more(secret):
    with hostile_server(secret, 1) as (port, got):
        connection = connected(port)
        assert may_send(connection)
        with sending(connection, secret), pytest.raises(Exception), connection.cursor() as cursor:  # noqa: B017, PT011 - it never says OK
            cursor.execute(f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE posts")
        assert not connection._local_infile
        connection._force_close()
    assert SECRET in got


def test_rows_go_by_file_on_our_engine_and_without_one_on_another(mariadb_database, monkeypatch):
    """The fast way is taken where both sides allow it: no test of values would tell that it is not."""
    from labelmill.db.bulk import insert

    loaded = []
    load = insert._load
    monkeypatch.setattr(insert, "_load", lambda *arguments: loaded.append(load(*arguments)) or loaded[-1])
    table = sa.Table("posts", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("t", sa.Text))
    for engine, way in ((make_engine(mariadb_database), [True]), (sa.create_engine(mariadb_database), [])):
        loaded.clear()
        table.create(engine, checkfirst=True)
        with engine.begin() as connection:
            insert_frame(connection, table, pl.DataFrame({"id": [1, 2], "t": ["a", None]}))
            assert connection.exec_driver_sql("UPDATE posts SET t = 'a' WHERE t = 'a'").rowcount >= 1
        engine.dispose()
        assert loaded == way


def test_a_password_outside_of_latin_1_opens_our_engine(mariadb_database):
    user, password = "labelmill_outside", "王's \\ p@ss"
    engine = make_engine(mariadb_database)
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE OR REPLACE USER {user}@'%' IDENTIFIED BY :password"), {"password": password})
    try:
        theirs = make_engine(engine.url.set(username=user, password=password, database="information_schema"))
        with theirs.connect() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        theirs.dispose()
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP USER {user}@'%%'")
        engine.dispose()
