"""The form of the rules' page: what the browser sends, read into edits and wishes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Request

from labelmill.errors import BadInput
from labelmill.rules.edits import Edits, LabelRow, Row
from labelmill.rules.model import Tie

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import FormData

MOST_FIELDS: Final = 10_000
_KEY: Final = re.compile(r"[bn][0-9]{1,7}")
_MOST_SAMPLED: Final = 5_000


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the form asks for besides the edits: the text to try, the sample to count, the note, and the button pressed."""

    action: str = "preview"
    name: str = ""
    base: int = 0
    #: The version upon which to save although somebody else saved it; None for ``base``.
    over: int | None = None
    note: str = ""
    text: str = ""
    source: str = ""
    text_column: str = ""
    gold_column: str = ""
    rows: int = 1_000
    filter: str = ""
    page: int = 1


@dataclass(frozen=True, kw_only=True)
class Typed:
    edits: Edits = field(default_factory=Edits)
    wishes: Wishes = field(default_factory=Wishes)


async def _typed(request: Request) -> Typed:
    form = await request.form(max_fields=MOST_FIELDS)
    if len(form) > MOST_FIELDS:
        raise BadInput(f"The form has {len(form):,} fields.", where="form", way_out="Import a file instead.")
    return Typed(edits=_edits(form), wishes=_wishes(form))


TheForm = Annotated[Typed, Depends(_typed)]


def _edits(form: FormData) -> Edits:
    removed = set(_texts(form, "remove"))
    rows = [
        Row(key=_key(key), label=label.strip(), type=type_, content=content, removed=key in removed)
        for key, label, type_, content in _aligned(form, "row", "label", "type", "content")
    ]
    labels = [
        LabelRow(old=old, name=name.strip(), group=group.strip(), order=_whole(order, "order of a label", 10_000_000))
        for old, name, group, order in _aligned(form, "label_old", "label_name", "label_group", "label_order")
    ]
    tie = _text(form, "tie") or Tie.DROP.value
    if tie not in set(Tie):
        raise BadInput(f"tie is {tie[:40]!r}.", where="tie", way_out=f"It is one of: {', '.join(Tie)}.")
    return Edits(
        rows=tuple(rows), labels=tuple(labels) if "labels_shown" in form else None, tie=Tie(tie),
        case_sensitive="case_sensitive" in form, lines=_text(form, "lines"), lines_label=_text(form, "lines_label").strip(),
        lines_type=_text(form, "lines_type") or "partially",
    )  # fmt: skip


def _wishes(form: FormData) -> Wishes:
    texts = {name: _text(form, name) for name in ("name", "note", "text", "filter")}
    sampled = {name: _text(form, name).strip() for name in ("source", "text_column", "gold_column")}
    over = _text(form, "over")
    return Wishes(
        **texts, **sampled, action=_text(form, "action") or "preview", base=_whole(_text(form, "base"), "base", 999_999_999),
        over=_whole(over, "over", 999_999_999) if over else None, rows=max(1, _whole(_text(form, "rows") or "1000", "rows", _MOST_SAMPLED)),
        page=max(1, _whole(_text(form, "page"), "page", 1_000_000)),
    )  # fmt: skip


def _aligned(form: FormData, *names: str) -> Sequence[tuple[str, ...]]:
    columns = [_texts(form, name) for name in names]
    if len({len(column) for column in columns}) > 1:
        raise BadInput("The lines of the form are not whole.", where=names[0], way_out="Load the page again.")
    return list(zip(*columns, strict=True))


def _texts(form: FormData, name: str) -> list[str]:
    values = form.getlist(name)
    texts = [value for value in values if isinstance(value, str) and "\0" not in value]
    if len(texts) != len(values):
        raise BadInput("It is no text.", where=name, way_out="Type text without the character NUL.")
    return texts


def _text(form: FormData, name: str) -> str:
    return (_texts(form, name) or [""])[0]


def _key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise BadInput("The lines of the form are not whole.", where="row", way_out="Load the page again.")
    return key


def _whole(text: str, where: str, most: int) -> int:
    text = text.strip() or "0"
    if not (text.isascii() and text.isdigit()) or int(text[:12]) > most:
        raise BadInput(f"{text[:20]!r} is no whole number up to {most:,}.", where=where, way_out="Type a whole number.")
    return int(text)
