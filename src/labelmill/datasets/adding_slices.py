"""One slice of an import in one transaction: its records, labels and answers, with the count of what became of its rows."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import sqlalchemy as sa

from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.datasets import labels, records, store
from labelmill.datasets.mapping import LabelUse
from labelmill.datasets.model import Added, record_key
from labelmill.datasets.tables import records as record_rows
from labelmill.errors import BadInput, Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

#: Keys that one statement names.
KEYS: Final = 500
#: Rows with a known id and another content that are listed one by one.
KEPT_CONFLICTS: Final = 1_000


@dataclass
class Tally:
    """What became of the rows of a step so far; ``cursor`` is how many of its rows are dealt with."""

    cursor: int = 0
    added: int = 0
    known: int = 0
    init: int = 0
    answers: int = 0
    #: Rows whose id is known with another content, which stays.
    conflicts: int = 0
    #: Of these the first ones, each as place and id.
    listed: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Tally:
        return cls(**figures)


def with_keys(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with the column ``record_key``: what makes each the same at the next import."""
    pairs = zip(frame["given_id"], frame["content"], strict=True)
    return frame.with_columns(pl.Series("record_key", [record_key(given, content) for given, content in pairs], pl.String))


@dataclass(frozen=True, kw_only=True)
class Piece:
    """The rows of a step, made ready as a whole: polars takes as long for a slice as for all of them."""

    #: Of ``mapping.SCHEMA`` and ``record_key``.
    rows: pl.DataFrame
    #: The same rows as they are stored.
    ready: pl.DataFrame
    use: LabelUse
    #: The ids of annotators by the names of the file.
    people: Mapping[str, str]
    is_labelled: bool

    @classmethod
    def of(cls, connection: Connection, dataset_id: int, rows: pl.DataFrame, use: LabelUse, people: Mapping[str, str]) -> Piece:
        rows = with_keys(rows)
        ready = records.prepared(connection, dataset_id, rows.select("record_key", "given_id", "content"))
        is_labelled = bool((rows["labels"].list.len() > 0).any())
        return cls(rows=rows, ready=ready, use=use, people=people, is_labelled=is_labelled)


def add_slice(connection: Connection, dataset_id: int, piece: Piece, size: int, tally: Tally) -> Tally:
    """Add the next ``size`` rows of a step that ``tally`` does not count, and return the count with them.

    Labels and annotators are there already. What was added before adds nothing.
    """
    # A transaction that is tried again must not count twice.
    tally = Tally.of(asdict(tally))
    rows, ready = piece.rows.slice(tally.cursor, size), piece.ready.slice(tally.cursor, size)
    tally.cursor += rows.height
    labelled = rows.filter(pl.col("labels").list.len() > 0) if piece.is_labelled else rows.clear()
    if piece.use is LabelUse.INIT and labelled.height:
        bare = rows["labels"].list.len() == 0
        rows, ready = rows.filter(bare), ready.filter(bare)
        found = _add_init(connection, dataset_id, labelled)
        tally.init += found.added
        tally.known += found.known
    if rows.height:
        found = records.add_prepared(connection, dataset_id, ready)
        tally.added += found.added
        tally.known += found.known
        if found.known:
            _count_conflicts(connection, dataset_id, rows, tally)
    if piece.use is LabelUse.ANSWERS and labelled.height:
        tally.answers += _add_answers(connection, dataset_id, labelled, piece.people)
    return tally


def _add_init(connection: Connection, dataset_id: int, labelled: pl.DataFrame) -> Added:
    ids = _label_ids(connection, dataset_id, labelled)
    pairs = labelled.select("content", "labels").explode("labels").with_columns(label_id=pl.col("labels").replace_strict(ids))
    return records.add_init_records(connection, dataset_id, pairs.select("content", "label_id").unique(maintain_order=True))


def _label_ids(connection: Connection, dataset_id: int, labelled: pl.DataFrame) -> dict[str, int]:
    # As lists, here and below: each step of polars costs as much as a hundred rows, and a slice may have fewer.
    names = dict.fromkeys(name for names in labelled["labels"].to_list() for name in names)
    return labels.ensure_labels(connection, dataset_id, list(names))


def _add_answers(connection: Connection, dataset_id: int, labelled: pl.DataFrame, people: Mapping[str, str]) -> int:
    ids = _label_ids(connection, dataset_id, labelled)
    numbers = _numbers(connection, dataset_id, labelled["record_key"].unique().to_list())
    answers = pl.DataFrame(
        {
            "record_id": [numbers[key] for key in labelled["record_key"]],
            "annotator_id": [people[name] for name in labelled["annotator"]],
            "label_id": [ids[names[0]] for names in labelled["labels"].to_list()],
            "answered_at": labelled["answered_at"],
        }
    )
    return annotation.add_answers(connection, store.get(connection, dataset_id), answers)


def _numbers(connection: Connection, dataset_id: int, keys: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    rows = record_rows.c
    for start in range(0, len(keys), KEYS):
        query = sa.select(rows.record_key, rows.id).where(
            rows.dataset_id == dataset_id, rows.record_key.in_(keys[start : start + KEYS])
        )
        found |= {row.record_key: row.id for row in connection.execute(query)}
    return found


def _count_conflicts(connection: Connection, dataset_id: int, rows: pl.DataFrame, tally: Tally) -> None:
    """Count rows with a given id that is known with another content: the first content stays."""
    columns = [rows[name].to_list() for name in ("given_id", "record_key", "content", "place")]
    given = [row for row in zip(*columns, strict=True) if row[0] is not None]
    keys = list(dict.fromkeys(row[1] for row in given))
    kept: dict[str, str] = {}
    for start in range(0, len(keys), KEYS):
        query = sa.select(record_rows.c.record_key, record_rows.c.content).where(
            record_rows.c.dataset_id == dataset_id, record_rows.c.record_key.in_(keys[start : start + KEYS])
        )
        kept |= {row.record_key: row.content for row in connection.execute(query)}
    others = [(place, given_id) for given_id, key, content, place in given if content != kept[key]]
    tally.conflicts += len(others)
    tally.listed += others[: max(0, KEPT_CONFLICTS - len(tally.listed))]


def people_of(connection: Connection, dataset_id: int, names: Iterable[str], *, trusted: bool) -> dict[str, str]:
    """Return the ids of annotators by the names that a file has for them.

    Where ``trusted`` an address that somebody has means them. All others are people of this dataset only who cannot sign in: nobody's
    answers are forged by a file.
    """
    return {name: _known(connection, name, trusted=trusted) or _stand_in(connection, dataset_id, name) for name in names}


def _known(connection: Connection, name: str, *, trusted: bool) -> str | None:
    try:
        return accounts.find_annotator(connection, name).id if trusted else None
    except (BadInput, NotFound):
        return None


def _stand_in(connection: Connection, dataset_id: int, name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:24]
    address = f"{digest}@dataset-{dataset_id}.invalid"
    try:
        return accounts.find_annotator(connection, address).id
    except NotFound:
        shown = "".join(char for char in name if char.isprintable()).strip()[:200] or digest
    try:
        return accounts.add_annotator(connection, email=address, name=shown, role=Role.ANNOTATOR, closed=True).id
    except Conflict:  # another step made it in between
        return accounts.find_annotator(connection, address).id
