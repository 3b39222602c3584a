"""Rows of a SQLite table in blocks: SQLite itself puts the texts of a column together, so that no row becomes objects of Python.

Each block is one row: how many rows it has, and for each column one text of all its values with a separator between them. A null is
written as a mark that is drawn anew for every read. What could be read in two ways (a value that holds the separator, bytes that are
no UTF-8, a number with a fraction, which SQLite spells otherwise than Python) is seen, and such a block is read row by row.
"""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from labelmill.db.bulk.batches import CHUNK_BYTES, FIRST_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: A control character that hardly any text holds.
SEPARATOR = "\x1f"
#: How a number with a fraction or an exponent, or an infinite one, begins.
_REAL = r"^-?(?:\d+\.|\d+e|Inf)"
#: One of these stands in each such number; to look for them costs a tenth of looking at each value.
_REAL_MARKS = (b".", b"e", b"Inf")
#: What a block weighs while SQLite, Python and polars each hold it fits the processor's cache; three of them are a frame of a label task.
MOST_ROWS = 16_666
FIRST_KEY, LAST_KEY = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True)
class Block:
    """Rows with keys from ``first`` to ``last``. ``frame`` is None where they must be read row by row."""

    first: int
    last: int
    frame: pl.DataFrame | None


class Blocks:
    """The text columns of a table with a whole-number key, of the rows with keys from ``first`` to ``last``, by rising key.

    ``table`` and ``key`` are SQL, ``columns`` the plain names, each with whether SQLite keeps numbers in it as such.
    """

    def __init__(self, table: str, key: str, columns: Mapping[str, bool], first: int = FIRST_KEY, last: int = LAST_KEY) -> None:
        self._columns = dict(columns)
        self._null = f"\x1e{secrets.token_hex(8)}"
        self._first, self._last = first, last
        # A block is a range of keys and no subquery with a limit: SQLite would copy each value of that, in memory that all threads
        # of a process take turns to get. By no index but the key's own, the rows come by rising key.
        inside = f"FROM {table} NOT INDEXED WHERE {key} BETWEEN ? AND ?"
        # The two marks are literals, since SQLite copies a parameter anew for each value. Each column is named with its table: a quoted
        # name alone is a text to SQLite where the table has no such column any more.
        known = (f"coalesce({table}.{_quoted(name)}, '{self._null}')" for name in self._columns)
        values = ", ".join(f"group_concat({value}, '{SEPARATOR}')" for value in known)
        self._query = f"SELECT count(*), {values} {inside}"
        self._nth = f"SELECT {key} {inside} ORDER BY {key} LIMIT 1 OFFSET ?"

    def read(self, connection: sqlite3.Connection) -> Iterator[Block]:
        """Yield the blocks; the connection must give texts as bytes."""
        first, rows, is_dense = self._first, FIRST_ROWS, False
        while first <= self._last:
            last = self._edge(connection, first, rows, is_dense=is_dense)
            try:
                count, *texts = connection.execute(self._query, (first, last)).fetchone()
            except (sqlite3.DataError, sqlite3.OperationalError):  # together they are longer than a text may be
                if rows == 1:
                    raise
                rows = 1
                continue
            if count:
                yield Block(first, last, self._frame(count, texts))
                rows = max(1, min(MOST_ROWS, rows * 16, CHUNK_BYTES * count // max(1, sum(map(len, texts)))))
            is_dense = 2 * count > last - first
            first = last + 1

    def _edge(self, connection: sqlite3.Connection, first: int, rows: int, *, is_dense: bool) -> int:
        """Return the last key of a block that begins at ``first`` and has at most ``rows`` rows."""
        # Where most keys are there it needs no looking up: a range has no more rows than it is wide.
        nth = None if is_dense else connection.execute(self._nth, (first, self._last, rows - 1)).fetchone()
        if nth is not None:
            return int(nth[0])
        return min(self._last, first + rows - 1) if is_dense else self._last

    def _frame(self, count: int, texts: Sequence[bytes]) -> pl.DataFrame | None:
        joined = pl.DataFrame(
            [pl.Series(name, [text], dtype=pl.Binary) for name, text in zip(self._columns, texts, strict=True)]
        )
        try:
            lists = joined.select(pl.all().cast(pl.String).str.split(SEPARATOR))
        except pl.exceptions.PolarsError:  # bytes that are not UTF-8
            return None
        columns = []
        for values, text, numbers in zip(lists.iter_columns(), texts, self._columns.values(), strict=True):
            column = self._known(values[0], text, count, numbers=numbers)
            if column is None:
                return None
            columns.append(column.alias(values.name))
        return pl.DataFrame(columns)

    def _known(self, values: pl.Series, text: bytes, count: int, *, numbers: bool) -> pl.Series | None:
        """Return the ``count`` values that stand in ``text``, or None where they cannot be told for certain."""
        if len(values) != count:
            return None
        if numbers and any(_holds(text, mark) for mark in _REAL_MARKS) and values.str.contains(_REAL).any():
            return None
        return values.set(values == self._null, None) if _holds(text, self._null.encode()) else values


def _holds(text: bytes, mark: bytes) -> bool:
    """Tell whether ``mark`` stands in ``text``. One byte is found at the speed of memory, several at a tenth of it."""
    return mark[:1] in text and mark in text


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
