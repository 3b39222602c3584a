"""The tables of a sink: results and production by name, and the ledger of steps that makes each effect happen once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from labelmill import clock
from labelmill.db.bulk.database_sink import check_database_sink
from labelmill.db.bulk.insert import insert_frame
from labelmill.db.bulk.postgresql_adbc import BinaryInsert, NotInserted
from labelmill.db.bulk.sql_source import explain
from labelmill.db.engine import make_engine
from labelmill.db.turns import turn
from labelmill.errors import BadInput, BadSource, Conflict, StepLost, Unavailable
from labelmill.labeltasks.frames import RESULT_COLUMNS
from labelmill.labeltasks.names import UNKNOWN
from labelmill.labeltasks.result_tables import ResultTables, check_distinct
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl
    from sqlalchemy.engine import Connection

    from labelmill.db.bulk.location import Location
    from labelmill.labeltasks.model import LabelTask
    from labelmill.labeltasks.workplace import Workplace


log = structlog.get_logger(__name__)

#: Characters of a record's id that an error shows.
SHOWN_ID = 60


def unfenced() -> None:
    """Refuse nothing: for whoever works outside of a step."""


class TableOutput:
    """The sink of one task in a database; it may be kept open from step to step."""

    keeps_order = False

    def __init__(self, location: Location, source: Location, task: LabelTask, task_id: str) -> None:
        if location.url is None:
            raise BadSource("This is not a database.", where=str(location))
        self._location = location
        self._source_table = task.source_table.casefold() if location.same_database(source) else None
        self._task = task
        self._task_id = task_id
        self._engine = make_engine(location.url, foreign=location.path is None or location.path.exists())
        self._turn = turn(location.path)
        self._tables = ResultTables(
            location.schema, named_by="name" if task.source_map is None else "source map",
            one_key=location.format == "postgresql",
        )  # fmt: skip
        #: The tables that are known to be there.
        self._made: set[str] = set()
        #: Those of them that have the types that we give them: somebody may have made one by hand.
        self._plain: set[str] = set()
        self._binary = BinaryInsert(self._engine) if location.format == "postgresql" else None

    def check(self) -> None:
        check_database_sink(self._location)
        names = [self._task.name] if self._task.source_map is None else [*self._task.source_map, UNKNOWN]
        tables = [self._tables.ledger, *self._own_state(), *(table for each in names for table in self._tables_of(each))]
        check_distinct([table.name for table in tables])
        with self._connected() as connection, writing(self._location):
            for table in tables:
                self._refuse_source(table)
            self._tables.check(sa.inspect(connection), tables, str(self._location))
            check_rights(connection, tables, str(self._location))

    def write_results(self, step: str, results: pl.DataFrame, fence: Callable[[], None]) -> None:
        self._write(step, results, "", fence)

    def write_production(self, step: str, production: pl.DataFrame, fence: Callable[[], None]) -> None:
        self._write(step, production, self._task.production_prefix, fence)

    def finish(self, workplace: Workplace, names: Sequence[str]) -> list[str]:
        del workplace
        tables = [table for each in names for table in self._tables_of(each)]
        with self._connected() as connection, writing(self._location):
            # A name without a single result still gets its tables: empty is an answer, missing is a question.
            self._make(connection, tables)
            passing("label-task.tables-complete")
            self._tables.seal(connection, tables)
        return [table.name for table in tables]

    def clear(self, fence: Callable[[], None] = unfenced) -> list[str]:
        ledger = self._tables.ledger
        mine = ledger.c.task_id == self._task_id
        with self._connected() as connection, writing(self._location):
            if not sa.inspect(connection).has_table(ledger.name, schema=ledger.schema):
                return []
            names = sorted({name for tables in connection.scalars(sa.select(ledger.c.tables).where(mine)) for name in tables})
            # Somebody may have dropped one meanwhile.
            there = [name for name in names if sa.inspect(connection).has_table(name, schema=ledger.schema)]
            connection.rollback()
            with connection.begin():
                for table in map(self._tables.results, there):
                    connection.execute(sa.delete(table).where(table.c.task_id == self._task_id))
                passing("label-task.rows-taken-back")
                connection.execute(sa.delete(ledger).where(mine))
                fence()
        return there

    def close(self) -> None:
        if self._binary is not None:
            self._binary.close()
        self._engine.dispose()

    def _write(self, step: str, rows: pl.DataFrame, prefix: str, fence: Callable[[], None]) -> None:
        parts = {key: part.select(RESULT_COLUMNS) for key, part in rows.partition_by("name", as_dict=True).items()}
        tables = {str(key[0]): self._tables.results(prefix + str(key[0])) for key in parts}
        with self._connected() as connection, writing(self._location):
            self._make(connection, list(tables.values()))
            try:
                self._insert(connection, step, [(tables[str(key[0])], part) for key, part in parts.items()], rows.height, fence)
            except IntegrityError as error:
                if self._is_written(connection, step):
                    raise StepLost(f"Step {step} was written by another worker.") from error
                reason = str(error.orig).splitlines()[0]
                raise BadSource(
                    f"A table of the sink refuses the rows: {reason}", where=str(self._location),
                    way_out="It has a rule that results do not follow: change the table, or give the results another --name.",
                ) from error  # fmt: skip

    def _insert(
        self,
        connection: Connection,
        step: str,
        parts: list[tuple[sa.Table, pl.DataFrame]],
        rows: int,
        fence: Callable[[], None],
    ) -> None:
        if self._is_written(connection, step):
            return
        connection.rollback()
        ledger = {"task_id": self._task_id, "step": step, "rows": rows, "written_at": clock.now()}
        ledger["tables"] = [table.name for table, _ in parts]
        note = sa.insert(self._tables.ledger).values(ledger)
        if not self._inserted_binary(note, parts, fence):
            # What the quick way was refused is told here, or was written after all.
            if self._is_written(connection, step):
                return
            connection.rollback()
            with self._turn, connection.begin():
                connection.execute(note)
                for table, part in parts:
                    with _naming(table, part):
                        insert_frame(connection, table, part)
                passing("label-task.rows-inserted")
                fence()
        passing("label-task.rows-committed")

    def _inserted_binary(self, note: sa.Insert, parts: list[tuple[sa.Table, pl.DataFrame]], fence: Callable[[], None]) -> bool:
        """Insert by the quick way of a PostgreSQL server and return whether it could."""
        if self._binary is None or not all(table.name in self._plain for table, _ in parts):
            return False
        try:
            with self._binary.transaction():
                self._binary.execute(note)
                for table, part in parts:
                    self._binary.append(table, part)
                passing("label-task.rows-inserted")
                fence()
        except NotInserted as error:
            log.info("rows are inserted one way only", reason=str(error))
            return False
        return True

    def _is_written(self, connection: Connection, step: str) -> bool:
        ledger = self._tables.ledger
        key = sa.and_(ledger.c.task_id == self._task_id, ledger.c.step == step)
        return connection.scalar(sa.select(ledger.c.rows).where(key)) is not None

    def _make(self, connection: Connection, tables: list[sa.Table]) -> None:
        """Create what is missing. A schema change ends a MariaDB transaction, so it comes before the step's own."""
        missing = [table for table in [self._tables.ledger, *tables] if table.name not in self._made]
        if not missing:
            return
        check_distinct([*self._made, *(table.name for table in self._own_state()), *(table.name for table in missing)])
        for table in missing:
            self._refuse_source(table)
        self._tables.make(connection, missing, str(self._location))
        if self._binary is not None:
            self._plain.update(self._tables.of_own_types(connection, missing))
        self._made.update(table.name for table in missing)

    def _refuse_source(self, table: sa.Table) -> None:
        if table.name.casefold() == self._source_table:
            raise Conflict(
                f"The results would go to {table.name!r}, the table that is read.", where=str(self._location),
                way_out="Give the results another name, or write to another database.",
            )  # fmt: skip

    def _tables_of(self, result_name: str) -> list[sa.Table]:
        prefixes = ["", self._task.production_prefix] if self._task.columns.author else [""]
        return [self._tables.results(prefix + result_name) for prefix in prefixes]

    def _own_state(self) -> list[sa.Table]:
        return [self._tables.state(self._task.state_table)] if self._task.state_table else []

    def _connected(self) -> Connection:
        return connected(self._engine, self._location)


def connected(engine: sa.Engine, location: Location) -> Connection:
    """Return a connection to a sink; raises BadSource where it refuses us, Unavailable where it does not answer."""
    with writing(location):
        return engine.connect()


@contextmanager
def writing(location: Location) -> Iterator[None]:
    """Turn what the driver of a sink raises into BadSource, where trying again cannot help, or Unavailable."""
    try:
        yield
    except DBAPIError as error:
        found = explain(error, location)
        reason = found.message.partition(": ")[2]
        if isinstance(found, BadSource) or isinstance(error, ProgrammingError):
            raise BadSource(
                f"The sink refuses: {reason}", where=str(location),
                way_out="Check user, password, database name and the rights to make tables and to write to them.",
            ) from error  # fmt: skip
        raise Unavailable(
            f"The sink does not answer: {reason}", where=str(location), way_out="Check the URL and the server."
        ) from error


@contextmanager
def _naming(table: sa.Table, rows: pl.DataFrame) -> Iterator[None]:
    """Let the refusal of a row name its record: its place among the rows of one step tells nobody anything."""
    try:
        yield
    except BadInput as error:
        if error.details.get("row") is not None:
            record = str(rows["id"][error.details["row"] - 1])
            shown = record if len(record) <= SHOWN_ID else f"{record[:SHOWN_ID]}..."
            error.where = f"record {shown!r}, column {error.details.get('column')!r} of the table {table.name!r}"
        raise


def check_rights(connection: Connection, tables: Sequence[sa.Table], where: str) -> None:
    """Let the database refuse now, where it can tell, what it would refuse at the first result; nothing is written.

    MariaDB tells of the right to make tables only when one is made: that is the state table, before the task is queued.
    """
    dialect, inspector = connection.dialect.name, sa.inspect(connection)
    if dialect == "sqlite":
        return
    there = [table for table in tables if inspector.has_table(table.name, schema=table.schema)]
    for table in there:
        columns = [column for column in table.columns if column.name != "row_id"]
        nothing = sa.insert(table).from_select(columns, sa.select(*columns).where(sa.false()))
        connection.execute(nothing)
    if dialect == "postgresql" and len(there) < len(tables):
        schema = tables[0].schema or connection.scalar(sa.select(sa.func.current_schema()))
        if schema is None or not connection.scalar(sa.select(sa.func.has_schema_privilege(schema, "CREATE"))):
            message = f"The sink refuses: permission denied to make tables in the schema {schema or 'of this user'}"
            raise BadSource(
                f"{message}.", where=where, way_out="Give this user the right CREATE there, or name another schema.",
            )  # fmt: skip
    connection.rollback()
