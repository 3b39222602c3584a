"""Taking over a LabelForward: what it holds, odd as it may be, into a dataset on every database; once, and never back."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

import fresh
from labelforward import Client
from labelmill.accounts import service as accounts
from labelmill.accounts.tables import annotators, invitations
from labelmill.annotation import service as annotation
from labelmill.annotation.tables import annotation_rows
from labelmill.datasets import Tie
from labelmill.datasets import service as datasets
from labelmill.datasets.adopt import service
from labelmill.datasets.adopt.model import Report
from labelmill.datasets.adopt.service import adopt
from labelmill.datasets.tables import init_records, records
from labelmill.db import migrate
from labelmill.db.bulk.location import parse_location
from labelmill.errors import BadSource, Conflict, NotFound
from labelmill.triggers import Triggered
from old_labelforward import PASSWORD, OldLabelForward

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labelmill.bootstrap import App
    from labelmill.datasets import Dataset
    from webapp import Site

UTC_ZONE = ZoneInfo("UTC")
ANN, BOB = "ann@example.org", "bob@example.org"


@pytest.fixture
def old(postgresql_url: str, worker_name: str) -> Iterator[OldLabelForward]:
    with fresh.database("postgresql", postgresql_url, worker_name) as url:
        made = OldLabelForward(url)
        yield made
        made.engine.dispose()


@pytest.fixture
def full(old: OldLabelForward) -> OldLabelForward:
    """One with something of everything, all of it in order."""
    ann, bob = old.user(ANN), old.user(BOB)
    old.label("good", "bad")
    old.accessor("eve@example.org")
    old.init("an example", "good")
    first = old.text("first", ["good", "bad"], [ANN, BOB])
    old.text("second", ["ignored"], [BOB])
    old.text("third")
    old.stamp(ann, first, "2021-03-01 10:00:00", "2021-03-01 10:00:20")
    old.stamp(ann, first, "2021-03-01 09:59:00", "2021-03-01 10:00:20")
    old.stamp(bob, first, "2021-03-01 11:00:00", "2021-03-01 11:00:05")
    return old


def _run(site: Site, old: OldLabelForward, *, apply: bool = True, **more: Any) -> Report:
    options = {"into": "old", "zone": UTC_ZONE} | more
    return adopt(site.app, parse_location(old.url), apply=apply, **options)


def _figures(report: Report) -> dict[str, tuple[int, int, int, int]]:
    return {kind: (each.found, each.taken, each.known, each.left_out) for kind, each in report.counts.items()}


def _dataset(app: App) -> Dataset:
    with app.database.read() as connection:
        return datasets.find(connection, "old")


def _votes(app: App, dataset: Dataset, text: str) -> list[tuple[str, str]]:
    """Return (address, label) of everything that was answered to a text, the oldest first."""
    with app.database.read() as connection:
        names = {each.id: each.name for each in dataset.labels}
        people = {each.id: each.email for each in accounts.list_annotators(connection)}
        query = sa.select(records.c.id).where(records.c.content == text, records.c.dataset_id == dataset.id)
        history = [
            each
            for record_id in connection.scalars(query.order_by(records.c.id))
            for each in annotation.history(connection, dataset.id, record_id)
        ]
    return [(people[each.annotator_id], names[each.label_ids[0]]) for each in history]


def _all(app: App, table: sa.Table) -> list[Any]:
    with app.database.read() as connection:
        return sorted(map(str, connection.execute(sa.select(table)).all()))


def test_a_dry_run_counts_and_changes_nothing(stored_site: Site, full: OldLabelForward) -> None:
    before = full.dump()
    report = _run(stored_site, full, apply=False)
    assert _figures(report) == {
        "texts": (3, 3, 0, 0), "labels": (2, 2, 0, 0), "votes": (3, 3, 0, 0), "accounts": (2, 2, 0, 0),
        "invitations": (1, 1, 0, 0), "init data": (1, 1, 0, 0),
    }  # fmt: skip
    assert (report.problems, report.notes, report.dataset_id) == ([], {}, None)
    with stored_site.app.database.read() as connection:
        assert datasets.list_datasets(connection) == []
    assert full.dump() == before


def test_l2_everything_is_taken_over_once(stored_site: Site, full: OldLabelForward) -> None:
    before = full.dump()
    first = _run(stored_site, full)
    assert _figures(first) == _figures(_dry(stored_site, full, into="another"))
    app = stored_site.app
    dataset = _dataset(app)
    assert [each.name for each in dataset.labels] == ["good", "bad", "ignored"]
    assert (dataset.settings.labels_per_record, dataset.settings.tie) == (0, Tie.FIRST)
    assert _votes(app, dataset, "first") == [(ANN, "good"), (BOB, "bad")]
    assert _votes(app, dataset, "second") == [(BOB, "ignored")]
    with app.database.read() as connection:
        counted = datasets.counts(connection, dataset.id)
        assert (counted.records, counted.answered, counted.tied, counted.annotations) == (3, 2, 0, 3)
        rows = connection.execute(sa.select(records).order_by(records.c.id)).mappings().all()
    assert [(row["given_id"], row["content"]) for row in rows] == [("1", "first"), ("2", "second"), ("3", "third")]
    kept = [_all(app, table) for table in (records, annotation_rows, init_records, annotators, invitations)]
    again = _run(stored_site, full)
    assert _figures(again) == {
        "texts": (3, 0, 3, 0), "labels": (2, 0, 2, 0), "votes": (3, 0, 3, 0), "accounts": (2, 0, 2, 0),
        "invitations": (1, 0, 1, 0), "init data": (1, 0, 1, 0),
    }  # fmt: skip
    assert [_all(app, table) for table in (records, annotation_rows, init_records, annotators, invitations)] == kept
    assert full.dump() == before, "the source is never written to"


def _dry(site: Site, old: OldLabelForward, **more: Any) -> Report:
    """Return what another dataset would get: of people there are none to take any more."""
    report = _run(site, old, apply=False, **more)
    for kind in ("accounts",):
        count = report.counts[kind]
        count.taken, count.known = count.known, count.taken
    return report


def test_l4_people_sign_in_with_the_password_they_had_and_accessors_sign_up(site: Site, full: OldLabelForward) -> None:
    _run(site, full)
    client = Client(site)
    assert client.sign_in(ANN, PASSWORD).status_code == 200
    with site.app.database.read() as connection:
        stored = connection.scalar(sa.select(annotators.c.password_hash).where(annotators.c.email == ANN))
    assert stored.startswith("$argon2id"), "hashed anew"
    text = client.ask("GET", "texts/text").json()
    assert text["text"] in {"second", "third"}, "what she has labelled is not asked again"
    eve = Client(site)
    assert (
        eve.ask("POST", "users/signup", json={"email": "eve@example.org", "password": "seven green lamps"}).status_code == 201
    )
    assert eve.sign_in("eve@example.org", "seven green lamps").status_code == 200
    assert eve.ask("GET", "texts/text").status_code == 200


@pytest.mark.parametrize(("zone", "hour"), [("UTC", 9), ("Asia/Taipei", 1)])
def test_l19_times_are_the_earliest_start_and_the_end_in_utc(site: Site, full: OldLabelForward, zone: str, hour: int) -> None:
    _run(site, full, zone=ZoneInfo(zone))
    with site.app.database.read() as connection:
        rows = connection.execute(sa.select(annotation_rows).order_by(annotation_rows.c.id)).mappings().all()
    assert rows[0]["shown_at"] == datetime(2021, 3, 1, hour, 59, tzinfo=UTC)
    assert rows[0]["answered_at"] == datetime(2021, 3, 1, hour + 1, 0, 20, tzinfo=UTC)


def test_odd_rows_are_taken_or_told(stored_site: Site, old: OldLabelForward) -> None:
    old.user(ANN)
    old.user("no address", "plain text")
    old.label("007", "😀", "007", "  ")
    old.text("007", ["007"], [ANN])
    old.text("😀 \u200b", ["😀", "not in the list"], [ANN, "gone@example.org"])
    old.text("", None, None)
    old.text("more labels", ["007", "😀"], [ANN])
    old.text("more users", ["007"], [ANN, BOB])
    old.text("nulls", [None, "007"], [ANN, None])
    old.text("no address", ["007"], ["no address"])
    old.text("changed", ["007", "😀", "😀"], [ANN, ANN, BOB])
    old.text("unseen", ["👩\u200d🔧"], [ANN])
    old.accessor("also no address", ANN)
    report = _run(stored_site, old)
    assert _figures(report) == {
        "texts": (9, 9, 0, 0), "labels": (4, 2, 1, 1), "votes": (14, 10, 0, 4), "accounts": (2, 1, 0, 1),
        "invitations": (2, 0, 1, 1), "init data": (0, 0, 0, 0),
    }  # fmt: skip
    assert {each.where for each in report.problems} == {
        "label 4", "user 2", "accessors", "text 4, vote 2", "text 5, vote 2", "text 6, vote 1", "text 6, vote 2",
    }  # fmt: skip
    app = stored_site.app
    dataset = _dataset(app)
    assert _votes(app, dataset, "007") == [(ANN, "007")]
    assert _votes(app, dataset, "😀 \u200b") == [(ANN, "😀"), ("gone@example.org", "not in the list")]
    assert _votes(app, dataset, "changed") == [(ANN, "007"), (ANN, "😀"), (BOB, "😀")]
    assert _votes(app, dataset, "unseen") == [(ANN, "👩🔧")]
    [(stranger, _)] = _votes(app, dataset, "no address")
    assert stranger.endswith("@labelforward.invalid")
    with app.database.read() as connection:
        closed = {each.email for each in accounts.list_annotators(connection) if each.disabled_at}
    assert closed == {"gone@example.org", BOB, stranger}
    kept = [_all(app, table) for table in (records, annotation_rows, annotators, invitations)]
    again = _run(stored_site, old)
    assert (again.counts["votes"].taken, again.counts["votes"].left_out) == (0, 4)
    assert [_all(app, table) for table in (records, annotation_rows, annotators, invitations)] == kept


def test_votes_keep_the_order_of_the_array_whatever_the_times_say(site: Site, old: OldLabelForward) -> None:
    ann, bob = old.user(ANN), old.user(BOB)
    text = old.text("one", ["good", "bad"], [ANN, BOB])
    old.stamp(ann, text, "2021-03-02 10:00:00", "2021-03-02 10:00:20")
    old.stamp(bob, text, "2021-03-01 10:00:00", "2021-03-01 10:00:20")
    _run(site, old)
    dataset = _dataset(site.app)
    assert _votes(site.app, dataset, "one") == [(ANN, "good"), (BOB, "bad")]
    with site.app.database.read() as connection:
        [record] = datasets.list_records(connection, dataset.id)
    assert next(each.name for each in dataset.labels if each.id == record.majority_id) == "good", "the first wins, as it did"


def test_a_text_that_stands_there_twice_keeps_two_sets_of_votes(site: Site, old: OldLabelForward) -> None:
    old.user(ANN)
    old.text("twice", ["good"], [ANN])
    old.text("twice", ["bad"], [ANN])
    _run(site, old)
    assert _votes(site.app, _dataset(site.app), "twice") == [(ANN, "good"), (ANN, "bad")]


def test_a_later_run_takes_what_came_since_and_leaves_what_was_answered_here(stored_site: Site, full: OldLabelForward) -> None:
    _run(stored_site, full)
    app, dataset = stored_site.app, _dataset(stored_site.app)
    names = {each.name: each.id for each in dataset.labels}
    with app.database.read() as connection:
        ann = accounts.find_annotator(connection, ANN)
        first, second, third = datasets.list_records(connection, dataset.id)
    for record, label in ((first, "bad"), (third, "good")):
        app.database.transact(annotation.answer, dataset, record.id, ann.id, label_ids=[names[label]], key=f"k{record.id}")
    full.vote(2, ANN, "good")
    full.text("fourth", ["bad"], [ANN])
    report = _run(stored_site, full)
    assert (report.counts["texts"].taken, report.counts["votes"].taken) == (1, 2)
    assert _votes(app, dataset, "first") == [(ANN, "good"), (BOB, "bad"), (ANN, "bad")]
    assert _votes(app, dataset, "second") == [(BOB, "ignored"), (ANN, "good")]
    assert _votes(app, dataset, "third") == [(ANN, "good")]
    assert second.id


@pytest.mark.parametrize("at", range(1, 6))
def test_p05_a_run_that_was_cut_off_anywhere_is_completed_by_the_next(
    site: Site, old: OldLabelForward, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SLICE", 2)
    old.user(ANN)
    for number in range(7):
        old.text(f"text {number}", ["good"], [ANN])
    for number in range(3):
        old.init(f"init {number}", "good")
    monkeypatch.setenv("LABELMILL_TRIGGER", f"*:fail:{at}")
    monkeypatch.setattr("labelmill.triggers._passed", type(__import__("collections").Counter())())
    with pytest.raises(Triggered):
        _run(site, old)
    monkeypatch.delenv("LABELMILL_TRIGGER")
    _run(site, old)
    assert [len(_all(site.app, table)) for table in (records, annotation_rows, init_records)] == [7, 7, 3]


def test_l2_the_dataset_learns_from_what_was_taken_over(site: Site, full: OldLabelForward) -> None:
    assert _run(site, full).job_id is not None


def test_another_dataset_is_not_mixed_with_it(site: Site, full: OldLabelForward) -> None:
    from labelforward import make_dataset

    make_dataset(site, name="old")
    for apply in (False, True):
        with pytest.raises(Conflict, match="is another one"):
            _run(site, full, apply=apply)


def test_an_account_that_is_here_keeps_its_password_and_role(site: Site, full: OldLabelForward) -> None:
    from labelmill.accounts import Role

    made = site.app.database.transact(accounts.add_annotator, email="ANN@example.org", name="Ann", role=Role.ADMIN)
    report = _run(site, full)
    assert (report.counts["accounts"].taken, report.counts["accounts"].known) == (1, 1)
    with site.app.database.read() as connection:
        assert accounts.get_annotator(connection, made.id).role is Role.ADMIN
        assert not accounts.has_password(connection, made.id)
    assert _votes(site.app, _dataset(site.app), "first")[0] == (ANN, "good")


def test_somebody_who_changed_the_address_is_told_and_can_be_joined(site: Site, old: OldLabelForward) -> None:
    ann = old.user("new@example.org")
    for number in range(3):
        text = old.text(f"text {number}", ["good"], [ANN])
        old.stamp(ann, text, "2021-03-01 10:00:00", "2021-03-01 10:00:20")
    assert _run(site, old, apply=False).renamed == {ANN: "new@example.org"}
    report = _run(site, old, same={ANN: "new@example.org"})
    assert (report.renamed, report.notes) == ({}, {})
    dataset = _dataset(site.app)
    assert _votes(site.app, dataset, "text 0") == [("new@example.org", "good")]
    with site.app.database.read() as connection:
        assert connection.scalar(sa.select(annotation_rows.c.answered_at)) == datetime(2021, 3, 1, 10, 0, 20, tzinfo=UTC)


def test_l2_later_runs_know_who_is_the_same_and_the_zone(site: Site, old: OldLabelForward) -> None:
    """The first run is told; one that is not would give the same votes to somebody else once more, at other times."""
    ann, new = old.user(BOB), "new@example.org"
    old.stamp(ann, old.text("before", ["good"], [ANN]), "2021-03-01 10:00:00", "2021-03-01 10:00:20")
    _run(site, old, same={ANN: BOB}, zone=ZoneInfo("Asia/Taipei"))
    old.stamp(ann, old.text("after", ["bad"], [ANN]), "2021-03-01 12:00:00", "2021-03-01 12:00:20")
    counted = _run(site, old, zone=None, apply=False)
    report = _run(site, old, zone=None)
    assert [(each.counts["votes"].taken, each.notes) for each in (counted, report)] == [(1, {}), (1, {})]
    dataset = _dataset(site.app)
    assert [_votes(site.app, dataset, text) for text in ("before", "after")] == [[(BOB, "good")], [(BOB, "bad")]]
    with site.app.database.read() as connection:
        hours = connection.scalars(sa.select(annotation_rows.c.answered_at).order_by(annotation_rows.c.id)).all()
    assert [each.hour for each in hours] == [2, 4]
    _run(site, old, same={new: BOB}, zone=None)
    assert _run(site, old, zone=None).counts["votes"].taken == 0


@pytest.mark.parametrize("address", [ANN, "no address"])
def test_l2_votes_that_were_taken_as_somebodys_own_are_not_given_to_another_later(
    site: Site, old: OldLabelForward, address: str
) -> None:
    old.user(BOB)
    old.text("first", ["good"], [address])
    _run(site, old)
    with pytest.raises(Conflict, match="account of its own"):
        _run(site, old, same={address: BOB})
    assert len(_votes(site.app, _dataset(site.app), "first")) == 1


def test_what_is_no_labelforward_is_refused(site: Site, old: OldLabelForward, tmp_path: Path) -> None:
    old.run("ALTER TABLE text_data RENAME COLUMN users TO people")
    with pytest.raises(NotFound, match="no table text_data with text_id, text_data, labels, users"):
        _run(site, old)
    with pytest.raises(BadSource, match="not a PostgreSQL"):
        adopt(site.app, parse_location(f"sqlite:///{tmp_path}/x.db"), into="old", zone=UTC_ZONE)


def test_an_old_one_without_init_data_and_times_is_taken(site: Site, full: OldLabelForward) -> None:
    full.run("DROP TABLE init_data")
    full.run("DROP TABLE sample_timestamps")
    full.run("DROP TABLE accessors")
    report = _run(site, full)
    assert report.counts["votes"].taken == 3
    assert report.counts["init data"].found == 0


def test_nothing_can_be_written_to_the_source(old: OldLabelForward) -> None:
    from labelmill.datasets.adopt.source import Source
    from labelmill.errors import LabelmillError

    with pytest.raises(LabelmillError, match="read-only"), Source.opened(parse_location(old.url)) as source:
        source._connection.execute(sa.text("DELETE FROM labels"))


def test_the_command_lists_first_and_applies_then(full: OldLabelForward, tmp_path: Path) -> None:
    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "labelmill", "--set", f"data_dir={tmp_path}", "adopt", "labelforward", full.url, *more]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    listed = run()
    assert listed.returncode == 0, listed.stderr
    assert "Nothing has been changed" in listed.stderr
    done = run("--apply", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["applied"], told["counts"]["texts"]) == (True, {"found": 3, "taken": 3, "known": 0, "left_out": 0})
    wrong = run("--time-zone", "Moon/Sea")
    assert (wrong.returncode, "no time zone" in wrong.stderr) == (2, True)
    assert run("--same", "x").returncode == 2


def test_its_database_is_not_taken_for_labelmills_own(full: OldLabelForward) -> None:
    """The environment of its services names it, and some tables of both have the same names."""
    before = full.dump()
    with pytest.raises(Conflict, match="database of a LabelForward"):
        migrate.upgrade(full.engine)
    assert full.dump() == before
