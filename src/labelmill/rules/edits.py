"""What somebody typed into the table of rules, and the rule set that it makes of the one that they began from. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from labelmill.errors import BadInput, BadRules
from labelmill.rules.model import Kind, Label, Match, Rule, RuleSet, Tie

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: How a rule is read and where a keyword has to stand, in one choice.
TYPES: Final = (*(match.value for match in Match), Kind.REGEX.value)
MOST_LINES: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table as it was typed. ``key`` is ``b12`` for the 13th rule of the base, ``n1`` for a new one."""

    key: str
    label: str = ""
    type: str = Match.PARTIALLY.value
    content: str = ""
    removed: bool = False

    @property
    def base(self) -> int | None:
        """The place in the base, from 0, None for a new rule."""
        return int(self.key[1:]) if self.key.startswith("b") else None

    @property
    def place(self) -> str:
        """What findings call it."""
        return f"rule {self.base + 1}" if self.base is not None else f"new rule {self.key[1:]}"

    @property
    def blank(self) -> bool:
        """Whether it is a new line that nobody wrote into."""
        return self.base is None and not self.label and not self.content


@dataclass(frozen=True, kw_only=True)
class LabelRow:
    """A label as it was typed; ``old`` is its name in the base, "" for a new one, and ``order`` where it shall stand."""

    old: str = ""
    name: str = ""
    group: str = ""
    order: int = 0


@dataclass(frozen=True, kw_only=True)
class Edits:
    """Everything typed. ``labels`` is None where the labels were not shown; ``lines`` are rules to add, one a line."""

    rows: tuple[Row, ...] = ()
    labels: tuple[LabelRow, ...] | None = None
    tie: Tie = Tie.DROP
    case_sensitive: bool = False
    lines: str = ""
    lines_label: str = ""
    lines_type: str = Match.PARTIALLY.value


def rows_of(base: RuleSet, numbers: Sequence[int]) -> tuple[Row, ...]:
    """Return the lines of the table for the rules of ``base`` at ``numbers``, from 0."""
    found = ((number, base.rules[number]) for number in numbers)
    return tuple(Row(key=f"b{number}", label=rule.label, type=rule.type, content=rule.content) for number, rule in found)


def label_rows_of(base: RuleSet) -> tuple[LabelRow, ...]:
    """Return the lines of the table of labels."""
    return tuple(
        LabelRow(old=label.name, name=label.name, group=label.group, order=number)
        for number, label in enumerate(base.labels, start=1)
    )


def apply(base: RuleSet, edits: Edits) -> RuleSet:
    """Return what ``base`` becomes. A label that a rule names and that is not listed is added at the end.

    Rules keep their place in the base, new ones follow. Raises BadRules and BadInput that name the line.
    """
    renamed = {row.old: row.name for row in edits.labels or () if row.old and row.name and row.old != row.name}
    rules: list[Rule | None] = [
        replace(rule, label=renamed[rule.label]) if rule.label in renamed else rule for rule in base.rules
    ]
    for row in edits.rows:
        if row.blank:
            continue
        made = None if row.removed else _rule(renamed.get(row.label, row.label), row.type, row.content, row.place)
        if row.base is None:
            rules.append(made)
        elif row.base < len(base.rules):
            rules[row.base] = made
    kept = [rule for rule in rules if rule is not None]
    kept += _lines(edits)
    return replace(
        base, labels=_labels(base, edits, kept), rules=tuple(kept), tie=edits.tie, case_sensitive=edits.case_sensitive
    )


def _rule(label: str, type_: str, content: str, place: str) -> Rule:
    if type_ not in TYPES:
        raise BadInput(f"{type_[:40]!r} is no match type.", where=place, way_out=f"It is one of: {', '.join(TYPES)}.")
    if not label:
        raise BadRules("The rule has no label.", where=place, way_out="Fill in the label, or remove the line.")
    match = None if type_ == Kind.REGEX else Match(type_)
    return Rule(label, Kind.REGEX if match is None else Kind.KEYWORD, match, content, place)


def _lines(edits: Edits) -> Iterator[Rule]:
    """Yield the rules of pasted lines: a keyword each, or ``keyword<TAB>match type``, or ``keyword<TAB>match type<TAB>label``."""
    lines = edits.lines.replace("\r\n", "\n").split("\n")
    if len(lines) > MOST_LINES:
        raise BadInput(f"{len(lines):,} lines were pasted.", where="lines", way_out=f"At most {MOST_LINES:,}; import a file.")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        content, *rest = line.split("\t")
        type_ = rest[0].strip() if rest else edits.lines_type
        label = rest[1].strip() if len(rest) > 1 else edits.lines_label
        yield _rule(label, type_, content, f"line {number}")


def _labels(base: RuleSet, edits: Edits, rules: Sequence[Rule]) -> tuple[Label, ...]:
    if edits.labels is None:
        listed = list(base.labels)
    else:
        rows = sorted((row for row in edits.labels if row.name), key=lambda row: row.order)
        listed = [Label(row.name, row.group) for row in rows]
    known = {label.name for label in listed}
    return (*listed, *(Label(name) for name in dict.fromkeys(rule.label for rule in rules) if name not in known))
