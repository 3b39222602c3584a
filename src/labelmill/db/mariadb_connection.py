"""Connections to MariaDB and MySQL that share one TLS context, and wait for a first word no longer than for the connection itself."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import event

if TYPE_CHECKING:
    import ssl

    from sqlalchemy.engine import Engine


def share_tls(engine: Engine) -> None:
    """Let the connections of ``engine``, of PyMySQL, that ask nothing special of TLS use one TLS context of this process."""
    event.listen(engine, "do_connect", _connect)


def _connect(_dialect: Any, _entry: Any, arguments: Any, options: Any) -> Any:
    # The greeting comes at once or never; what may take an hour is the answer to a query.
    first_word = options.get("connect_timeout", options.get("read_timeout"))
    connection = _connection_class()(*arguments, **{**options, "read_timeout": first_word})
    connection._read_timeout = options.get("read_timeout")  # noqa: SLF001 - PyMySQL offers no other way
    return connection


@cache
def _connection_class() -> Any:
    from pymysql.connections import Connection

    class SharingConnection(Connection):
        _shared: ClassVar[ssl.SSLContext | None] = None

        # PyMySQL makes a context for each connection: 25 ms, although it checks no certificate unless it is told to.
        def _create_ssl_ctx(self, wanted: Any) -> ssl.SSLContext:
            if wanted:
                return super()._create_ssl_ctx(wanted)  # type: ignore[misc,no-any-return]
            if SharingConnection._shared is None:
                SharingConnection._shared = super()._create_ssl_ctx(wanted)  # type: ignore[misc]
            return SharingConnection._shared

    return SharingConnection
