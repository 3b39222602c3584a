"""What follows from the answers to one record: its majority, whether it is tied, whether it wants more. Pure values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from labelmill.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One row of history: an answer, or with ``is_withdrawal`` the end of one. ``id`` rises with time."""

    id: int
    record_id: int
    annotator_id: str
    label_ids: tuple[int, ...]
    answered_at: datetime
    shown_at: datetime | None = None
    is_withdrawal: bool = False
    #: Decides the majority of a tied record alone.
    is_settling: bool = False


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What a record's answers come to."""

    answers: int
    is_open: bool
    majority_id: int | None
    is_tied: bool


class State(StrEnum):
    """What an annotator who asks for records is told."""

    #: Here are some.
    RECORD = "record"
    #: None now, but others hold some that may come back.
    WAITING = "waiting"
    #: Everything is answered.
    DONE = "done"


def current(history: Sequence[Annotation]) -> list[Annotation]:
    """Return the answers that count: each annotator's newest, unless it is a withdrawal; in the order in which they were given."""
    newest: dict[str, Annotation] = {}
    for each in sorted(history, key=lambda annotation: annotation.id):
        newest[each.annotator_id] = each
    return sorted((each for each in newest.values() if not each.is_withdrawal), key=lambda annotation: annotation.id)


def tally(answers: Sequence[Annotation], *, wanted: int, min_label_count: int, first_wins: bool) -> Tally:
    """Return what the answers that count come to.

    ``wanted`` is how many annotators a record gets, 0 for every one. The majority is the label with the most votes; of an answer with
    several labels each is a vote. Labels that share the most votes leave none, or with ``first_wins`` the one that was given first. An
    answer that settles decides alone, the newest if there are several.
    """
    settled = [each for each in answers if each.is_settling]
    votes = Counter(label for each in answers for label in each.label_ids)
    is_open = wanted == 0 or len(answers) < wanted
    if settled and settled[-1].label_ids:
        return Tally(answers=len(answers), is_open=is_open, majority_id=settled[-1].label_ids[0], is_tied=False)
    if not votes or len(answers) < min_label_count:
        return Tally(answers=len(answers), is_open=is_open, majority_id=None, is_tied=False)
    most = max(votes.values())
    # A counter keeps the order in which its labels were first seen: that of the answers.
    best = [label for label, count in votes.items() if count == most]
    is_tied = len(best) > 1 and not first_wins
    return Tally(answers=len(answers), is_open=is_open, majority_id=None if is_tied else best[0], is_tied=is_tied)


def require_several(label_ids: Sequence[int], *, allowed: bool) -> None:
    """Raise Conflict for an answer with more labels than the dataset takes."""
    if len(set(label_ids)) > 1 and not allowed:
        raise Conflict(
            "This dataset takes one label for a record.", where="labels", way_out="Send one, or let its settings allow several."
        )
