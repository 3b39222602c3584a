"""A few rows of a task at random places of the tables in its sink, however many rows these have."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from labelmill.db.bulk.database_sink import check_database_sink
from labelmill.db.bulk.sql_source import explain
from labelmill.db.engine import make_engine
from labelmill.errors import BadSource
from labelmill.labeltasks.frames import RESULT_COLUMNS
from labelmill.labeltasks.model import LONGEST_NAME
from labelmill.labeltasks.table_output import connected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from labelmill.db.bulk.location import Location

#: A task with at most this many rows in a table, or rows that lie so near each other, is drawn from all of them.
FEW = 2000
#: Row numbers that are tried at once, and how often, before rows are looked for beside the numbers.
TRIED = 500
ROUNDS = 4
#: Places that are looked at for each row that is still missing then.
LOOKS = 4
#: Without these a table is none of results.
_NEEDED = frozenset(RESULT_COLUMNS) - {"match_meta"}


def sample_tables(
    location: Location, task_id: str, names: Sequence[str], *, prefix: str = "", rows: int = 50, seed: int | None = None
) -> list[dict[str, Any]]:
    """Return up to ``rows`` rows that the task wrote to each table ``prefix + name``, drawn at random; never none where it wrote some.

    Where there are none yet they come from the table ``name``, which has what is to become them. The same ``seed`` draws the same
    rows of the same table, unless its rows have no numbers. A row has ``RESULT_COLUMNS``, without those that the table lacks.
    Raises Unavailable where the database does not answer, BadSource where it refuses.
    """
    if location.url is None:
        raise BadSource("This is not a database.", where=str(location))
    check_database_sink(location)
    if location.path is not None and not location.path.exists():
        return []
    engine = make_engine(location.url, pool_size=1, foreign=True)
    try:
        with connected(engine, location) as connection:
            connection.execution_options(labelmill_read=True)
            tables = _Tables(connection, location.schema, task_id, rows)
            return [row for name in names for row in tables.first_rows((prefix + name, name), seed)]
    except DBAPIError as error:
        raise explain(error, location) from error
    finally:
        engine.dispose()


@dataclass(frozen=True)
class _Tables:
    """The tables of one schema, as far as one task wrote to them."""

    connection: Connection
    schema: str | None
    task_id: str
    rows: int

    def first_rows(self, names: Sequence[str], seed: int | None) -> list[dict[str, Any]]:
        """Return rows of the first of these tables that has some."""
        for name in dict.fromkeys(names):
            table = self._found(name)
            if table is not None and (drawn := self._drawn(table, random.Random(seed))):  # noqa: S311 - no secret
                return drawn
        return []

    def _found(self, name: str) -> sa.TableClause | None:
        """Return the table of results of this name, None where there is none."""
        inspector = sa.inspect(self.connection)
        if not 0 < len(name.encode()) <= LONGEST_NAME or not inspector.has_table(name, schema=self.schema):
            return None
        there = {column["name"] for column in inspector.get_columns(name, schema=self.schema)}
        if not there >= _NEEDED:
            return None
        kinds: dict[str, sa.types.TypeEngine[Any]] = {"create_time": sa.DateTime(), "row_id": sa.BigInteger()}
        columns = [sa.column(each, kinds.get(each, sa.String())) for each in (*RESULT_COLUMNS, "row_id") if each in there]
        return sa.table(name, *columns, schema=self.schema)

    def _drawn(self, table: sa.TableClause, draw: random.Random) -> list[dict[str, Any]]:
        shown = sa.select(*(column for column in table.c if column.name != "row_id"))
        if "row_id" in table.c:
            chosen = self._chosen(table, draw)
            found = shown.where(table.c.row_id.in_(chosen)).order_by(table.c.row_id)
        else:  # somebody else's table: the database has to look at each of its rows
            by_chance = sa.func.rand() if self.connection.dialect.name == "mysql" else sa.func.random()
            found = shown.where(table.c.task_id == self.task_id).order_by(by_chance).limit(self.rows)
        return [dict(row) for row in self.connection.execute(found).mappings()]

    def _chosen(self, table: sa.TableClause, draw: random.Random) -> list[int]:
        """Return the numbers of rows of the task: of few all alike, of many at random places."""
        number = table.c.row_id
        numbers = sa.select(number).where(table.c.task_id == self.task_id)
        # One row from each end: asked for more, a database that has not counted a new table's rows yet would read them all.
        ends = [self.connection.scalar(numbers.order_by(order).limit(1)) for order in (number, number.desc())]
        if ends[0] is None or ends[1] is None:
            return []
        span = (ends[0], ends[1])
        chosen = self._hit(table, span, draw) if span[1] - span[0] >= FEW else {}
        if len(chosen) == self.rows:
            return list(chosen)
        some = list(self.connection.scalars(numbers.where(number.between(*span)).order_by(number).limit(FEW + 1)))
        if len(some) <= FEW:
            return draw.sample(some, min(self.rows, len(some)))
        for _ in range(LOOKS * (self.rows - len(chosen))):  # others' rows lie between: the task's next row after a random place
            after = numbers.where(number >= draw.randint(*span)).order_by(number).limit(1)
            chosen |= dict.fromkeys(self.connection.scalars(after))
            if len(chosen) == self.rows:
                break
        spare = [each for each in some if each not in chosen]
        return [*chosen, *draw.sample(spare, self.rows - len(chosen))]

    def _hit(self, table: sa.TableClause, span: tuple[int, int], draw: random.Random) -> dict[int, None]:
        """Return those of random numbers that are the task's, at most ``rows``: each of its rows has the same chance."""
        hit: dict[int, None] = {}
        for _ in range(ROUNDS):
            places = [draw.randint(*span) for _ in range(TRIED)]
            # By the key alone, and whose they are is looked at here: with the task in the question its whole index would be read.
            found = self.connection.execute(sa.select(table.c.row_id, table.c.task_id).where(table.c.row_id.in_(places)))
            there = {row_id for row_id, task_id in found if task_id == self.task_id}
            hit |= dict.fromkeys(each for each in places if each in there)
            if len(hit) >= self.rows:
                break
        return dict.fromkeys(list(hit)[: self.rows])
