"""Records found by what holds for them: along an index where there is one, and by their text in spans that each take a moment.

No index is kept of texts: one of all groups of three characters costs an import 19 s of work for a million short records and finds no
Chinese word of two. A span of records is read in the order in which they lie; who asks gets what was found so far and the place at
which to go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from labelmill import clock
from labelmill.datasets.model import Record, RecordFilter, record_key
from labelmill.datasets.rows import RECORD_COLUMNS, dataset_row, flag, record_from
from labelmill.datasets.tables import labels, records
from labelmill.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

#: Given ids that are looked up at once.
MOST_IDS: Final = 500
#: Seconds after which a search gives what it found.
SECONDS: Final = 0.4
#: Ids of the first span; and of the smallest and the largest, and the seconds that one should take.
SPAN, SHORTEST_SPAN, LONGEST_SPAN = 4_000, 200, 50_000
SPAN_SECONDS: Final = 0.1
#: Records of a dataset that is sorted in another order than that of an index.
MOST_SORTED: Final = 50_000
_LABEL, _INTO = labels.alias("majority"), labels.alias("merged")
#: What records are sorted by: the order in which they were added, the name of the majority label, answers, and from tied to done.
SORTS: Final[dict[str, sa.ColumnElement[Any]]] = {
    "id": records.c.id,
    "label": sa.func.lower(sa.func.coalesce(_INTO.c.name, _LABEL.c.name)),
    "answers": records.c.answers,
    "open": sa.case((records.c.is_open == flag(True), 0), else_=1),
    "state": sa.case((records.c.is_tied == flag(True), 0), (records.c.is_open == flag(True), 1), else_=2),
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """Records, and how far they were looked for."""

    records: list[Record]
    #: The id behind which to go on, or how many come before where they are sorted; None at the end.
    following: int | None
    #: How much of the dataset lies before that, from 0 to 1.
    share: float


def list_records(
    connection: Connection, dataset_id: int, *, where: RecordFilter | None = None, after: int = 0, limit: int = 50
) -> list[Record]:
    """Return records in the order in which they were added, those after the id ``after`` for which ``where`` holds. Raises NotFound.

    A page costs the same however many records there are, but for ``text``, which is looked for in one record after the other until
    the page is full (``search_records`` ends sooner), and for ``is_answered`` and a merged label, which look at all answered records.
    """
    dataset_row(connection, dataset_id)
    wanted = where or RecordFilter()
    if len(wanted.given_ids) > MOST_IDS:
        raise BadInput(f"At most {MOST_IDS} ids are looked up at once.", where="given_ids")
    if wanted.text:
        return _Search(connection, dataset_id, wanted).run(after, limit)[0][:limit]
    conditions = [records.c.dataset_id == dataset_id, records.c.id > after, *_conditions(connection, dataset_id, wanted)]
    if _has_index(wanted) or wanted.is_open is not None:
        query = sa.select(*RECORD_COLUMNS).where(*conditions).order_by(records.c.id).limit(limit)
    else:
        # There is no index of a dataset's ids alone; that of its open and that of its full records, read side by side, are one.
        parts = [_part(conditions, is_open=is_open, limit=limit) for is_open in (True, False)]
        ids = sa.select(sa.union_all(*parts).subquery().c.id)
        query = sa.select(*RECORD_COLUMNS).where(records.c.id.in_(ids)).order_by(records.c.id).limit(limit)
    return [record_from(row) for row in connection.execute(query).mappings()]


def search_records(connection: Connection, dataset_id: int, *, where: RecordFilter, after: int = 0, limit: int = 50) -> Found:
    """Return a page of records as ``list_records`` does, or what of it was found within ``SECONDS``. Raises NotFound."""
    if not where.text:
        listed = list_records(connection, dataset_id, where=where, after=after, limit=limit + 1)
        return Found(records=listed[:limit], following=listed[limit - 1].id if len(listed) > limit else None, share=1.0)
    dataset_row(connection, dataset_id)
    first, last = extent(connection, dataset_id)
    found, reached = _Search(connection, dataset_id, where).run(after, limit + 1, SECONDS)
    following = found[limit - 1].id if len(found) > limit else (reached if reached < last else None)
    share = 1.0 if following is None else max(0.0, (following - first + 1) / (last - first + 1))
    return Found(records=found[:limit], following=following, share=share)


def sorted_records(
    connection: Connection, dataset_id: int, *, where: RecordFilter, by: str, is_descending: bool, passed: int, limit: int
) -> Found:
    """Return a page of records in the order of ``by``, one of ``SORTS``, those without a value last, after ``passed`` others.

    No index has this order: it is for datasets of at most ``MOST_SORTED`` records, and not for a text.
    """
    order, label, into = SORTS[by], _LABEL, _INTO
    joined = records.outerjoin(label, label.c.id == records.c.majority_id).outerjoin(into, into.c.id == label.c.merged_into)
    conditions = [records.c.dataset_id == dataset_id, *_conditions(connection, dataset_id, where)]
    last = sa.case((order.is_(None), 1), else_=0)
    query = sa.select(*RECORD_COLUMNS).select_from(joined).where(*conditions)
    query = query.order_by(last, order.desc() if is_descending else order, records.c.id).offset(passed).limit(limit + 1)
    found = [record_from(row) for row in connection.execute(query).mappings()]
    return Found(records=found[:limit], following=passed + limit if len(found) > limit else None, share=1.0)


class _Search:
    """Looks for a text, span by span: the shorter the longer the records are."""

    def __init__(self, connection: Connection, dataset_id: int, where: RecordFilter) -> None:
        self._connection = connection
        self._dataset_id = dataset_id
        self._text = _Text(where.text, connection.dialect.name)
        # Without an index that leaves most records out it reads them as they lie: the index would have them looked up one by one.
        mine = records.c.dataset_id if _has_index(where) else records.c.dataset_id + 0
        self._conditions = [mine == dataset_id, *_conditions(connection, dataset_id, where), self._text.condition]

    def run(self, after: int, limit: int, seconds: float | None = None) -> tuple[list[Record], int]:
        """Return at most ``limit`` records behind ``after``, and the id up to which all were looked at: one span in any case."""
        found: list[Record] = []
        end, span = None if seconds is None else clock.monotonic() + seconds, SPAN
        while (start := _next_id(self._connection, self._dataset_id, after)) is not None:
            began, after = clock.monotonic(), start - 1 + span
            found += self._look(start, after, limit - len(found))
            now = clock.monotonic()
            if len(found) >= limit or (end is not None and now >= end):
                break
            span = _next_span(span, now - began)
        return found, after

    def _look(self, first: int, last: int, limit: int) -> list[Record]:
        query = sa.select(*RECORD_COLUMNS).where(records.c.id.between(first, last), *self._conditions).order_by(records.c.id)
        query = query if self._text.is_rough else query.limit(limit)
        rows = self._connection.execute(query).mappings()
        return [record for record in map(record_from, rows) if self._text.is_in(record.content)][:limit]


class _Text:
    """What a text must hold: the database looks for it in whatever case, and where not every one knows the case of its letters, roughly."""

    def __init__(self, text: str, dialect: str) -> None:
        self._folded = text.lower()
        # Which letters beyond ASCII have a case hangs on the database: one letter stands for any there, and the finds are looked through.
        self.is_rough = any(_has_case(letter) for letter in text if not letter.isascii())
        letters = ("_" if _has_case(letter) and not letter.isascii() else _escaped(letter) for letter in text)
        pattern = f"%{''.join(letters)}%"
        if dialect == "sqlite" or not _has_case(text):
            self.condition = records.c.content.like(pattern, escape="/")
        elif dialect == "postgresql":
            self.condition = records.c.content.ilike(pattern, escape="/")
        else:
            self.condition = sa.func.lower(records.c.content).like(pattern.lower(), escape="/")

    def is_in(self, content: str) -> bool:
        """Tell whether a find holds the text indeed."""
        return not self.is_rough or self._folded in content.lower()


def extent(connection: Connection, dataset_id: int) -> tuple[int, int]:
    """Return the least and the greatest id of a dataset's records, 0 and 0 without any. Raises NotFound."""
    dataset_row(connection, dataset_id)
    greatest = []
    for is_open in (True, False):  # an index begins with these two; asked for both ends at once, SQLite reads all between
        mine = sa.and_(records.c.dataset_id == dataset_id, records.c.is_open == flag(is_open))
        greatest.append(connection.scalar(sa.select(sa.func.max(records.c.id)).where(mine)) or 0)
    return _next_id(connection, dataset_id, 0) or 0, max(greatest)


def _next_id(connection: Connection, dataset_id: int, after: int) -> int | None:
    """Return the id of a dataset's next record: those of others may lie between."""
    conditions = [records.c.dataset_id == dataset_id, records.c.id > after]
    parts = [_part(conditions, is_open=is_open, limit=1) for is_open in (True, False)]
    found: int | None = connection.scalar(sa.select(sa.func.min(sa.union_all(*parts).subquery().c.id)))
    return found


def _next_span(span: int, seconds: float) -> int:
    wanted = int(span * min(4.0, SPAN_SECONDS / max(0.001, seconds)))
    return min(LONGEST_SPAN, max(SHORTEST_SPAN, wanted))


def _has_case(text: str) -> bool:
    return text.lower() != text.upper()


def _escaped(letter: str) -> str:
    return f"/{letter}" if letter in "%_/" else letter


def _part(conditions: list[Any], *, is_open: bool, limit: int) -> sa.Select[Any]:
    inner = sa.select(records.c.id).where(*conditions, records.c.is_open == flag(is_open)).order_by(records.c.id).limit(limit)
    return sa.select(inner.subquery().c.id)


def _has_index(wanted: RecordFilter) -> bool:
    """Tell whether an index leaves most records out."""
    return bool(wanted.given_ids) or any(each is not None for each in (wanted.is_tied, wanted.is_answered, wanted.label_id))


def _conditions(connection: Connection, dataset_id: int, wanted: RecordFilter) -> list[Any]:
    """Return all that must hold but the text."""
    found: list[Any] = []
    if wanted.label_id is not None:
        also = sa.select(labels.c.id).where(labels.c.dataset_id == dataset_id, labels.c.merged_into == wanted.label_id)
        merged = list(connection.scalars(also))
        found.append(
            records.c.majority_id.in_([wanted.label_id, *merged]) if merged else records.c.majority_id == wanted.label_id
        )
    if wanted.is_tied is not None:
        found.append(records.c.is_tied == flag(wanted.is_tied))
    if wanted.is_open is not None:
        found.append(records.c.is_open == flag(wanted.is_open))
    if wanted.is_answered is not None:
        found.append(records.c.majority_id.is_not(None) if wanted.is_answered else records.c.majority_id.is_(None))
    if wanted.given_ids:
        found.append(records.c.record_key.in_([record_key(given, "") for given in wanted.given_ids]))
    return found
