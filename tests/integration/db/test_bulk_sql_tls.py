"""Connections to MariaDB share a TLS context only where nothing is asked of TLS: what is asked for holds."""

from __future__ import annotations

import ssl

import pytest
from sqlalchemy.engine import make_url

from labelmill.db.bulk.location import at_url
from labelmill.db.bulk.sql import open_table
from labelmill.db.engine import make_engine
from labelmill.db.mariadb_connection import _connection_class


@pytest.fixture
def contexts(monkeypatch):
    """The contexts that connections are made with from here on, in their order; none is left of those before."""
    made = []
    kind = _connection_class()
    create = kind._create_ssl_ctx
    monkeypatch.setattr(kind, "_shared", None)
    monkeypatch.setattr(kind, "_create_ssl_ctx", lambda self, wanted: made.append(create(self, wanted)) or made[-1])
    return made


def connect(engine):
    with engine.connect() as connection:
        return connection.exec_driver_sql("SELECT 1").scalar()


def test_connections_that_ask_nothing_of_tls_share_one_context(mariadb_database, contexts):
    """Those of a source and those of our own engine; as PyMySQL's own, it checks no certificate."""
    engine = make_engine(mariadb_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE posts (id INT)")
    with open_table(at_url(make_url(mariadb_database), table="posts")) as source:
        assert list(source.read(["id"])) == []
    engine.dispose()
    assert len(contexts) >= 3
    assert len(set(map(id, contexts))) == 1
    assert contexts[0].verify_mode is ssl.CERT_NONE


def test_a_url_that_asks_for_certificates_has_a_context_of_its_own_that_checks(mariadb_database, contexts, tmp_path):
    """Also after connections that asked for nothing: the server here has no certificate, so it is refused."""
    lenient = make_engine(mariadb_database)
    connect(lenient)
    lenient.dispose()
    bundle = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    strict = make_engine(make_url(mariadb_database).update_query_dict({"ssl_ca": bundle, "ssl_check_hostname": "true"}))
    with pytest.raises(Exception, match=r"(?i)ssl"):
        connect(strict)
    strict.dispose()
    assert contexts[0] is not contexts[-1]
    assert contexts[-1].verify_mode is ssl.CERT_REQUIRED
