"""The verbs on annotations, under one name: what the rest of labelmill may use."""

from __future__ import annotations

from labelmill.annotation.agreement import Agreement, agreement, hardest
from labelmill.annotation.answering import Answered, answer, settle, undo, withdraw
from labelmill.annotation.bulk import add_answers, rederive
from labelmill.annotation.consensus import Comparison, compared, consensus, likeliest
from labelmill.annotation.history import (
    AnnotatorProgress,
    Progress,
    Tied,
    has_answered,
    history,
    mine,
    progress,
    tally_of_record,
    ties,
)
from labelmill.annotation.model import Annotation, State, Tally
from labelmill.annotation.numbers import answers_since, newest_number
from labelmill.annotation.reading import first_answers, majorities, votes
from labelmill.annotation.serving import Served, ServedRecord, next_records, release, skip
from labelmill.annotation.slices import annotators_of, answers_between, majorities_among

__all__ = [
    "Agreement",
    "Annotation",
    "AnnotatorProgress",
    "Answered",
    "Comparison",
    "Progress",
    "Served",
    "ServedRecord",
    "State",
    "Tally",
    "Tied",
    "add_answers",
    "agreement",
    "annotators_of",
    "answer",
    "answers_between",
    "answers_since",
    "compared",
    "consensus",
    "first_answers",
    "hardest",
    "has_answered",
    "history",
    "likeliest",
    "majorities",
    "majorities_among",
    "mine",
    "newest_number",
    "next_records",
    "progress",
    "rederive",
    "release",
    "settle",
    "skip",
    "tally_of_record",
    "ties",
    "undo",
    "votes",
    "withdraw",
]
