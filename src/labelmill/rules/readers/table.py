"""The predecessor's CSV: ``content,label,rule_type,match_type``, several match types in a cell; and, of ours, ``group``."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Final

from labelmill.errors import BadFile, BadRules
from labelmill.rules.groups import as_read
from labelmill.rules.model import LONGEST_CONTENT, Kind, Label, Match, Rule, RuleSet
from labelmill.rules.readers.loaded import Loaded, Note
from labelmill.rules.readers.text import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

COLUMNS: Final = ("content", "label", "rule_type", "match_type")
GROUP: Final = "group"
_MATCHES: Final = {
    **{match.value: match for match in Match},
    "absolutely": Match.EXACTLY,
    "比對開頭": Match.START,
    "比對結尾": Match.END,
    "完全一致": Match.EXACTLY,
    "部分吻合": Match.PARTIALLY,
}
_SEPARATORS: Final = re.compile(r"[,，、;]")  # noqa: RUF001 - the full-width comma is what is meant


def read_table(
    path: Path, *, name: str, dictionary: Mapping[str, str] | None = None, default_label: str = ""
) -> tuple[Loaded, bool]:
    """Read a CSV (or tab-separated) file and return it with whether it says groups; labels stand in the order in which they first occur.

    With ``dictionary`` a label becomes ``/`` and its translation, or ``/`` and its own name where it has none; without, it stays as
    written. With ``default_label`` rows may have no label, or the file no such column: they get this one. An unknown match type is
    read as ``partially``, with a note. Raises NotFound, BadFile and BadRules with file and line.
    """
    notes: list[Note] = []
    rules: list[Rule] = []
    groups: dict[str, str] = {}
    says_groups = False
    for place, row in _rows(path, [column for column in COLUMNS if column != "label" or not default_label]):
        label = row.get("label", "").strip() or default_label
        if dictionary is not None:
            label = "/" + dictionary.get(label.removeprefix("/"), label.removeprefix("/"))
        added = list(_rules(row, label, place, notes))
        rules += added
        says_groups = GROUP in row
        for rule in added:
            _join_group(groups, rule, row.get(GROUP, "").strip())
    labels = tuple(Label(label, group) for label, group in groups.items())
    return Loaded(RuleSet(name, labels, tuple(rules)), tuple(notes)), says_groups


def write_table(rule_set: RuleSet, path: Path) -> None:
    """Write one line per rule; contents are written as they are, even where a spreadsheet would take them for a formula."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")  # so that both of its characters are quoted in a cell
        groups = {label.name: label.group for label in rule_set.labels}
        says_groups = any(groups.values()) or as_read(rule_set) != rule_set
        writer.writerow((*COLUMNS, GROUP) if says_groups else COLUMNS)
        for rule in rule_set.rules:
            cells = (rule.content, rule.label, rule.kind.value, rule.match.value if rule.match else "")
            writer.writerow((*cells, groups[rule.label]) if says_groups else cells)


def _join_group(groups: dict[str, str], rule: Rule, group: str) -> None:
    """Note the group of a rule's label; a row that leaves it empty goes with the label's others."""
    known = groups.setdefault(rule.label, group) or group
    if group not in ("", known):
        message = f"The label {rule.label!r} is in the group {known[:60]!r} and in {group[:60]!r}."
        raise BadRules(message, where=rule.place, way_out="Give all rules of a label the same group.")
    groups[rule.label] = known


def _rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield place and cells of each row that is not blank."""
    text = read_text(path)
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        _check_header(path, header, needed)
        line = reader.line_num + 1
        for cells in reader:
            place, line = f"{path}:{line}", reader.line_num + 1
            if not any(cells):
                continue
            if len(cells) != len(header):
                fault = f"The row has {len(cells)} cells, the header {len(header)}."
                raise BadFile(fault, where=place, way_out="Put content with commas or line ends in double quotes.")
            yield place, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise BadFile(
            f"The row is not CSV: {error}.", where=f"{path}:{line}", way_out="Double the quotes inside of quotes."
        ) from error


def _check_header(path: Path, header: list[str], needed: Sequence[str]) -> None:
    faults = [f"The column {name!r} is missing." for name in needed if name not in header]
    faults += [f"The column {name!r} stands there twice." for name in (*COLUMNS, GROUP) if header.count(name) > 1]
    if faults:
        raise BadFile(faults[0], where=f"{path}:1", way_out=f"The first line is: {','.join(needed)}.")


def _rules(row: dict[str, str], label: str, place: str, notes: list[Note]) -> Iterator[Rule]:
    kind = row["rule_type"].strip().lower()
    if kind not in set(Kind):
        raise BadRules(f"rule_type is {row['rule_type'][:60]!r}.", where=place, way_out=f"It is one of: {', '.join(Kind)}.")
    if kind == Kind.REGEX:
        yield _rule(label, Kind.REGEX, None, row["content"], place)
        return
    for match in dict.fromkeys(_match(cell.strip(), place, notes) for cell in _SEPARATORS.split(row["match_type"])):
        yield _rule(label, Kind.KEYWORD, match, row["content"], place)


def _rule(label: str, kind: Kind, match: Match | None, content: str, place: str) -> Rule:
    if not label:
        shown = content[:LONGEST_CONTENT]
        raise BadRules(f"The rule {shown!r} has no label.", where=place, way_out="Fill the column label.")
    return Rule(label, kind, match, content, place)


def _match(cell: str, place: str, notes: list[Note]) -> Match:
    found = _MATCHES.get(cell.lower())
    if found is None:
        notes.append(Note(place, f"The match type {cell[:60]!r} is not known: read as partially."))
    return found or Match.PARTIALLY
