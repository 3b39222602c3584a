"""What is read from a LabelForward, and what its rows mean here. Pure values."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from labelmill.datasets.model import normal_label
from labelmill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

#: Problems that a report keeps; all are counted.
MOST_PROBLEMS: Final = 1000
#: Characters of somebody else's text that a report shows.
LONGEST_SHOWN: Final = 60
_BCRYPT: Final = re.compile(r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}")
#: Not seen, or turning the direction of what follows: no name of a label may hold them.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs"})


@dataclass(frozen=True, kw_only=True)
class Text:
    """A row of text_data: ``labels[i]`` was given by ``users[i]``."""

    id: int
    content: str
    labels: Sequence[str | None]
    users: Sequence[str | None]


@dataclass(frozen=True, kw_only=True)
class User:
    """A row of users."""

    id: int
    email: str
    password: str


@dataclass(frozen=True, kw_only=True)
class Vote:
    """A label that somebody gave, with its times as far as they are known."""

    text_id: int
    user: str
    label: str
    shown_at: datetime | None = None
    answered_at: datetime | None = None


#: When a text was first shown to somebody, and when they answered.
Span: TypeAlias = "tuple[datetime | None, datetime | None]"


@dataclass
class Count:
    """How many of one kind were found; how many are (to be) taken, were there already, and cannot be taken."""

    found: int = 0
    taken: int = 0
    known: int = 0
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What cannot be taken as it is, and why."""

    where: str
    reason: str


#: What is counted, in the order in which it is told.
KINDS: Final = ("texts", "labels", "votes", "accounts", "invitations", "init data")


@dataclass(kw_only=True)
class Report:
    """What was found in a LabelForward, and what is to be taken over or, with ``applied``, has been."""

    place: str
    into: str
    dataset_id: int | None = None
    applied: bool = False
    counts: dict[str, Count] = field(default_factory=lambda: {kind: Count() for kind in KINDS})
    #: The first of them, and how many there are in all.
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    #: What was taken in another way than it stood there: closed accounts, labels renamed, changed answers.
    notes: dict[str, int] = field(default_factory=dict)
    #: Addresses with votes and no account: how many votes, and the accounts that were shown those texts and have no vote on them.
    strangers: dict[str, tuple[int, Counter[str]]] = field(default_factory=dict)
    #: A training that is due now.
    job_id: str | None = None

    def leave_out(self, kind: str, where: str, reason: str) -> None:
        """Count something that cannot be taken, and say why."""
        self.counts[kind].left_out += 1
        self.problem_count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(where=where, reason=reason))

    def note(self, what: str, count: int = 1) -> None:
        """Count something that was taken in another way than it stood there."""
        self.notes[what] = self.notes.get(what, 0) + count

    def meet(self, stranger: str, candidates: Iterable[str]) -> None:
        """Count a vote of an address without an account, with the accounts that could be the same person."""
        votes, seen = self.strangers.setdefault(stranger, (0, Counter()))
        seen.update(candidates)
        self.strangers[stranger] = (votes + 1, seen)

    @property
    def renamed(self) -> dict[str, str]:
        """Addresses that an account had before, as it seems: it was shown every text that they voted on."""
        found = {}
        for stranger, (votes, seen) in self.strangers.items():
            likely = [account for account, count in seen.items() if count == votes]
            if len(likely) == 1:
                found[stranger] = likely[0]
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "place": self.place, "into": self.into, "dataset": self.dataset_id, "applied": self.applied,
            "counts": {kind: vars(count) for kind, count in self.counts.items()}, "notes": self.notes, "renamed": self.renamed,
            "problem_count": self.problem_count, "problems": [vars(each) for each in self.problems],
        }  # fmt: skip


def votes_of(text: Text, stamps: Mapping[str, Span], report: Report) -> list[Vote]:
    """Return a text's votes in the order in which they were given; what has no label or nobody behind it is left out.

    ``stamps`` has, by address, the earliest moment at which the text was shown and the one at which it was answered. The order of the
    array holds where the times contradict it; a vote without a time of its own has that of the vote before it, or after.
    """
    if len(text.labels) != len(text.users):
        report.note("texts with more labels than annotators, or fewer")
    found: list[Vote] = []
    for number in range(max(len(text.labels), len(text.users))):
        report.counts["votes"].found += 1
        label = text.labels[number] if number < len(text.labels) else None
        user = text.users[number] if number < len(text.users) else None
        where = f"text {text.id}, vote {number + 1}"
        if label is None or user is None:
            report.leave_out("votes", where, "nobody stands behind it" if user is None else "it has no label")
            continue
        name = clean_label(label)
        if name is None:
            report.leave_out("votes", where, f"{label[:LONGEST_SHOWN]!r} is no name of a label")
            continue
        if name != label:
            report.note("votes whose label is written without what nobody sees")
        shown, answered = stamps.get(user, (None, None))
        found.append(Vote(text_id=text.id, user=user, label=name, shown_at=shown, answered_at=answered))
    return _in_order(found)


def _in_order(votes: list[Vote]) -> list[Vote]:
    first = next((each.answered_at for each in votes if each.answered_at is not None), None)
    ordered, last = [], first
    for each in votes:
        # A time before the one of an earlier vote would turn them round.
        last = max((at for at in (last, each.answered_at) if at is not None), default=None)
        shown = min(each.shown_at, last) if each.shown_at is not None and last is not None else each.shown_at
        ordered.append(Vote(text_id=each.text_id, user=each.user, label=each.label, shown_at=shown, answered_at=last))
    return ordered


def clean_label(text: str) -> str | None:
    """Return the name under which a label is kept, without characters that nobody sees; None where nothing is left."""
    try:
        return normal_label(text)
    except BadInput:
        seen = "".join(char for char in text if unicodedata.category(char) not in _UNSEEN)
    try:
        return normal_label(seen)
    except BadInput:
        return None


def bcrypt_hash(text: str) -> str | None:
    """Return a password's hash where it is one that can be accepted once, else None."""
    return text if _BCRYPT.fullmatch(text) else None


def moment(value: datetime | None, zone: ZoneInfo) -> datetime | None:
    """Return a time in UTC; one that does not say its zone is in ``zone``."""
    if value is None:
        return None
    try:
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:  # the ends of the calendar
        return None
