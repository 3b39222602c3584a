"""Rows of a SQLite table in blocks: SQLite itself puts the texts of a column together, so that no row becomes objects of Python.

Each block is one row: how many rows it has, and for each column one text of all its values with a separator between them. A null is
written as a mark that is drawn anew for every read. What could be read in two ways (a value that holds the separator, bytes that are
no UTF-8, a number with a fraction, which SQLite spells otherwise than Python) is seen, and such a block is read row by row.
"""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from labelmill.db.bulk.batches import CHUNK_BYTES, FIRST_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy.sql.expression import ColumnElement, FromClause

#: A control character that hardly any text holds.
SEPARATOR = "\x1f"
#: How a number with a fraction or an exponent, or an infinite one, begins.
_REAL = r"^-?(?:\d+\.|\d+e|Inf)"
MOST_ROWS = 65_536
FIRST_KEY, LAST_KEY = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True)
class Block:
    """Rows with keys from ``first`` to ``last``. ``frame`` is None where they must be read row by row."""

    first: int
    last: int
    frame: pl.DataFrame | None


class Blocks:
    """The text columns of a table with a whole-number key, of the rows with keys from ``first`` to ``last``, by rising key."""

    def __init__(
        self,
        table: FromClause,
        key: ColumnElement[Any],
        columns: Mapping[str, bool],
        first: int = FIRST_KEY,
        last: int = LAST_KEY,
    ) -> None:
        #: Of each column whether SQLite keeps numbers in it as such.
        self._columns = dict(columns)
        self._null = f"\x1e{secrets.token_hex(8)}"
        marks = [f"c{place}" for place in range(len(columns))]
        values = [table.c[name].label(mark) for name, mark in zip(columns, marks, strict=True)]
        inside = key.between(sa.bindparam("block_first", type_=sa.BigInteger), sa.bindparam("block_last", last, sa.BigInteger))
        chosen = sa.select(key.label("k"), *values).select_from(table).where(inside).order_by(key)
        block = chosen.limit(sa.bindparam("block_rows", type_=sa.BigInteger)).subquery("block")
        self._first, self._last = first, last
        known = [sa.func.coalesce(block.c[mark], self._null) for mark in marks]
        self.query = sa.select(
            sa.func.count(), sa.func.max(block.c.k), *(sa.func.group_concat(value, SEPARATOR) for value in known)
        )

    def read(self, execute: Callable[[sa.Select[Any], dict[str, Any]], sqlite3.Cursor]) -> Iterator[Block]:
        """Yield the blocks; ``execute`` runs the query with the values of its two parameters."""
        first, rows = self._first, FIRST_ROWS
        while first <= self._last:
            try:
                found = execute(self.query, {"block_first": first, "block_rows": rows}).fetchone()
            except (sqlite3.DataError, sqlite3.OperationalError):  # together they are longer than a text may be
                if rows == 1:
                    raise
                rows = 1
                continue
            count, last = int(found[0]), found[1]
            if not count:
                return
            yield Block(first, int(last), self._frame(count, found[2:]))
            size = sum(map(len, found[2:]))
            first, rows = int(last) + 1, max(1, min(MOST_ROWS, rows * 16, CHUNK_BYTES * count // max(1, size)))

    def _frame(self, count: int, texts: Sequence[bytes]) -> pl.DataFrame | None:
        values = {name: self._split(text, count, self._columns[name]) for name, text in zip(self._columns, texts, strict=True)}
        known = {name: column for name, column in values.items() if column is not None}
        return pl.DataFrame(known) if len(known) == len(values) else None

    def _split(self, texts: bytes, count: int, numbers: bool) -> pl.Series | None:
        """Return the ``count`` values that stand in ``texts``, or None where they cannot be told for certain."""
        if texts.count(SEPARATOR.encode()) != count - 1:
            return None
        try:
            whole = pl.Series([texts], dtype=pl.Binary).cast(pl.String)
        except pl.exceptions.PolarsError:
            return None
        values = whole.str.split(SEPARATOR).explode()
        if numbers and values.str.contains(_REAL).any():
            return None
        is_null = values == self._null
        return values.set(is_null, None) if is_null.any() else values
