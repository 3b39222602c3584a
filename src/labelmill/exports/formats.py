"""What can be exported, in which formats, and what a file is called. Pure values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from labelmill.datasets import RecordFilter, RecordKind
from labelmill.errors import BadInput


class Format(StrEnum):
    CSV = "csv"
    TSV = "tsv"
    XLSX = "xlsx"
    JSONL = "jsonl"
    PARQUET = "parquet"
    LABEL_STUDIO = "label-studio"
    DOCCANO = "doccano"
    SPACY = "spacy"
    #: task, worker, label: a line for each label of each answer, as crowd-kit and cleanlab read it.
    LONG = "long"
    #: A folder for the library ``datasets``: Parquet with a card.
    HUGGING_FACE = "hugging-face"
    #: A folder of images for each label.
    IMAGES = "images"


class Rows(StrEnum):
    """What a row is."""

    RECORDS = "records"
    #: One row for each answer; a record that nobody answered has one row without an annotator.
    ANSWERS = "answers"


class Naming(StrEnum):
    """What annotators are called."""

    PSEUDONYM = "pseudonym"
    NAME = "name"
    EMAIL = "email"


class _Kind(NamedTuple):
    suffix: str
    media_type: str
    #: Kinds of records that it can hold.
    holds: frozenset[RecordKind] = frozenset(RecordKind)
    #: Whether the caller decides what a row is.
    has_rows: bool = False


_ZIP: Final = ("zip", "application/zip")
_TEXT: Final = frozenset({RecordKind.TEXT})
KINDS: Final = {
    Format.CSV: _Kind("csv", "text/csv; charset=utf-8", has_rows=True),
    Format.TSV: _Kind("tsv", "text/tab-separated-values; charset=utf-8", has_rows=True),
    Format.XLSX: _Kind("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", has_rows=True),
    Format.JSONL: _Kind("jsonl", "application/x-ndjson", has_rows=True),
    Format.PARQUET: _Kind("parquet", "application/vnd.apache.parquet", has_rows=True),
    Format.LABEL_STUDIO: _Kind("json", "application/json"),
    Format.DOCCANO: _Kind("jsonl", "application/x-ndjson", holds=_TEXT),
    Format.SPACY: _Kind("jsonl", "application/x-ndjson", holds=_TEXT),
    Format.LONG: _Kind("csv", "text/csv; charset=utf-8"),
    Format.HUGGING_FACE: _Kind(*_ZIP),
    Format.IMAGES: _Kind(*_ZIP, holds=frozenset({RecordKind.IMAGE})),
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """An export that somebody asks for."""

    format: Format
    rows: Rows = Rows.RECORDS
    naming: Naming = Naming.PSEUDONYM
    #: Which records: as on the page that lists them.
    where: RecordFilter = field(default_factory=RecordFilter)

    def check(self, kind: RecordKind) -> None:
        """Raise BadInput for what this format cannot hold."""
        known = KINDS[self.format]
        if kind not in known.holds:
            fits = ", ".join(each for each in Format if kind in KINDS[each].holds)
            raise BadInput(
                f"The format {self.format} holds no {kind} records.", where="format", way_out=f"For these there are: {fits}."
            )
        if self.rows is not Rows.RECORDS and not known.has_rows:
            fits = ", ".join(each for each in Format if KINDS[each].has_rows)
            raise BadInput(f"The format {self.format} has its own rows.", where="rows", way_out=f"Choose among {fits}.")


def file_name(dataset: str, request: Request) -> str:
    """Return what the file is called: the dataset's name without what a file system or a header would stumble over."""
    stem = re.sub(r"[^\w.-]+", "-", dataset).strip("-.")[:80] or "dataset"
    rows = "-answers" if request.rows is Rows.ANSWERS else ""
    own = {Format.CSV, Format.TSV, Format.XLSX, Format.JSONL, Format.PARQUET}
    return f"{stem}{rows}{'' if request.format in own else f'-{request.format}'}.{KINDS[request.format].suffix}"
