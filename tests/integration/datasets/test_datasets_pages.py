"""The pages on datasets: who sees what, what a form does, and that a mistake loses nothing."""

from __future__ import annotations

import json
import re
from itertools import count
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import webapp
from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.datasets import service
from labelmill.datasets.model import NewLabel, RecordKind, record_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webapp import Site

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with webapp.site(tmp_path_factory.mktemp("datasets")) as made:
        yield made


def make(site: Site, texts: int = 3, **more: Any) -> service.Dataset:
    """Return a dataset with the labels good and bad."""
    labels = [NewLabel(name="good"), NewLabel(name="bad")]
    made = site.app.database.transact(service.create, name=f"set {next(_NUMBERS)}", kind=RecordKind.TEXT, labels=labels, **more)
    contents = [f"text number {number}" for number in range(texts)]
    frame = pl.DataFrame(
        {
            "record_key": [record_key(None, each) for each in contents],
            "given_id": pl.Series([None] * texts, dtype=pl.String),
            "content": contents,
        }
    )
    if texts:
        site.app.database.transact(service.add_records, made.id, frame)
    return again(site, made)


def again(site: Site, dataset: service.Dataset) -> service.Dataset:
    with site.app.database.read() as connection:
        return service.get(connection, dataset.id)


def records(site: Site, dataset: service.Dataset) -> list[service.Record]:
    with site.app.database.read() as connection:
        return service.list_records(connection, dataset.id, limit=1000)


def let_in(site: Site, dataset: service.Dataset, role: Role) -> None:
    site.app.database.transact(accounts.set_member, dataset.id, site.person(role), role)


def answer(site: Site, dataset: service.Dataset, record: int, label: int, role: Role) -> None:
    site.app.database.transact(
        annotation.answer, dataset, record, site.person(role), label_ids=[label], key=f"k{next(_NUMBERS)}"
    )


# The list


def test_the_start_leads_to_the_datasets(site: Site) -> None:
    start = site.page("/")
    assert (start.status_code, start.headers["location"]) == (303, "/datasets")


def test_nobody_without_a_session_sees_a_dataset(site: Site) -> None:
    made = make(site)
    for path in ("", "/records", "/monitor", "/settings", "/import"):
        answer_ = site.ask("GET", f"/datasets/{made.id}{path}", headers=webapp.HTML)
        assert (answer_.status_code, answer_.headers["location"][:8]) == (303, "/sign-in")


def test_the_list_shows_how_far_each_dataset_is_to_those_who_may_see_it(site: Site) -> None:
    made = make(site)
    record = records(site, made)[0]
    answer(site, made, record.id, made.labels[0].id, Role.ADMIN)
    assert made.name in site.page("/datasets", Role.MANAGER).text
    assert "33 %" in site.page("/datasets", Role.MANAGER).text
    assert made.name not in site.page("/datasets", Role.ANNOTATOR).text
    let_in(site, made, Role.ANNOTATOR)
    assert made.name in site.page("/datasets", Role.ANNOTATOR).text


def test_who_may_make_a_dataset_is_led_to_do_so_and_others_are_told_to_wait(tmp_path: Any) -> None:
    with webapp.site(tmp_path) as empty:
        assert 'href="/datasets/new"' in empty.page("/datasets", Role.MANAGER).text
        waiting = empty.page("/datasets", Role.ANNOTATOR).text
        assert 'href="/datasets/new"' not in waiting
        assert "as soon as its manager lets you in" in waiting


@pytest.mark.parametrize(
    ("role", "texts", "place"),
    [(Role.MANAGER, 0, "import"), (Role.MANAGER, 2, "label"), (Role.ANNOTATOR, 2, "label"), (Role.VIEWER, 2, "monitor")],
)
def test_a_dataset_leads_to_what_is_next_in_it(site: Site, role: Role, texts: int, place: str) -> None:
    made = make(site, texts)
    let_in(site, made, role)
    assert site.page(f"/datasets/{made.id}", role).headers["location"] == f"/datasets/{made.id}/{place}"


def test_who_is_no_member_does_not_learn_that_a_dataset_exists(site: Site) -> None:
    made = make(site)
    other, none = (site.page(f"/datasets/{one}/records", Role.VIEWER) for one in (made.id, 999_999))
    assert (other.status_code, none.status_code) == (404, 404)
    assert made.name not in other.text.replace(f"dataset {made.id}", "")  # the number that was asked for


def test_the_tabs_are_those_that_somebody_may_open(site: Site) -> None:
    made = make(site)
    tabs = {}
    for role in (Role.VIEWER, Role.ANNOTATOR, Role.MANAGER):
        let_in(site, made, role)
        page = site.page(f"/datasets/{made.id}/monitor", role).text
        tabs[role] = [
            tab for tab in ("label", "records", "monitor", "ties", "settings") if f'href="/datasets/{made.id}/{tab}"' in page
        ]
    assert tabs[Role.VIEWER] == ["records", "monitor"]
    assert tabs[Role.ANNOTATOR] == ["label", "records", "monitor"]
    assert tabs[Role.MANAGER] == ["label", "records", "monitor", "ties", "settings"]


# Records


def test_records_are_found_by_text_label_and_state(site: Site) -> None:
    made = make(site, 12)
    first, second = records(site, made)[:2]
    answer(site, made, first.id, made.labels[0].id, Role.ADMIN)
    place = f"/datasets/{made.id}/records"

    def shown(query: str) -> set[str]:
        page = site.page(f"{place}?{query}").text
        return {f"text number {number}" for number in range(12) if f"text number {number}<" in page.replace("\n", "<")}

    assert shown("q=number+11") == {"text number 11"}
    assert shown(f"label={made.labels[0].id}") == {first.content}
    assert shown("state=labelled") == {first.content}
    assert second.content in shown("state=open")
    assert shown("state=tied") == set()
    assert "No such record" in site.page(f"{place}?q=nowhere").text


def test_records_come_in_pages_and_the_next_begins_where_the_last_ended(site: Site) -> None:
    made = make(site, 120)
    place, seen, pages = f"/datasets/{made.id}/records?state=open", [], 0
    while place:
        page = site.page(place.replace("&amp;", "&")).text
        seen += [line for line in page.splitlines() if line.startswith('<td class="wrap in-record">')]
        following = page.partition('rel="next" href="')[2]
        place, pages = following.partition('"')[0], pages + 1
    assert (len(seen), pages) == (120, 3)


def test_what_others_answered_is_shown_to_nobody_who_has_not_answered(site: Site) -> None:
    """Also not by asking for the records with a label."""
    made = make(site, settings=service.DatasetSettings(labels_per_record=3))
    let_in(site, made, Role.ANNOTATOR)
    let_in(site, made, Role.VIEWER)
    record = records(site, made)[0]
    answer(site, made, record.id, made.labels[1].id, Role.ADMIN)
    place = f"/datasets/{made.id}/records/{record.id}"
    assert "bad</bdi></span>" not in site.page(place, Role.ANNOTATOR).text
    assert "shown once you answered" in site.page(place, Role.ANNOTATOR).text
    assert "bad</bdi></span>" in site.page(place, Role.VIEWER).text
    narrowed = site.page(f"/datasets/{made.id}/records?label={made.labels[1].id}", Role.ANNOTATOR).text
    assert narrowed.count("text number") == 3
    answer(site, made, record.id, made.labels[0].id, Role.ANNOTATOR)
    after = site.page(place, Role.ANNOTATOR).text
    assert "bad</bdi></span>" in after
    assert "annotator 1" in after


def test_the_history_of_a_record_has_changes_and_withdrawals(site: Site) -> None:
    made = make(site)
    record, who = records(site, made)[0], site.person(Role.ADMIN)
    for label in made.labels[:2]:
        answer(site, made, record.id, label.id, Role.ADMIN)
    site.app.database.transact(annotation.withdraw, made, record.id, who, key=f"k{next(_NUMBERS)}")
    page = site.page(f"/datasets/{made.id}/records/{record.id}").text
    history = page[page.index("History") :]
    assert history.index("withdrawn") < history.index("bad</bdi></span>") < history.index("good</bdi></span>")


def test_what_a_record_holds_is_shown_as_text(site: Site) -> None:
    made = make(site, 0)
    content = "<script>alert(1)</script>"
    frame = pl.DataFrame({"record_key": [record_key(None, content)], "given_id": ["<b>1</b>"], "content": [content]})
    site.app.database.transact(service.add_records, made.id, frame)
    for page in (f"/datasets/{made.id}/records", f"/datasets/{made.id}/records/{records(site, made)[0].id}"):
        text = site.page(page).text
        assert content not in text
        assert "<b>1</b>" not in text


# Settings


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANNOTATOR])
def test_settings_are_for_managers(site: Site, role: Role) -> None:
    made = make(site)
    let_in(site, made, role)
    place = f"/datasets/{made.id}"
    assert site.page(f"{place}/settings", role).status_code == 403
    for path in (
        "settings",
        "settings/labels",
        "settings/merge",
        "settings/guidelines",
        "settings/members",
        "archive",
        "remove",
        "train",
    ):
        refused = site.form(f"{place}/{path}", {"name": "mine"}, role)
        assert refused.status_code == 403, path
    assert again(site, made) == made


def test_how_a_dataset_is_labelled_is_changed_and_what_is_not_sent_stays(site: Site) -> None:
    made = make(site)
    values = {
        "name": "New name",
        "order": "random",
        "labels_per_record": "3",
        "batch_size": "25",
        "ticks": "suggest",
        "revision": made.revision,
    }
    saved = site.form(f"/datasets/{made.id}/settings", values)
    assert saved.headers["location"] == f"/datasets/{made.id}/settings?saved=general#general"
    now = again(site, made)
    assert (now.name, now.settings.order, now.settings.labels_per_record, now.settings.batch_size) == (
        "New name",
        "random",
        3,
        25,
    )
    assert not now.settings.suggest
    assert now.settings.warm_start == made.settings.warm_start


@pytest.mark.parametrize(
    ("values", "status", "said"),
    [
        ({"batch_size": "many"}, 422, "is no whole number"),
        ({"batch_size": "0"}, 422, "A whole number from 1"),
        ({"order": "backwards"}, 422, "One of:"),
        ({"random_share": "nan"}, 422, "random_share"),
        ({"name": ""}, 422, "1 to 200 characters"),
        ({"name": "x", "shown": "[]"}, 422, "does not say what it showed"),
        ({"name": "x", "revision": "1"}, 409, "somebody changed it"),
        ({"seed": "7"}, 409, "the records have been drawn"),
    ],
)
def test_a_mistake_is_said_and_what_was_typed_stays(site: Site, values: dict[str, str], status: int, said: str) -> None:
    made = make(site)
    if "revision" in values:
        site.app.database.transact(service.change, made.id, guidelines="newer")
        made = again(site, made)
    refused = site.form(f"/datasets/{made.id}/settings", {"name": made.name, "labels_per_record": "7"} | values)
    assert refused.status_code == status
    assert said in refused.text
    assert 'name="labels_per_record" value="7"' in refused.text
    assert again(site, made) == made


def opened(site: Site, dataset_id: int, part: str) -> dict[str, str]:
    """Return what the form of a part of the settings sends as it is shown, ticks as they are."""
    page = site.page(f"/datasets/{dataset_id}/settings").text
    form = page[page.index(f'<section class="card" id="{part}">') :].split("</form>")[0]
    shown = json.loads(re.search(r"name=\"shown\" value='([^']*)'", form)[1].replace("\\u0027", "'"))
    return {
        **{name: value for name, value in shown.items() if value},
        "shown": json.dumps(shown),
        "ticks": "suggest several_labels",
    }


def test_two_managers_change_different_settings_and_none_undoes_the_other(site: Site) -> None:
    """Both opened the page before either saved; only where they changed the same is one of them asked."""
    made = make(site, settings=service.DatasetSettings(several_labels=True))
    place = f"/datasets/{made.id}/settings"
    first, second, third = (opened(site, made.id, "general") for _ in range(3))
    del first["suggest"]
    assert site.form(place, first | {"batch_size": "20"}).status_code == 303
    assert site.form(place, second | {"name": "second's", "lease_seconds": "700"}).status_code == 303
    now = again(site, made)
    assert (now.name, now.settings.batch_size, now.settings.lease_seconds) == ("second's", 20, 700)
    assert (now.settings.suggest, now.settings.several_labels) == (False, True)
    refused = site.form(place, third | {"batch_size": "30", "warm_start": "9"})
    assert refused.status_code == 409
    assert "Somebody else changed the same meanwhile: batch_size." in refused.text
    assert "second&#39;s" in refused.text  # what the third left alone is as it is now
    assert 'name="batch_size" value="30"' in refused.text
    assert again(site, made).settings.warm_start == made.settings.warm_start
    anew = opened(site, made.id, "general")
    assert site.form(place, anew | {"batch_size": "30", "warm_start": "9"}).status_code == 303
    assert (again(site, made).settings.batch_size, again(site, made).settings.warm_start) == (30, 9)


def test_two_managers_change_different_labels(site: Site) -> None:
    made = make(site)
    place = f"/datasets/{made.id}/settings/labels"
    one, two = (label.id for label in made.labels if not label.is_ignored)
    first, second, third = (opened(site, made.id, "labels") for _ in range(3))
    assert site.form(place, first | {f"name-{one}": "first's"}).status_code == 303
    assert site.form(place, second | {f"description-{two}": "second's"}).status_code == 303
    labels = {label.id: label for label in again(site, made).labels}
    assert (labels[one].name, labels[two].description) == ("first's", "second's")
    refused = site.form(place, third | {f"name-{one}": "third's"})
    assert refused.status_code == 409
    assert "Save again" in refused.text


def test_labels_change_names_keys_colours_and_order_in_one_go(site: Site) -> None:
    """Two labels may exchange their keys."""
    made = make(site)
    good, bad, ignored = made.labels
    values = {
        f"name-{good.id}": "very good", f"shortcut-{good.id}": bad.shortcut, f"shortcut-{bad.id}": good.shortcut,
        f"colour-{good.id}": "#123456", f"description-{bad.id}": "not good", f"place-{good.id}": "9", f"place-{bad.id}": "1",
        f"place-{ignored.id}": "2", "new-name": "a third",
    }  # fmt: skip
    assert site.form(f"/datasets/{made.id}/settings/labels", values).status_code == 303
    now = again(site, made).labels
    assert [label.name for label in now] == ["bad", "ignored", "very good", "a third"]
    by_id = {label.id: label for label in now}
    assert by_id[good.id].shortcut == bad.shortcut
    assert by_id[bad.id].shortcut == good.shortcut
    assert by_id[good.id].colour == "#123456"
    assert by_id[bad.id].description == "not good"


def test_labels_exchange_their_colours(site: Site) -> None:
    made = make(site)
    good, bad, _ = made.labels
    first = {f"colour-{good.id}": "#010101", f"colour-{bad.id}": good.colour}
    assert site.form(f"/datasets/{made.id}/settings/labels", first).status_code == 303
    assert [label.colour for label in again(site, made).labels[:2]] == ["#010101", good.colour]


def test_half_of_the_labels_form_is_never_saved(site: Site) -> None:
    made = make(site)
    good, bad, _ = made.labels
    refused = site.form(f"/datasets/{made.id}/settings/labels", {f"name-{good.id}": "fine", f"name-{bad.id}": "fine"})
    assert refused.status_code == 409
    assert again(site, made).labels == made.labels
    assert refused.text.count('value="fine"') == 2


def test_a_label_with_answers_is_merged_and_not_removed(site: Site) -> None:
    made = make(site)
    good, bad, _ = made.labels
    answer(site, made, records(site, made)[0].id, bad.id, Role.ADMIN)
    refused = site.form(f"/datasets/{made.id}/settings/labels", {"remove": str(bad.id)})
    assert refused.status_code == 409
    assert "Merge it into another one" in refused.text
    merged = site.form(f"/datasets/{made.id}/settings/merge", {"label": str(bad.id), "into": str(good.id)})
    assert merged.status_code == 303
    assert [label.name for label in again(site, made).labels] == ["good", "ignored"]
    history = site.page(f"/datasets/{made.id}/records/{records(site, made)[0].id}").text
    assert "good</bdi></span>" in history[history.index("History") :]


def test_guidelines_are_looked_at_before_they_are_saved(site: Site) -> None:
    made = make(site)
    place, text = f"/datasets/{made.id}/settings/guidelines", "# Rules\n\n<script>x</script>"
    shown = site.form(place, {"guidelines": text, "action": "preview"}).text
    assert "<h3>Rules</h3>" in shown
    assert "<script>x" not in shown
    assert again(site, made).guidelines == ""
    session = site.session(Role.ADMIN)
    part = site.ask(
        "POST",
        place,
        headers={**webapp.SAME_SITE, **session, "HX-Request": "true"},
        data={"guidelines": text, "action": "preview"},
    )
    assert part.text.lstrip().startswith('<div class="markdown">')
    assert site.form(place, {"guidelines": text}).status_code == 303
    assert again(site, made).guidelines == text


def test_people_are_let_in_get_another_role_and_are_let_out(site: Site) -> None:
    made = make(site)
    someone = site.person(Role.VIEWER)
    with site.app.database.read() as connection:
        email = accounts.get_annotator(connection, someone).email
    place = f"/datasets/{made.id}/settings/members"

    def role() -> Role | None:
        with site.app.database.read() as connection:
            return accounts.get_role(connection, made.id, someone)

    assert site.form(place, {"email": email, "role": "annotator"}).status_code == 303
    assert role() is Role.ANNOTATOR
    assert site.form(place, {"annotator": someone, "role": "viewer"}).status_code == 303
    assert role() is Role.VIEWER
    assert site.form(place, {"annotator": someone, "role": "admin"}).status_code == 422
    assert site.form(place, {"email": "nobody@example.org", "role": "viewer"}).status_code == 404
    assert site.form(place, {"remove": someone}).status_code == 303
    assert role() is None


def test_a_dataset_is_archived_restored_and_removed_only_by_its_name(site: Site) -> None:
    made = make(site)
    place = f"/datasets/{made.id}"
    assert site.form(f"{place}/remove", {"name": made.name}).status_code == 409
    assert site.form(f"{place}/archive", {}).status_code == 303
    assert made.name not in site.page("/datasets").text
    assert made.name in site.page("/datasets?archived=true").text
    assert "This dataset is archived" in site.page(f"{place}/records").text
    assert site.form(f"{place}/settings", {"name": "other"}).status_code == 409
    assert site.form(f"{place}/restore", {}).status_code == 303
    assert made.name in site.page("/datasets").text
    site.form(f"{place}/archive", {})
    assert site.form(f"{place}/remove", {"name": "something else"}).status_code == 422
    assert site.form(f"{place}/remove", {"name": made.name}).headers["location"] == "/datasets?archived=true"
    assert site.page(f"{place}/records").status_code == 404


def test_what_the_pages_change_is_written_down(site: Site) -> None:
    made = make(site)
    site.form(f"/datasets/{made.id}/settings/labels", {"new-name": "third"})
    site.form(f"/datasets/{made.id}/archive", {})
    with site.app.database.read() as connection:
        entries = accounts.list_audit(connection, dataset_id=made.id)
    assert [(entry.action, entry.actor_id) for entry in entries] == [
        ("archive dataset", site.person(Role.ADMIN)),
        ("change labels", site.person(Role.ADMIN)),
    ]


# Monitor


def test_the_monitor_shows_progress_people_and_agreement_without_names_unless_a_manager_asks(site: Site) -> None:
    made = make(site, 4, settings=service.DatasetSettings(labels_per_record=2))
    let_in(site, made, Role.ANNOTATOR)
    for record in records(site, made)[:3]:
        for number, role in enumerate((Role.ADMIN, Role.ANNOTATOR)):
            answer(site, made, record.id, made.labels[number if record.id % 3 == 0 else 0].id, role)
    place = f"/datasets/{made.id}/monitor"
    page = site.page(place).text
    for words in ("Krippendorff", "annotator 1", "annotator 2", "Hardest records", "Answers per day"):
        assert words in page
    with site.app.database.read() as connection:
        name = accounts.get_annotator(connection, site.person(Role.ANNOTATOR)).name
    assert f'<td class="wrap">{name}</td>' not in page
    assert f'<td class="wrap">{name}</td>' in site.page(f"{place}?names=true", Role.MANAGER).text
    asked = site.page(f"{place}?names=true", Role.ANNOTATOR).text
    assert f'<td class="wrap">{name}</td>' not in asked
    assert "Hardest records" not in asked


def test_an_empty_dataset_has_a_monitor_with_the_one_next_step(site: Site) -> None:
    made = make(site, 0)
    page = site.page(f"/datasets/{made.id}/monitor").text
    assert "Nothing to see yet" in page
    assert f'href="/datasets/{made.id}/import"' in page


def test_a_training_is_begun_once_and_shown(site: Site) -> None:
    made = make(site)
    place = f"/datasets/{made.id}"
    for _ in range(2):
        assert site.form(f"{place}/train", {}).status_code == 303
    page = site.page(f"{place}/monitor").text
    assert "A training is on its way" in page
    with site.app.database.read() as connection:
        from labelmill.jobs import service as jobs

        mine = [job for job in jobs.list_jobs(connection, kind="train") if job.params.get("dataset") == made.id]
    assert len(mine) == 1


@pytest.mark.parametrize("path", ["records", "monitor", "settings", "import"])
def test_the_pages_speak_chinese(site: Site, path: str) -> None:
    made = make(site)
    page = site.page(f"/datasets/{made.id}/{path}", **{"Accept-Language": "zh-TW"}).text
    assert '<html lang="zh-Hant"' in page
    assert "資料集" in page
