"""The form of an import: what each column is, from a preview's guess and back from what was chosen. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from labelmill.datasets.mapping import LabelUse, Mapping
from labelmill.datasets.model import NewLabel, RecordKind
from labelmill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping as Values

    from labelmill.datasets.imports import Preview
    from labelmill.db.bulk.files import FileOptions

#: Labels that a form may name.
MOST_NAMED: Final = 1_000
#: The comma, that of East Asian keyboards, and the one between the parts of a list there.
_COMMAS: Final = re.compile("[,\uff0c\u3001]")


class ColumnRole(StrEnum):
    """What a column is for a dataset."""

    TEXT = "text"
    FIELD = "field"
    ID = "id"
    LABEL = "label"
    ANNOTATOR = "annotator"
    TIME = "time"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What a form says of a source, and of what is done with its labels."""

    #: By column, in the order of the source.
    roles: dict[str, ColumnRole]
    label_use: LabelUse
    label_separator: str = ""
    annotator: str = ""

    @property
    def kind(self) -> RecordKind:
        """Fields make rows; without any it is text."""
        return RecordKind.TABULAR if ColumnRole.FIELD in self.roles.values() else RecordKind.TEXT


def roles_for(kind: RecordKind | None) -> list[ColumnRole]:
    """Return what a column can be in a dataset of this kind; None is a new one."""
    left_out = {RecordKind.TEXT: {ColumnRole.FIELD}, RecordKind.TABULAR: {ColumnRole.TEXT}}.get(kind or RecordKind.IMAGE, set())
    return [role for role in ColumnRole if role not in left_out]


def guessed(preview: Preview, kind: RecordKind | None = None) -> Chosen:
    """Return what a preview's guess makes of the columns, for records of ``kind`` or of the kind that is guessed."""
    guess = preview.guess
    named = {
        guess.id: ColumnRole.ID,
        guess.label: ColumnRole.LABEL,
        guess.annotator: ColumnRole.ANNOTATOR,
        guess.time: ColumnRole.TIME,
    }
    tabular = (kind or guess.kind) is RecordKind.TABULAR
    if not tabular:
        named[guess.text or (preview.columns[0].name if preview.columns else "")] = ColumnRole.TEXT
    rest = ColumnRole.FIELD if tabular else ColumnRole.NONE
    roles = {column.name: named.get(column.name, rest) for column in preview.columns}
    return Chosen(roles=roles, label_use=_usual_use(preview))


def read_chosen(values: Values[str, str], preview: Preview, kind: RecordKind | None = None) -> Chosen:
    """Return what a form chose; what it leaves out is as guessed. Raises BadInput for a role or use that there is not."""
    usual = guessed(preview, kind)
    roles = {
        column.name: _one_of(ColumnRole, values.get(f"role-{number}"), usual.roles[column.name], "role")
        for number, column in enumerate(preview.columns)
    }
    return Chosen(
        roles=roles,
        label_use=_one_of(LabelUse, values.get("label_use"), usual.label_use, "label_use"),
        label_separator=values.get("label_separator", "").strip(),
        annotator=values.get("annotator", "").strip(),
    )


def mapping_of(chosen: Chosen, kind: RecordKind) -> Mapping:
    """Return the mapping that a form means; raises BadInput where two columns are what only one can be, or none is the text."""
    texts = tuple(name for name, role in chosen.roles.items() if role is ColumnRole.TEXT)
    fields = tuple(name for name, role in chosen.roles.items() if role is ColumnRole.FIELD)
    if texts and fields:
        raise BadInput("A record is a text or a row of fields.", where="columns", way_out="Make all of them fields, or none.")
    label = _only(chosen, ColumnRole.LABEL)
    return Mapping(
        kind=kind, columns=fields if kind is RecordKind.TABULAR else texts, id_column=_only(chosen, ColumnRole.ID), label_column=label,
        label_use=chosen.label_use, label_separator=chosen.label_separator or None, annotator=chosen.annotator or None,
        annotator_column=_only(chosen, ColumnRole.ANNOTATOR), time_column=_only(chosen, ColumnRole.TIME),
    )  # fmt: skip


def seen_labels(preview: Preview, chosen: Chosen) -> list[str]:
    """Return the labels that the shown rows have, in the order in which they come."""
    column = next((name for name, role in chosen.roles.items() if role is ColumnRole.LABEL), None)
    values = [row.get(column) for row in preview.rows] if column else []
    return list(dict.fromkeys(value for value in values if value and value.strip()))


def command(file: str, into: str, mapping: Mapping, options: FileOptions, *, new: bool) -> str:
    """Return the command that imports ``file`` in the same way."""
    columns = [("--field" if mapping.kind is RecordKind.TABULAR else "--text-column", name) for name in mapping.columns]
    images = mapping.kind is RecordKind.IMAGE
    said = [
        ("--into", into), *([("--kind", mapping.kind)] if images else columns), ("--id-column", None if images else mapping.id_column),
        ("--label-column", mapping.label_column), ("--labels", mapping.label_use if mapping.label_column else None),
        ("--label-separator", mapping.label_separator), ("--annotator-column", mapping.annotator_column),
        ("--annotator", mapping.annotator), ("--time-column", mapping.time_column),
        ("--encoding", options.encoding), ("--separator", {"\t": "tab"}.get(options.separator or "", options.separator)),
    ]  # fmt: skip
    words = [f"{option} {shlex.quote(value)}" for option, value in said if value]
    flags = [*(["--new"] if new else []), *([] if mapping.label_column else ["--no-labels"])]
    return " ".join(["labelmill import", shlex.quote(file), *words, *flags])


def named_labels(text: str) -> list[NewLabel]:
    """Return the labels of a field: one a line, or in one line separated by commas. Raises BadInput for far too many."""
    parts = text.splitlines() if "\n" in text.strip() else _COMMAS.split(text)
    names = list(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if len(names) > MOST_NAMED:
        raise BadInput(f"A form names at most {MOST_NAMED:,} labels.", where="labels", way_out="Import them with a column.")
    return [NewLabel(name=name) for name in names]


def _usual_use(preview: Preview) -> LabelUse:
    """Return what labels probably are: answers of those who are named, train data where rows without any are left to label, else names."""
    guess = preview.guess
    if guess.label is None:
        return LabelUse.NAMES
    if guess.annotator is not None:
        return LabelUse.ANSWERS
    unlabelled = any(not (row.get(guess.label) or "").strip() for row in preview.rows)
    return LabelUse.INIT if unlabelled else LabelUse.NAMES


def _only(chosen: Chosen, role: ColumnRole) -> str | None:
    found = [name for name, each in chosen.roles.items() if each is role]
    if len(found) > 1:
        raise BadInput(f"Two columns are the {role}: {', '.join(found)}.", where="columns", way_out="Leave one of them out.")
    return found[0] if found else None


def _one_of(kind: Any, text: str | None, usual: Any, where: str) -> Any:
    if text is None:
        return usual
    if text not in set(kind):
        raise BadInput(f"There is no {text[:40]!r} here.", where=where, way_out=f"One of: {', '.join(kind)}.")
    return kind(text)
