"""PostgreSQL through ADBC: columns in the server's binary form, to and from Arrow."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect

from labelmill.db.engine import CONNECT_SECONDS, LOCK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adbc_driver_manager import AdbcConnection
    from sqlalchemy.engine import Dialect, Engine

#: The base dialect: that of psycopg doubles each per cent sign, which ADBC would take as two.
DIALECT: Dialect = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
_SESSION = "-c timezone=UTC -c client_encoding=UTF8 -c standard_conforming_strings=on"


class EscapedText(sa.TypeDecorator[str]):
    """Text whose literals are the same text whatever the server takes a backslash for."""

    impl = sa.Text
    cache_ok = True

    def literal_processor(self, dialect: Dialect) -> Callable[[str], str]:  # noqa: ARG002 - SQLAlchemy's form
        return lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def written_out(statement: sa.ClauseElement) -> str:
    """Return a statement with its values as literals: COPY takes no parameters."""
    return str(statement.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True}))


@contextmanager
def connect(engine: Engine, *options: str) -> Iterator[AdbcConnection]:
    """Give a connection to the database of a PostgreSQL engine, with more ``options`` of the session (``-c name=value``)."""
    import adbc_driver_manager
    import adbc_driver_postgresql
    from psycopg.conninfo import make_conninfo

    _, arguments = engine.dialect.create_connect_args(engine.url)
    # The rest is psycopg's own.
    known: dict[str, Any] = {name: value for name, value in arguments.items() if isinstance(value, (str, int))}
    known |= {"options": " ".join([_SESSION, *options]), "connect_timeout": CONNECT_SECONDS, "application_name": "labelmill"}
    if not {"host", "hostaddr", "service"} & set(known):
        known["host"] = _usual_host(engine)
    with (
        adbc_driver_postgresql.connect(make_conninfo(**known)) as database,
        adbc_driver_manager.AdbcConnection(database) as connection,
    ):
        yield connection


def _usual_host(engine: Engine) -> str:
    """Return where psycopg finds the server of a URL without a host: the library of ADBC looks for its socket in another folder."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        return str(driver.info.host)


class NotInserted(Exception):
    """The server or the driver refused, or went away; of the transaction nothing is there, unless it was lost while it was committed."""


class BinaryInsert:
    """Inserts frames into tables of PostgreSQL in binary form, for which both sides work about half as much as for text.

    The values of a frame go as they are: a column must have exactly the type of the frame's (``takes`` tells). What is refused
    is told in the driver's words only; whoever wants to know the row inserts once more with ``insert_frame``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: Any = None
        self._connection: AdbcConnection | None = None

    @staticmethod
    def takes(column: sa.types.TypeEngine[Any], dtype: pl.DataType) -> bool:
        """Tell whether a column, as the catalogue has it, can be sent values of a frame's column."""
        if dtype == pl.String:
            return type(column) in (sa.TEXT, sa.VARCHAR)
        is_moment = isinstance(column, sa.TIMESTAMP) and not column.timezone
        return dtype == pl.Datetime("us") and is_moment

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block inserts, or take all of it back; raises NotInserted, and whatever the block itself raises."""
        try:
            # Not the driver's own transactions: it would begin the next one at once, and leave it open until the next step.
            self.execute(sa.text("BEGIN"))
            yield
            self.execute(sa.text("COMMIT"))
        except BaseException:
            # Whatever state it is in, the next transaction gets a connection of its own; closing takes back what is open.
            self.close()
            raise

    def execute(self, statement: sa.ClauseElement) -> None:
        """Run a statement that gives no rows."""
        from adbc_driver_manager import AdbcStatement

        with _telling(), AdbcStatement(self._opened()) as prepared:
            prepared.set_sql_query(written_out(statement))
            prepared.execute_update()

    def append(self, table: sa.Table, frame: pl.DataFrame) -> None:
        """Insert a frame, whose columns are some of the table's."""
        from adbc_driver_manager import AdbcStatement

        place = {"adbc.ingest.target_db_schema": table.schema} if table.schema else {}
        with _telling(), AdbcStatement(self._opened()) as prepared:
            prepared.set_options(
                **{"adbc.ingest.target_table": table.name, "adbc.ingest.mode": "adbc.ingest.mode.append"}, **place
            )
            prepared.bind_stream(frame.__arrow_c_stream__())
            prepared.execute_update()

    def close(self) -> None:
        """Close the connection; one is opened anew for the next transaction."""
        held, self._held, self._connection = self._held, None, None
        if held is not None:
            with suppress(Exception):  # it may be gone
                held.__exit__(None, None, None)

    def _opened(self) -> AdbcConnection:
        if self._connection is None:
            with _telling():
                held = connect(self._engine, f"-c lock_timeout={LOCK_SECONDS * 1000}")
                self._connection = held.__enter__()
                self._held = held
        return self._connection


@contextmanager
def _telling() -> Iterator[None]:
    from adbc_driver_manager import Error

    try:
        yield
    except Error as error:
        raise NotInserted(" ".join(str(error).split())) from error
