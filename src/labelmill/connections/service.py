"""The verbs on named connections: databases that label tasks may read and write, made by an administrator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError

from labelmill import clock
from labelmill.connections.files import below_data_dir
from labelmill.connections.model import NamedConnection, checked_name, checked_schemas
from labelmill.connections.tables import connections
from labelmill.db.bulk.location import Location, at_url, shown_url
from labelmill.errors import BadSettings, BadSource, Conflict, NotFound
from labelmill.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, RowMapping

    from labelmill.accounts.secret import Keys
    from labelmill.bootstrap import App
    from labelmill.settings import Settings

PURPOSE = "passwords of connections"
#: What may follow the ``?`` of a URL: nothing that names a file or runs something.
OPTIONS = frozenset({"sslmode", "charset", "application_name", "connect_timeout"})
LONGEST_URL = 2000


def add(
    connection: Connection,
    app: App,
    *,
    name: str,
    url: str,
    password: str | None = None,
    readable: Sequence[str] = (),
    writable: Sequence[str] = (),
    created_by: str | None = None,
    confined: bool = True,
) -> NamedConnection:
    """Add a connection and return it; its password is kept encrypted. ``confined`` is False for the local command line only.

    Raises BadSource for a URL that cannot be used and Conflict when the name is taken.
    """
    parsed = _checked_url(url, app.settings, confined=confined)
    opened = password if password is not None else parsed.password
    kind = parsed.get_backend_name()
    may_read, may_write = checked_schemas(readable, writable, kind)
    row = {
        "id": new_id(),
        "name": checked_name(name),
        "url": _without_password(parsed),
        "secret": app.keys.fernet(PURPOSE).encrypt(opened.encode()).decode() if opened else None,
        "readable": list(may_read),
        "writable": list(may_write),
        "confined": confined,
        "created_at": clock.now(),
        "created_by": created_by,
    }
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(connections).values(row))
    except IntegrityError as error:
        way_out = "Take another name, or remove that one first."
        raise Conflict(f"There is a connection {name!r} already.", where="name", way_out=way_out) from error
    return get(connection, name)


def get(connection: Connection, name: str) -> NamedConnection:
    """Return one connection; raises NotFound."""
    return get_from(get_row(connection, name))


def list_connections(connection: Connection, *, after: str = "", limit: int | None = None) -> list[NamedConnection]:
    """Return connections by name: all, or at most ``limit`` of those behind the name ``after``."""
    query = sa.select(connections).where(connections.c.name > after).order_by(connections.c.name).limit(limit)
    return [get_from(row) for row in connection.execute(query).mappings()]


def remove(connection: Connection, name: str) -> None:
    """Remove a connection; tables and files behind it stay as they are. Raises NotFound."""
    if connection.execute(sa.delete(connections).where(connections.c.name == name)).rowcount == 0:
        raise _missing(name)


def resolve(app: App, name: str, *, table: str | None = None, schema: str | None = None, write: bool = False) -> Location:
    """Return where ``table`` of the connection ``name`` is, password included.

    Raises NotFound for an unknown name and Forbidden for a schema that may not be read (or, with ``write``, written).
    """
    with app.database.read() as connection:
        row = get_row(connection, name)
    found = get_from(row)
    schema = found.schema(schema, write=write)
    url = opened_url(app.settings, app.keys, row)
    return at_url(url, table=table, schema=None if found.kind == "sqlite" else schema)


def opened_url(settings: Settings, keys: Keys, row: RowMapping) -> URL:
    """Return the URL of a connection's row with its password and its file's whole path."""
    url = make_url(row["url"])
    if row["secret"]:
        from cryptography.fernet import InvalidToken

        try:
            url = url.set(password=keys.fernet(PURPOSE).decrypt(row["secret"].encode()).decode())
        except InvalidToken as error:
            way_out = "Set the secret back to the one it had, or add the connection anew."
            message = "Its password was encrypted with another secret."
            raise BadSettings(message, where=f"connection {row['name']}", way_out=way_out) from error
    if row["confined"] and url.get_backend_name() == "sqlite":
        url = url.set(database=str(below_data_dir(settings, str(url.database))))
    return url


def _without_password(url: URL) -> str:
    # URL.set takes None for "as it was"
    return URL.create(url.drivername, url.username, None, url.host, url.port, url.database, url.query).render_as_string()


def _checked_url(text: str, settings: Settings, *, confined: bool) -> URL:
    url = _parsed(text)
    place = shown_url(url)
    at_url(url, table=None)  # refuses kinds that are not supported
    strange = sorted(set(url.query) - OPTIONS)
    if strange:
        raise BadSource(
            f"The option {strange[0]!r} may not be set.", where=place, way_out=f"These may: {', '.join(sorted(OPTIONS))}."
        )
    if url.get_backend_name() == "sqlite":
        return _checked_file(url, settings, confined=confined)
    if not url.host or not url.database:
        raise BadSource("The URL names no host or no database.", where=place, way_out="postgresql://user@host/database")
    return url


def _parsed(text: str) -> URL:
    way_out = "Write it like postgresql://user@host/database, mariadb://user@host/database or sqlite:///posts.db."
    if len(text) > LONGEST_URL or not text.isprintable():
        raise BadSource("This is not a database URL.", where="url", way_out=way_out)
    try:
        return make_url(text)
    except (ArgumentError, ValueError) as error:
        raise BadSource("This is not a database URL.", where="url", way_out=way_out) from error


def _checked_file(url: URL, settings: Settings, *, confined: bool) -> URL:
    name = url.database or ""
    if not name or name == ":memory:" or name.startswith("file:"):
        raise BadSource("The URL names no file.", where="url", way_out="Write it like sqlite:///posts.db.")
    path = below_data_dir(settings, name) if confined else Path(name).expanduser().absolute()
    if f"sqlite:///{path.resolve().as_posix()}" == settings.database_url:
        raise BadSource("This is the database in which labelmill keeps its own tables.", where="url")
    return url.set(database=name if confined else str(path))


def get_row(connection: Connection, name: str) -> RowMapping:
    """Return a connection's row, encrypted password included; raises NotFound."""
    row = connection.execute(sa.select(connections).where(connections.c.name == name)).mappings().one_or_none()
    if row is None:
        raise _missing(name)
    return row


def _missing(name: str) -> NotFound:
    return NotFound(f"There is no connection {name!r}.", way_out="`labelmill connection list` shows the connections.")


def get_from(row: RowMapping) -> NamedConnection:
    """Return the connection of a row."""
    values: dict[str, Any] = {field: row[field] for field in NamedConnection.__dataclass_fields__}
    return NamedConnection(**values | {"readable": tuple(row["readable"]), "writable": tuple(row["writable"])})
