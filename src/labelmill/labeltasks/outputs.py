"""Where a label task writes: tables of a database, or files. Each step's effect happens once, however often the step runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from labelmill import clock
from labelmill.db.bulk.database_sink import check_database_sink
from labelmill.db.bulk.insert import insert_frame
from labelmill.db.bulk.sink import check_target, concat_parts, write_file
from labelmill.db.engine import make_engine
from labelmill.db.types import LongText, UtcTime, Whole, name
from labelmill.errors import BadInput, BadSource, Conflict, StepLost, Unavailable
from labelmill.labeltasks.frames import FILE_COLUMNS, FILE_SCHEMA, RESULT_COLUMNS, UNKNOWN
from labelmill.labeltasks.model import LONGEST_NAME
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import polars as pl
    from sqlalchemy.engine import Connection

    from labelmill.db.bulk.location import Location
    from labelmill.labeltasks.model import LabelTask
    from labelmill.labeltasks.places import Places
    from labelmill.labeltasks.workplace import Workplace

LEDGER = "labelmill_steps"


class Output(Protocol):
    """The sink of one task. A step is named once; ``fence`` is asked just before its effect and may refuse it."""

    #: Whether the results are needed in the order of the source at the end.
    keeps_order: bool

    def check(self) -> None:
        """Raise BadSource or Conflict where this sink cannot take the task's rows."""
        ...

    def write_results(self, step: str, results: pl.DataFrame, fence: Callable[[], None]) -> None: ...

    def write_production(self, step: str, production: pl.DataFrame, fence: Callable[[], None]) -> None: ...

    def finish(self, workplace: Workplace, names: Sequence[str]) -> list[str]:
        """Complete the sink and return what was written for these names: files to open or tables to select from."""
        ...


class FileOutput:
    """One file of results and, where authors are known, one of production beside it; both appear complete at the end."""

    keeps_order = True

    def __init__(self, path: Path, source: Location, task: LabelTask) -> None:
        self._path = path
        self._source = source.path
        self._task = task

    @property
    def production_path(self) -> Path:
        return self._path.with_name(f"{self._path.stem}.production{self._path.suffix}")

    def check(self) -> None:
        for path in self._paths():
            if self._source is not None and path.resolve() == self._source.resolve():
                raise BadInput(
                    "This file would be overwritten: it is the source.", where=str(path), way_out="Name another file."
                )
            check_target(path, overwrite=self._task.overwrite)

    def write_results(self, step: str, results: pl.DataFrame, fence: Callable[[], None]) -> None:
        del step, results
        fence()

    def write_production(self, step: str, production: pl.DataFrame, fence: Callable[[], None]) -> None:
        del step, production
        fence()

    def finish(self, workplace: Workplace, names: Sequence[str]) -> list[str]:
        del names
        parts = dict(zip(self._paths(), (workplace.results(), workplace.production()), strict=False))
        for path, files in parts.items():
            if files:
                concat_parts(files, path, columns=FILE_COLUMNS, overwrite=True)
            else:
                write_file(path, [], FILE_SCHEMA, overwrite=True)
            passing("label-task.file-written")
        return [str(path) for path in parts]

    def close(self) -> None:
        """Nothing is held."""

    def _paths(self) -> list[Path]:
        return [self._path, self.production_path] if self._task.columns.author else [self._path]


class TableOutput:
    """A results table and a production table for each name, and the ledger of steps that makes each effect happen once."""

    keeps_order = False

    def __init__(self, location: Location, source: Location, task: LabelTask, task_id: str) -> None:
        if location.url is None:
            raise BadSource("This is not a database.", where=str(location))
        self._location = location
        self._source_table = task.source_table.casefold() if location.same_database(source) else None
        self._task = task
        self._task_id = task_id
        self._engine = make_engine(location.url, foreign=location.path is None or location.path.exists())
        self._metadata = sa.MetaData(schema=location.schema)
        self._ledger = sa.Table(
            LEDGER, self._metadata,
            sa.Column("task_id", name(32), primary_key=True), sa.Column("step", name(64), primary_key=True),
            sa.Column("rows", Whole, nullable=False), sa.Column("written_at", UtcTime, nullable=False),
        )  # fmt: skip
        self._written: set[str] = set()

    def check(self) -> None:
        check_database_sink(self._location)
        names = [self._task.name] if self._task.source_map is None else [*self._task.source_map, UNKNOWN]
        tables = [table for each in names for table in self._tables_of(each)]
        _check_distinct([LEDGER, *(table.name for table in tables)])
        with self._connected() as connection:
            inspector = sa.inspect(connection)
            for table in tables:
                self._check_table(inspector, table)

    def write_results(self, step: str, results: pl.DataFrame, fence: Callable[[], None]) -> None:
        self._write(step, results, "", fence)

    def write_production(self, step: str, production: pl.DataFrame, fence: Callable[[], None]) -> None:
        self._write(step, production, self._task.production_prefix, fence)

    def finish(self, workplace: Workplace, names: Sequence[str]) -> list[str]:
        del workplace
        tables = [table for each in names for table in self._tables_of(each)]
        with self._connected() as connection:
            # A name without a single result still gets its tables: empty is an answer, missing is a question.
            self._make_tables(connection, tables)
        return [table.name for table in tables]

    def close(self) -> None:
        self._engine.dispose()

    def _write(self, step: str, rows: pl.DataFrame, prefix: str, fence: Callable[[], None]) -> None:
        parts = rows.partition_by("name", as_dict=True)
        tables = {str(key[0]): self._table(prefix + str(key[0])) for key in parts}
        with self._connected() as connection:
            self._make_tables(connection, list(tables.values()))
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
        with connection.begin():
            ledger = {"task_id": self._task_id, "step": step, "rows": rows, "written_at": clock.now()}
            connection.execute(sa.insert(self._ledger).values(ledger))
            for table, part in parts:
                insert_frame(connection, table, part.select(RESULT_COLUMNS))
            passing("label-task.rows-inserted")
            fence()
        passing("label-task.rows-committed")

    def _is_written(self, connection: Connection, step: str) -> bool:
        key = sa.and_(self._ledger.c.task_id == self._task_id, self._ledger.c.step == step)
        return connection.scalar(sa.select(self._ledger.c.rows).where(key)) is not None

    def _make_tables(self, connection: Connection, tables: list[sa.Table]) -> None:
        """Create what is missing. A schema change ends a MariaDB transaction, so it comes before the step's own."""
        missing = [table for table in [self._ledger, *tables] if table.name not in self._written]
        if not missing:
            return
        _check_distinct([*self._written, *(table.name for table in missing)])
        inspector = sa.inspect(connection)
        for table in missing:
            self._check_table(inspector, table)
        connection.rollback()
        with connection.begin():
            self._metadata.create_all(connection, tables=missing, checkfirst=True)
        self._written.update(table.name for table in missing)

    def _check_table(self, inspector: sa.Inspector, table: sa.Table) -> None:
        if len(table.name.encode()) > LONGEST_NAME:
            raise BadSource(
                f"The table name {table.name!r} is longer than {LONGEST_NAME} bytes.",
                where="name" if self._task.source_map is None else "source map",
                way_out="Give a shorter name: --name, or the name in the source map.",
            )  # fmt: skip
        if table.name.casefold() == self._source_table:
            raise Conflict(
                f"The results would go to {table.name!r}, the table that is read.", where=str(self._location),
                way_out="Give the results another name, or write to another database.",
            )  # fmt: skip
        if not inspector.has_table(table.name, schema=table.schema):
            return
        found = {column["name"] for column in inspector.get_columns(table.name, schema=table.schema)}
        lacking = {column.name for column in table.columns} - found
        if lacking:
            raise Conflict(
                f"The table {table.name!r} exists already and is not one of a label task: it has no {', '.join(sorted(lacking))}.",
                where=str(self._location), way_out="Write to another database, or give the results another --name.",
            )  # fmt: skip

    def _tables_of(self, result_name: str) -> list[sa.Table]:
        prefixes = ["", self._task.production_prefix] if self._task.columns.author else [""]
        return [self._table(prefix + result_name) for prefix in prefixes]

    def _table(self, table_name: str) -> sa.Table:
        known = self._metadata.tables.get(f"{self._metadata.schema}.{table_name}" if self._metadata.schema else table_name)
        if known is not None:
            return known
        kinds: dict[str, Any] = {"id": name(255), "task_id": name(32), "panel": name(200), "create_time": sa.DateTime()}
        columns = [sa.Column(each, kinds.get(each, LongText)) for each in RESULT_COLUMNS]
        return sa.Table(
            table_name,
            self._metadata,
            *columns,
            sa.Index(None, "task_id"),
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
        )

    def _connected(self) -> Connection:
        try:
            return self._engine.connect()
        except OperationalError as error:
            reason = str(error.orig).splitlines()[0]
            raise Unavailable(
                f"The sink does not answer: {reason}", where=str(self._location), way_out="Check the URL and the server."
            ) from error


def _check_distinct(names: Sequence[str]) -> None:
    """Raise BadSource where two tables would be one: databases differ in whether they tell capitals apart, so nothing relies on it."""
    seen: dict[str, str] = {}
    for each in names:
        other = seen.setdefault(each.casefold(), each)
        repeated = names.count(each) > 1
        if other != each or repeated or each.casefold().startswith("sqlite_"):
            other = f"is also that of {other!r}" if other != each else "is taken by something else"
            raise BadSource(
                f"The table name {each!r} {other}.", where="names of the results",
                way_out="Give the results other names: --name, or the names in the source map.",
            )  # fmt: skip


@contextmanager
def open_output(places: Places, task: LabelTask, task_id: str) -> Iterator[Output]:
    """Give the sink of a task."""
    sink = places.sink(task)
    output: FileOutput | TableOutput
    if sink.is_file and sink.path is not None:
        output = FileOutput(sink.path, places.source(task), task)
    else:
        output = TableOutput(sink, places.source(task), task, task_id)
    try:
        yield output
    finally:
        output.close()
