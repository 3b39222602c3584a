"""What the rows of a LabelForward mean: votes in their order, times, names of labels, hashes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.datasets.adopt.model import MOST_PROBLEMS, Report, Text, bcrypt_hash, clean_label, moment, votes_of

START = datetime(2021, 3, 1, tzinfo=UTC)
moments = st.none() | st.integers(0, 100).map(lambda seconds: START + timedelta(seconds=seconds))
names = st.none() | st.sampled_from(["a", "b", "", "007", "\u200b"])


def _report() -> Report:
    return Report(place="x", into="y")


@given(
    st.lists(names, max_size=5),
    st.lists(names, max_size=5),
    st.dictionaries(st.sampled_from("ab"), st.tuples(moments, moments)),
)
def test_every_vote_is_taken_or_told_and_their_order_holds(
    labels: list[str | None], users: list[str | None], spans: dict[str, tuple[datetime | None, datetime | None]]
) -> None:
    report = _report()
    votes = votes_of(Text(id=1, content="x", labels=labels, users=users), spans, report)
    count = report.counts["votes"]
    assert count.found == max(len(labels), len(users)) == len(votes) + count.left_out
    assert report.problem_count == count.left_out
    taken = [(user, clean_label(label or "")) for user, label in zip(users, labels, strict=False) if user is not None]
    assert [(each.user, each.label) for each in votes] == [pair for pair in taken if pair[1] is not None]
    times = [each.answered_at for each in votes]
    assert None not in times or set(times) == {None}
    assert times == sorted(times, key=lambda at: at or START)
    assert all(each.shown_at <= each.answered_at for each in votes if each.shown_at and each.answered_at)


@pytest.mark.parametrize(
    ("text", "name"),
    [("good", "good"), (" 007 ", "007"), ("😀", "😀"), ("e\u0301", "\u00e9"), ("a\u200bb", "ab"), ("\u202eabc", "abc"), ("\t", None), ("", None)],
)  # fmt: skip
def test_a_label_keeps_what_is_seen_of_it(text: str, name: str | None) -> None:
    assert clean_label(text) == name


def test_only_hashes_of_bcrypt_are_accepted() -> None:
    good = "$2b$10$" + "a" * 53
    assert bcrypt_hash(good) == good
    for bad in ("", "plain", good[:-1], good + "a", "$1$" + "a" * 53, good.replace("$2b", "$argon2id"), f"{good}\n"):
        assert bcrypt_hash(bad) is None


def test_a_time_is_told_in_utc() -> None:
    naive = datetime(2021, 3, 1, 8)
    assert moment(None, ZoneInfo("UTC")) is None
    assert moment(naive, ZoneInfo("UTC")) == datetime(2021, 3, 1, 8, tzinfo=UTC)
    assert moment(naive, ZoneInfo("Asia/Taipei")) == datetime(2021, 3, 1, tzinfo=UTC)
    assert moment(naive.replace(tzinfo=timezone(timedelta(hours=1))), ZoneInfo("Asia/Taipei")) == datetime(
        2021, 3, 1, 7, tzinfo=UTC
    )
    assert moment(datetime.min, ZoneInfo("Asia/Taipei")) is None  # noqa: DTZ901 - as it stands there


def test_a_report_keeps_the_first_problems_and_counts_all() -> None:
    report = _report()
    for number in range(MOST_PROBLEMS + 5):
        report.leave_out("votes", f"text {number}", "nobody")
    assert (len(report.problems), report.problem_count) == (MOST_PROBLEMS, MOST_PROBLEMS + 5)


def test_an_address_that_was_changed_is_guessed_only_where_all_texts_say_so() -> None:
    report = _report()
    for candidates in (["new", "other"], ["new"], ["new"]):
        report.meet("old", candidates)
    report.meet("two", ["new", "other"])
    report.meet("none", [])
    assert report.renamed == {"old": "new"}
