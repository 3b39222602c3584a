"""The entry to all that holds records: a look at what is there and what it probably means, and its rows as records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from labelmill.datasets.mapping import SCHEMA, LabelUse, Mapped, Mapper, Mapping
from labelmill.datasets.model import RecordKind
from labelmill.datasets.readers import Rows, open_rows
from labelmill.datasets.readers.images import FILE
from labelmill.datasets.readers.label_studio import ANNOTATOR, ANSWERED, LABEL
from labelmill.db.bulk.file_source import FileSource
from labelmill.db.bulk.model import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import polars as pl

    from labelmill.db.bulk.files import FileOptions
    from labelmill.db.bulk.location import Location
    from labelmill.db.bulk.model import Column, Reject

__all__ = ["SCHEMA", "Guess", "LabelUse", "Mapped", "Mapping", "Preview", "inspect", "look", "mapped", "read", "usual_mapping"]

#: Rows that a preview shows, and that a guess looks at.
SHOWN: Final = 20
SAMPLED: Final = 1_000
LONGEST_VALUE: Final = 300
#: More different values than this are no labels.
MOST_LABELS: Final = 200
#: So many may be labels however few rows there are.
FEW_LABELS: Final = 10
_TEXTS: Final = (
    "text", "content", "content_html", "body", "sentence", "message", "comment", "sms", "review", "tweet", "post", "title", "data", "question",
)  # fmt: skip
_IDS: Final = ("id", "record_id", "text_id", "post_id", "item_id", "item", "uuid", "guid", "key", "index")
_LABELS: Final = ("label", "labels", "category", "class", "target", "tag", "gold", "sentiment", "intent", "panel")
_ANNOTATORS: Final = ("annotator", "worker", "user", "rater", "coder", "labeler", "labeller", "completed_by")


@dataclass(frozen=True, kw_only=True)
class Guess:
    """What the columns probably mean; None where nothing hints at it."""

    kind: RecordKind
    text: str | None = None
    id: str | None = None
    label: str | None = None
    annotator: str | None = None
    time: str | None = None
    #: Whether each row that was looked at has a label: as init data none would be left to be labelled.
    all_labelled: bool = False


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a source shows before anything is imported."""

    name: str
    format: str
    #: How a text file is written, for people: encoding, separator, quotes, line ends.
    dialect: str
    encoding: str | None
    columns: tuple[Column, ...]
    #: The first rows, each value as text and cut where it is long.
    rows: tuple[dict[str, str | None], ...]
    guess: Guess
    #: How many rows there are, where that is known without reading them all.
    total: int | None = None
    #: What was refused among the rows that were looked at.
    rejects: tuple[Reject, ...] = field(default=())


def inspect(place: Location | Path | str, options: FileOptions | None = None, *, query: str | None = None) -> Preview:
    """Return what the source at ``place`` shows; raises BadSource, BadFile, TooLarge or Unavailable."""
    return look(open_rows(place, options, query=query))


def look(rows: Rows) -> Preview:
    """Return what an opened source shows."""
    with rows.source as source:
        table = source.table
        sample = _sample(rows)
        return Preview(
            name=table.name, format=rows.format, dialect=rows.dialect, encoding=rows.encoding, columns=table.columns,
            rows=tuple(_shown(row) for row in sample[:SHOWN]), guess=_guess(rows, table.columns, sample), total=table.rows,
            rejects=tuple(source.rejects[:SHOWN]),
        )  # fmt: skip


def read(
    place: Location | Path | str, mapping: Mapping, options: FileOptions | None = None, *, query: str | None = None
) -> Iterator[Mapped]:
    """Yield the rows of the source at ``place`` as records, with those that cannot be read or used, in bounded memory.

    Raises what ``inspect`` raises, and BadSource or BadInput for a mapping that does not fit.
    """
    rows = open_rows(place, options, query=query)
    with rows.source:
        yield from mapped(rows, mapping)


def mapped(rows: Rows, mapping: Mapping) -> Iterator[Mapped]:
    """Yield the rows of an opened source as records; what the source itself refuses comes with the frame after it."""
    source = rows.source
    mapping.check(source.table)
    mapper = Mapper(mapping, is_json=rows.is_json)
    told = 0
    for frame in source.read(mapping.needed, batch_rows=50_000):
        made = mapper.add(frame, source.places if isinstance(source, FileSource) else None)
        made.rejects.extend(source.rejects[told:])
        told = len(source.rejects)
        yield made
    if source.rejects[told:]:
        yield Mapped(frame=SCHEMA.to_frame(), rejects=list(source.rejects[told:]))


def usual_mapping(preview: Preview, kind: RecordKind | None = None) -> Mapping:
    """Return the mapping that a preview's guesses make, for records of ``kind`` or of the kind that is guessed."""
    guess, wanted = preview.guess, kind or preview.guess.kind
    columns: Sequence[str | None] = [guess.text]
    if wanted is RecordKind.TABULAR:
        others = {guess.id, guess.label, guess.annotator, guess.time}
        columns = [column.name for column in preview.columns if column.name not in others]
    answers = guess.label is not None and guess.annotator is not None
    use = LabelUse.NAMES if guess.all_labelled else LabelUse.INIT
    return Mapping(
        kind=wanted, columns=tuple(name for name in columns if name), id_column=guess.id, label_column=guess.label,
        label_use=LabelUse.ANSWERS if answers else use, annotator_column=guess.annotator if answers else None,
        time_column=guess.time if answers else None,
    )  # fmt: skip


def _sample(rows: Rows) -> list[dict[str, Any]]:
    names = [column.name for column in rows.source.table.columns]
    sample: list[dict[str, Any]] = []
    frames: Iterator[pl.DataFrame] = rows.source.read(names, batch_rows=SAMPLED)
    for frame in frames:
        sample += frame.head(SAMPLED - len(sample)).to_dicts()
        if len(sample) >= SAMPLED:
            break
    return sample


def _shown(row: dict[str, Any]) -> dict[str, str | None]:
    return {name: _cut(value) for name, value in row.items()}


def _cut(value: Any) -> str | None:
    if value is None:
        return None
    text = value[:LONGEST_VALUE].hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _guess(rows: Rows, columns: Sequence[Column], sample: list[dict[str, Any]]) -> Guess:
    if rows.is_images:
        known = {row["label"] for row in sample if row["label"]}
        label = "label" if known else None
        return Guess(kind=RecordKind.IMAGE, text=FILE, id=FILE, label=label, all_labelled=_all_labelled(label, sample))
    names = [column.name for column in columns]
    label = _named(names, _LABELS)
    if label is not None and not _is_label(label, sample):
        label = None
    if rows.format == "label-studio":
        data = [column for column in columns if column.name not in ("id", LABEL, ANNOTATOR, ANSWERED)]
        return Guess(
            kind=RecordKind.TEXT, text=_text_column(data, sample), id="id" if "id" in names else None, label=LABEL, annotator=ANNOTATOR,
            time=ANSWERED,
        )  # fmt: skip
    annotator = _named(names, _ANNOTATORS) if label else None
    taken = {label, annotator}
    text = _text_column([column for column in columns if column.name not in taken], sample)
    identity = _named([name for name in names if name != text], _IDS)
    if identity is not None and annotator is None and not _tells_apart(identity, sample):
        identity = None
    if text is None and identity is not None and annotator is not None:
        text = identity  # votes on things that are named only
    return Guess(
        kind=RecordKind.TEXT if text is not None else RecordKind.TABULAR, text=text, id=identity, label=label, annotator=annotator,
        all_labelled=_all_labelled(label, sample),
    )  # fmt: skip


def _all_labelled(label: str | None, sample: list[dict[str, Any]]) -> bool:
    return label is not None and all(row[label] not in (None, "", "[]", []) for row in sample)


def _named(names: Sequence[str], known: Sequence[str]) -> str | None:
    """Return the first column that goes by one of the known names."""
    lower = {name.strip().lower(): name for name in reversed(names)}
    return next((lower[name] for name in known if name in lower), None)


def _text_column(columns: Sequence[Column], sample: list[dict[str, Any]]) -> str | None:
    """Return the column with a usual name, else the text column with the longest texts, if they are longer than a word or two."""
    texts = [column.name for column in columns if column.kind in (Kind.TEXT, Kind.OTHER)]
    named = _named(texts, _TEXTS)
    if named is not None or not texts:
        return named
    lengths = {name: sum(len(str(row[name] or "")) for row in sample) / max(1, len(sample)) for name in texts}
    longest = max(texts, key=lambda name: lengths[name])
    return longest if lengths[longest] > 15 or len(columns) == 1 else None  # noqa: PLR2004 - characters; words are shorter


def _is_label(name: str, sample: list[dict[str, Any]]) -> bool:
    values = {str(row[name]) for row in sample if row[name] is not None}
    return 0 < len(values) <= max(FEW_LABELS, min(MOST_LABELS, len(sample) // 2))


def _tells_apart(name: str, sample: list[dict[str, Any]]) -> bool:
    values = [row[name] for row in sample]
    return None not in values and len({str(value) for value in values}) == len(values)
