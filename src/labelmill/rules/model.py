"""What a rule set is: ordered labels in groups, keyword and regex rules, and how a tie is settled. Values only, no reading.

A value of this file is well formed, not necessarily usable: a regex that the engine refuses, or an empty keyword, is a finding of
``labelmill.rules.check`` and an error of ``labelmill.rules.compile_rules``, so that all of them can be listed at once.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

from labelmill.errors import BadRules

#: Characters; the column that holds labels in the output tables is this wide.
LONGEST_LABEL: Final = 200
#: Characters of a keyword or regex. Longer ones are pasted texts, not rules.
LONGEST_CONTENT: Final = 1_000
#: Unicode categories that nobody sees or that turn the direction of what follows.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
#: Characters of other categories that leave no mark: fillers, joiners and variation selectors.
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0") | {
    chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
}


class Kind(StrEnum):
    """How the content of a rule is read."""

    KEYWORD = "keyword"
    REGEX = "regex"


class Match(StrEnum):
    """Where a keyword has to stand in the text."""

    PARTIALLY = "partially"
    START = "start"
    END = "end"
    EXACTLY = "exactly"


class Tie(StrEnum):
    """What a group of labels gives to a text for which several of them share the best score."""

    DROP = "drop"
    FIRST = "first"


@dataclass(frozen=True, slots=True)
class Label:
    """A label as it is written (``/male``), normalised to NFC, and the group in which it competes."""

    name: str
    group: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _name(self.name, "label"))
        object.__setattr__(self, "group", _name(self.group, "group") if self.group != "" else "")


@dataclass(frozen=True, slots=True)
class Rule:
    """One keyword or regex for one label; ``match`` is None for a regex and only for a regex.

    ``place`` says where the rule was read (``female/author_name.txt:12``); it takes no part in equality or in the hash.
    """

    label: str
    kind: Kind
    match: Match | None
    content: str
    place: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "label", _name(self.label, "label"))
        except BadRules as error:
            raise BadRules(error.message, where=self.place, way_out=error.way_out) from error
        fault = _fault(self)
        if fault:
            raise BadRules(f"The rule {self.shown} {fault[0]}", where=self.place, way_out=fault[1])

    @property
    def type(self) -> str:
        """``regex`` or the keyword's match: the first half of what ``match_meta`` shows."""
        return self.match.value if self.match else self.kind.value

    @property
    def meta(self) -> str:
        """The rule as ``match_meta`` lists it: ``partially:amy``, ``regex:^mr``."""
        return f"{self.type}:{self.content}"

    @property
    def shown(self) -> str:
        """The rule for a sentence to a person: escaped, and cut where it is long."""
        content = self.content if len(self.content) <= 60 else self.content[:60] + "..."  # noqa: PLR2004
        return f"{self.type}:{content!r} of label {self.label!r}"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Labels in order, and rules that give them. In each group the best score wins; ``tie`` settles equal best scores."""

    name: str
    labels: tuple[Label, ...]
    rules: tuple[Rule, ...] = ()
    tie: Tie = Tie.DROP
    case_sensitive: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _name(self.name, "rule set"))
        repeated = [name for name, times in Counter(label.name for label in self.labels).items() if times > 1]
        if repeated:
            raise BadRules(f"The label {repeated[0]!r} is listed twice.", way_out="List each label once.")
        known = {label.name for label in self.labels}
        for rule in self.rules:
            if rule.label not in known:
                way_out = f"The labels are: {', '.join(sorted(known)) or 'none'}."
                raise BadRules(f"The rule {rule.shown} is for a label that is not listed.", where=rule.place, way_out=way_out)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups in the order in which the labels name them."""
        return tuple(dict.fromkeys(label.group for label in self.labels))

    @property
    def content_hash(self) -> str:
        """64 hex digits, equal for equal labels, rules, tie and case; the name and the rules' places take no part."""
        value = [
            [[label.name, label.group] for label in self.labels],
            [[rule.label, rule.type, rule.content] for rule in self.rules],
            self.tie.value,
            self.case_sensitive,
        ]
        return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()


@lru_cache(maxsize=1_000)
def _name(name: str, what: str) -> str:
    """Return ``name`` in NFC, or raise BadRules: empty, too long, padded, or with characters that nobody sees."""
    name = unicodedata.normalize("NFC", name)
    if not name or name != name.strip():
        raise BadRules(f"The {what} name {name!r} is empty or has blanks at an end.", way_out="Remove the blanks.")
    if len(name) > LONGEST_LABEL:
        raise BadRules(
            f"The {what} name {name[:60]!r}... has {len(name)} characters.", way_out=f"At most {LONGEST_LABEL} are allowed."
        )
    for position, character in enumerate(name, start=1):
        category = unicodedata.category(character)
        if category in _UNSEEN or character in _BLANK or (category == "Zs" and character != " "):
            message = f"Character {position} (U+{ord(character):04X}) of the {what} name {name!r} is invisible or changes the direction."
            raise BadRules(message, way_out="Remove it: two names that look alike would be two labels.")
    return name


def _fault(rule: Rule) -> tuple[str, str] | None:
    """Return what is wrong with the form of a rule and the way out, or None."""
    if (rule.kind is Kind.KEYWORD) != (rule.match is not None):
        return "has a match type though it is a regex, or none though it is a keyword.", "Only keywords have a match type."
    if len(rule.content) > LONGEST_CONTENT:
        return f"has {len(rule.content)} characters.", f"At most {LONGEST_CONTENT} are allowed; use a shorter keyword."
    if "\0" in rule.content:
        return "holds the character NUL, which no database can store in a text.", "Remove the character."
    if any("\ud800" <= character <= "\udfff" for character in rule.content):
        return (
            "holds half of a surrogate pair, which is not a character.",
            "Save the file as UTF-8 and write the whole character.",
        )
    return None
