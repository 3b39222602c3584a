"""What a stored rule set is: its name, its versions, and the bytes in which a version is kept. Pure."""

from __future__ import annotations

import re
import unicodedata
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import orjson

from labelmill.errors import BadInput, BadRules, TooLarge
from labelmill.rules.check import Finding, Severity, check
from labelmill.rules.document import from_dict, to_dict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from labelmill.rules.model import RuleSet

MOST_RULES: Final = 100_000
MOST_LABELS: Final = 10_000
#: Megabytes of the JSON document.
LARGEST_MB: Final = 16
LONGEST_NOTE: Final = 1_000
#: Faults that an error lists; it counts them all.
MOST_LISTED: Final = 50
LONGEST_NAME: Final = 100
_NAME: Final = re.compile(r"\w(?:[\w .-]*[\w.-])?")
#: Addresses of pages and calls.
_TAKEN: Final = frozenset({"new", "check", "explain", "import", "sample"})
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version without its content. ``labels`` and ``rules`` are their numbers."""

    version: int
    content_hash: str
    labels: int
    rules: int
    created_at: datetime
    created_by: str | None
    note: str


@dataclass(frozen=True, kw_only=True)
class RuleSetInfo:
    """A stored rule set and its latest version, without the content."""

    id: str
    name: str
    created_at: datetime
    created_by: str | None
    archived_at: datetime | None
    latest: Version


@dataclass(frozen=True, kw_only=True)
class StoredRuleSet:
    """A version of a stored rule set. ``new`` tells whether the call that returned it made it."""

    name: str
    version: int
    rule_set: RuleSet
    content_hash: str
    created_at: datetime
    created_by: str | None
    note: str
    archived_at: datetime | None = None
    new: bool = False


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A rule set that was found usable, ready to be written; made outside of the transaction, for it takes a while."""

    rule_set: RuleSet
    content: bytes
    content_hash: str


def pack(rule_set: RuleSet) -> Packed:
    """Return the rule set as it is stored. Raises BadRules with every rule that cannot be used, and TooLarge."""
    require_small(rule_set)
    require_usable(check(rule_set))
    document = orjson.dumps(to_dict(rule_set))
    if len(document) > LARGEST_MB * 1_000_000:
        raise TooLarge(f"The rule set takes {len(document) / 1_000_000:,.1f} MB.", where=rule_set.name, way_out=_SPLIT)
    return Packed(rule_set=rule_set, content=zlib.compress(document, 1), content_hash=rule_set.content_hash)


_SPLIT: Final = f"At most {MOST_RULES:,} rules, {MOST_LABELS:,} labels and {LARGEST_MB} MB are kept as one; make several of it."


def require_small(rule_set: RuleSet) -> None:
    """Raise TooLarge for more labels or rules than are kept."""
    for count, most, what in ((len(rule_set.rules), MOST_RULES, "rules"), (len(rule_set.labels), MOST_LABELS, "labels")):
        if count > most:
            raise TooLarge(f"The rule set has {count:,} {what}.", where=rule_set.name, way_out=_SPLIT)


def require_usable(findings: Iterable[Finding]) -> None:
    """Raise BadRules that lists the errors among the findings, each with its rule's place."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if not errors:
        return
    first = errors[0]
    message = first.message if len(errors) == 1 else f"{first.message} ({len(errors):,} rules cannot be used.)"
    listed = [{"where": finding.place, "message": f"{finding.message} {finding.way_out}"} for finding in errors[:MOST_LISTED]]
    raise BadRules(message, where=first.place, way_out=first.way_out, errors=listed)


def read_document(value: object, name: str) -> RuleSet:
    """Return the rule set of a JSON document under ``name``. Raises BadRules that names the label or rule, and TooLarge at once."""
    if isinstance(value, dict):
        for field, most in (("rules", MOST_RULES), ("labels", MOST_LABELS)):
            if isinstance(value.get(field), list) and len(value[field]) > most:
                raise TooLarge(f"The rule set has {len(value[field]):,} {field}.", where=field, way_out=_SPLIT)
        value = {field: part for field, part in value.items() if field != "name"}
    return from_dict(value, name=name)


def unpack(content: bytes, name: str) -> RuleSet:
    """Return the rule set that ``pack`` made these bytes of, under its present name."""
    return replace(from_dict(orjson.loads(zlib.decompress(content))), name=name)


def checked_name(name: str) -> str:
    """Return the name in NFC, or raise BadInput: it has to stand in a path, and before ``@version``."""
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME or name in _TAKEN:
        way_out = f"Use 1 to {LONGEST_NAME} letters, digits, blanks, `_`, `.` or `-`, beginning with a letter or digit"
        shown = name[:LONGEST_NAME]
        raise BadInput(
            f"{shown!r} is no name for a rule set.", where="name", way_out=f"{way_out}; not {', '.join(sorted(_TAKEN))}."
        )
    return name


def parse_reference(text: str) -> tuple[str, int | None]:
    """Return name and version of ``NAME`` or ``NAME@VERSION``; raises BadInput for a version that is no number."""
    name, at, version = unicodedata.normalize("NFC", text).rpartition("@")
    if not at:
        return version, None
    if not _VERSION.fullmatch(version):
        raise BadInput(
            f"{version[:40]!r} is no version.", where=text[:LONGEST_NAME], way_out="Write NAME, or NAME@3 for version 3."
        )
    return name, int(version)
