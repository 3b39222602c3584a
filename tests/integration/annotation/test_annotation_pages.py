"""The pages of labelling as a browser without scripts meets them: forms, and whole pages as answers."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

import annotation_lab
import learning_lab
import webapp
from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.annotation import service
from labelmill.annotation.grid import PAGE
from labelmill.datasets import NewLabel, RecordKind
from labelmill.datasets import service as datasets
from labelmill.ids import new_id

if TYPE_CHECKING:
    from webapp import Site

#: Route -> the status for nobody, viewer, annotator, manager, admin; viewer and annotator are members of the dataset.
TABLE = {
    "GET /datasets/{dataset_id}/label": (401, 403, 200, 200, 200),
    "GET /datasets/{dataset_id}/label/line": (401, 403, 200, 200, 200),
    "POST /datasets/{dataset_id}/label": (401, 403, 303, 303, 303),
    "GET /datasets/{dataset_id}/bulk": (401, 403, 200, 200, 200),
    "POST /datasets/{dataset_id}/bulk": (401, 403, 303, 303, 303),
    "GET /datasets/{dataset_id}/ties": (401, 403, 403, 200, 200),
    "POST /datasets/{dataset_id}/ties": (401, 403, 403, 303, 303),
}
CALLERS = (None, Role.VIEWER, Role.ANNOTATOR, Role.MANAGER, Role.ADMIN)


class Room:
    """A dataset on a site, with the annotator of the site as a member."""

    def __init__(self, site: Site, size: int = 5, **more: Any) -> None:
        self.site = site
        self.lab = annotation_lab.Lab(site.app.database)
        self.dataset = self.lab.dataset(size, **more)
        for role in (Role.ANNOTATOR, Role.VIEWER):
            self.join(site.person(role), role)
        self.place = f"/datasets/{self.dataset.id}"

    def join(self, person: str, role: Role) -> None:
        self.site.app.database.transact(accounts.set_member, self.dataset.id, person, role)

    def page(self, part: str = "label", role: Role = Role.ANNOTATOR) -> str:
        answer = self.site.page(f"{self.place}/{part}", role)
        assert answer.status_code == 200, answer.text
        return answer.text

    def send(self, part: str = "label", role: Role = Role.ANNOTATOR, **values: Any) -> Any:
        return self.site.form(f"{self.place}/{part}", values, role)

    def label(self, name: str) -> int:
        return self.lab.label(self.dataset, name)

    def given(self, record_id: int) -> list[tuple[str, str]]:
        """Return the answers that count to a record, as (whose, label)."""
        names = {each.id: each.name for each in self.dataset.labels}
        with self.site.app.database.read() as connection:
            history = service.history(connection, self.dataset.id, record_id)
        newest = {each.annotator_id: each for each in history}
        return sorted((who, "+".join(names[one] for one in each.label_ids)) for who, each in newest.items() if each.label_ids)


def shown(page: str) -> str:
    """Return the text of the record on the page."""
    found = re.search(r'class="record-text">(.*?)</p>', page, re.DOTALL)
    return html.unescape(found[1]) if found else ""


def hidden(page: str, name: str) -> str:
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


def start(page: str) -> dict[str, Any]:
    """Return what the page's scripts begin with."""
    found = re.search(r"data-start='([^']*)'", page)
    assert found
    return json.loads(found[1].replace("\\u0027", "'"))


class Tags(HTMLParser):
    """Collects every tag with its attributes, as a browser would find them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(page)
    return parser.found


def form(page: str, **more: Any) -> dict[str, Any]:
    return {"record_id": hidden(page, "record_id"), "key": hidden(page, "key"), **more}


def test_l25_labelling_goes_on_by_form_posts_alone(stored_site: Site) -> None:
    """Without scripts each button answers, and the next record follows, until all is done."""
    room = Room(stored_site, 3)
    me = stored_site.person(Role.ANNOTATOR)
    seen = []
    for name in ("a", "b", "c"):
        page = room.page()
        seen.append(shown(page))
        answered = room.send(**form(page, label=room.label(name)))
        assert (answered.status_code, answered.headers["location"]) == (303, f"{room.place}/label")
    assert seen == ["0", "1", "2"]
    assert [room.given(each) for each in room.lab.ids(room.dataset)] == [[(me, "a")], [(me, "b")], [(me, "c")]]
    assert "All done" in room.page()


def test_l17_the_same_form_sent_twice_is_one_answer(site: Site) -> None:
    room = Room(site)
    values = form(room.page(), label=room.label("a"))
    assert [room.send(**values).status_code for _ in range(2)] == [303, 303]
    with site.app.database.read() as connection:
        assert len(service.history(connection, room.dataset.id, int(values["record_id"]))) == 1


@pytest.mark.parametrize("part", ["label", "bulk", "ties"])
def test_a_form_is_refused_where_somebody_else_signed_in_meanwhile(site: Site, part: str) -> None:
    """Another tab of the browser has signed the annotator in; the page on which this form stands is the manager's still."""
    room = Room(site, labels_per_record=2 if part == "ties" else 1)
    record = room.lab.ids(room.dataset)[0]
    if part == "ties":
        for number, name in enumerate("ab", 1):
            room.lab.answer(room.dataset, record, number, name)
    page = room.page(part, Role.MANAGER)
    [address, *_] = re.findall(r'<form method="post" action="(/datasets/[^"]*/(?:label|bulk|ties)[^"]*)"', page)
    values = {"label": room.label("a"), "record_id": record, "record": [record], "key": new_id(), "batch": new_id()}
    before = room.given(record)
    refused = site.form(address, values, Role.ADMIN)
    assert (refused.status_code, room.given(record)) == (401, before)
    assert "Somebody else is signed in in this browser now." in html.unescape(refused.text)
    assert site.form(address, values, Role.MANAGER).status_code == 303
    assert room.given(record) != before


def test_a_refused_answer_is_told_in_the_language_of_the_page(site: Site) -> None:
    """A page's script says whose page it is; a program gets English, whatever it accepts."""
    room = Room(site)
    body = {"answers": [{"record_id": room.lab.ids(room.dataset)[0], "label_ids": [999], "key": new_id()}]}
    headers = {**webapp.SAME_SITE, **site.session(Role.ANNOTATOR), "Accept-Language": "zh-TW"}
    said = []
    for more in ({}, {"X-Labelmill-Annotator": site.person(Role.ANNOTATOR)}):
        answer = site.ask("POST", f"/v1{room.place}/answers", headers=headers | more, json=body)
        said.append(answer.json()["items"][0]["problem"]["detail"])
    assert said == ["The dataset has no label 999.", "這個資料集沒有標籤 999。"]


def test_who_is_signed_out_is_told_how_what_was_sent_is_kept(site: Site) -> None:
    """The session ended while the page lay open: a reload after signing in sends the form again, and the way back is there."""
    room = Room(site)
    headers = {**webapp.HTML, **webapp.SAME_SITE, "Referer": f"{webapp.BASE}{room.place}/bulk?which=all"}
    answer = site.ask("POST", f"{room.place}/bulk", headers=headers, data={"label": 1, "record": [1], "batch": new_id()})
    assert answer.status_code == 401
    assert "what you sent is then sent again" in answer.text
    assert f"/sign-in?next={quote(f'{room.place}/bulk?which=all')}" in [values.get("href") for _, values in tags(answer.text)]
    elsewhere = site.ask("POST", f"{room.place}/bulk", headers=headers | {"Referer": "https://example.org/x"}, data={})
    assert "example.org" not in elsewhere.text


def test_texts_are_laid_out_by_their_own_script_and_long_names_told_whole(site: Site) -> None:
    """Arabic runs from the right; a name that no button has room for is said by the mouse."""
    room = Room(site)
    name = "n" * 300
    site.app.database.transact(datasets.add_label, room.dataset.id, NewLabel(name=name, description="what it is"))
    found = [values for _, values in tags(room.page())]
    assert {values.get("dir") for values in found if values.get("class") in {"record-text", "label-name"}} == {"auto"}
    assert f"{name}\nwhat it is" in [values.get("title") for values in found]


def test_undo_shows_the_record_again_and_skip_puts_it_off(site: Site) -> None:
    room = Room(site, 2)
    first = form(room.page(), label=room.label("a"))
    room.send(**first)
    undone = room.send(action="undo", key=hidden(room.page(), "key"))
    assert undone.headers["location"] == f"{room.place}/label?record={first['record_id']}"
    assert shown(room.page(f"label?record={first['record_id']}")) == "0"
    assert room.given(int(first["record_id"])) == []
    room.send(**form(room.page(f"label?record={first['record_id']}"), action="skip"))
    assert shown(room.page()) == "1"


def test_an_earlier_answer_is_shown_and_changed(site: Site) -> None:
    room = Room(site)
    page = room.page()
    record = hidden(page, "record_id")
    room.send(**form(page, label=room.label("a")))
    again = room.page(f"label?record={record}")
    pressed = re.findall(r'value="(\d+)" data-label="\d+" aria-pressed="true"', again)
    assert pressed == [str(room.label("a"))]
    assert "You answered this one" in again
    room.send(**form(again, label=room.label("b")))
    assert room.given(int(record)) == [(site.person(Role.ANNOTATOR), "b")]


def test_the_last_answers_are_at_hand_after_a_reload(site: Site) -> None:
    """What undo and the arrows need comes with the page, the oldest first; so does the count of the day."""
    room = Room(site)
    for name in ("a", "b"):
        room.send(**form(room.page(), label=room.label(name)))
    begun = start(room.page())
    assert [(each["content"], each["answer"]) for each in begun["mine"]] == [("0", [room.label("a")]), ("1", [room.label("b")])]
    assert sum(begun["today"].values()) == 2
    assert [each["content"] for each in begun["records"]] == ["2"]


def test_a_reload_shows_the_same_record_with_its_first_moment(site: Site) -> None:
    """L19: a reload does not spoil when the record was shown."""
    room = Room(site)
    first, second = start(room.page()), start(room.page())
    assert first["records"] == second["records"]


def test_several_labels_are_boxes_and_one_answer(site: Site) -> None:
    room = Room(site, several_labels=True)
    page = room.page()
    assert page.count('type="checkbox" name="label"') == len(room.dataset.labels)
    values = form(page, label=[str(room.label("a")), str(room.label("c"))])
    assert room.send(**values).status_code == 303
    assert room.given(int(values["record_id"])) == [(site.person(Role.ANNOTATOR), "a+c")]


def test_what_is_refused_is_said_and_nothing_is_stored(site: Site) -> None:
    room = Room(site, 3)
    page = room.page()
    other = room.send(record_id=room.lab.ids(room.dataset)[0], key="k", label=999_999)
    assert other.status_code == 422
    assert "The dataset has no label 999999." in other.text
    assert shown(other.text) == shown(page)
    none = room.send(key="k")
    assert none.status_code == 404
    assert all(room.given(each) == [] for each in room.lab.ids(room.dataset))


def test_l18_the_states_are_told_apart(site: Site) -> None:
    """Waiting while others hold the last records; done; nothing to label; no labels."""
    room = Room(site, 1)
    room.lab.next(room.dataset, 7)
    waiting = room.page()
    assert "Others hold the last records" in waiting
    assert start(waiting)["state"] == "waiting"
    assert "Nothing to label yet" in Room(site, 0).page()
    empty = Room(site, 1)
    bare = site.app.database.transact(datasets.create, name="bare", kind=RecordKind.TEXT)
    empty.lab.add(bare, ["x"])
    assert "There are no labels yet" in site.page(f"/datasets/{bare.id}/label").text
    site.app.database.transact(datasets.archive, empty.dataset.id)
    put_away = empty.page()
    assert "This dataset is archived" in put_away
    assert "data-start" not in put_away


def test_nobody_outside_learns_that_a_dataset_exists(site: Site) -> None:
    room = Room(site)
    site.app.database.transact(accounts.remove_member, room.dataset.id, site.person(Role.ANNOTATOR))
    for part in ("label", "bulk", "ties"):
        assert site.page(f"{room.place}/{part}", Role.ANNOTATOR).status_code == 404


@pytest.mark.parametrize("call", TABLE)
def test_p29_the_pages_of_labelling_answer_each_role_as_the_table_says(kept_site: Site, call: str) -> None:
    found = []
    for role in CALLERS:
        room = Room(kept_site, 3)
        record = room.lab.ids(room.dataset)[0]
        method, _, path = call.partition(" ")
        values = {"record_id": record, "record": record, "key": new_id(), "batch": new_id(), "label": room.label("a")}
        options = {"role": role} if role else {}
        if method == "POST":
            options["data"] = values
        found.append(kept_site.ask(method, path.format(dataset_id=room.dataset.id), **options).status_code)
    assert tuple(found) == TABLE[call]


def test_hostile_text_stays_text(site: Site) -> None:
    """A record, a label, a description and guidelines with tags in them run nothing, and break out of no attribute."""
    evil = "</p><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    database = site.app.database
    labels = [NewLabel(name=evil, description=evil), NewLabel(name="b")]
    made = database.transact(
        datasets.create, name=evil, kind=RecordKind.TEXT, labels=labels, guidelines=f"# {evil}\n\n[x](javascript:alert)"
    )
    lab = annotation_lab.Lab(database)
    lab.add(made, [evil])
    for part in ("label", "bulk", "bulk?like=1", "ties"):
        page = site.page(f"/datasets/{made.id}/{part}").text
        tags = Tags()
        tags.feed(page)
        assert {"img", "style"} & {tag for tag, _ in tags.found} == set(), part
        assert [names for tag, names in tags.found if tag == "script" and "src" not in names] == [], part
        assert [name for _, names in tags.found for name in names if name == "style" or name.startswith("on")] == [], part
        assert "javascript:alert" not in "".join(names.get("href") or "" for _, names in tags.found), part
    begun = start(site.page(f"/datasets/{made.id}/label").text)
    assert begun["records"][0]["content"] == evil


def test_rows_are_shown_as_fields_with_long_ones_folded(site: Site) -> None:
    database = site.app.database
    made = database.transact(
        datasets.create, name="rows", kind=RecordKind.TABULAR, labels=[NewLabel(name="a"), NewLabel(name="b")]
    )
    long = "many words " * 60
    annotation_lab.Lab(database).add(made, [json.dumps({"name": "Tom", "none": None, "number": 1.5, "long": long})])
    page = site.page(f"/datasets/{made.id}/label").text
    fields = re.findall(r"<dt[^>]*>(.*?)</dt><dd[^>]*>(.*?)</dd>", page)
    assert fields[:3] == [("name", "Tom"), ("none", "\N{EN DASH}"), ("number", "1.5")]
    assert fields[3][1].startswith("<details><summary>many words")


def test_images_are_drawn_from_their_address(site: Site) -> None:
    database = site.app.database
    made = database.transact(
        datasets.create, name="pictures", kind=RecordKind.IMAGE, labels=[NewLabel(name="a"), NewLabel(name="b")]
    )
    annotation_lab.Lab(database).add(made, [json.dumps({"blob": "images/aa.png", "width": 8, "height": 8})])
    page = site.page(f"/datasets/{made.id}/label").text
    address = f"/v1/datasets/{made.id}/records/{hidden(page, 'record_id')}/image"
    assert f'src="{address}"' in page
    assert start(page)["records"][0]["image"] == address
    assert "aa.png" not in page


class TestGrid:
    """Many records at once."""

    def test_selected_records_get_one_label_and_it_is_taken_back(self, stored_site: Site) -> None:
        room = Room(stored_site, 6)
        ids = room.lab.ids(room.dataset)
        me = stored_site.person(Role.ANNOTATOR)
        # One of them had an answer before: taking the batch back brings that one back.
        stored_site.app.database.transact(service.answer, room.dataset, ids[0], me, label_ids=[room.label("b")], key="before")
        batch = hidden(room.page("bulk"), "batch")
        done = room.send("bulk", batch=batch, back="which=open", label=room.label("a"), record=ids[:3])
        assert done.headers["location"] == f"{room.place}/bulk?which=open&batch={batch}&count=3"
        assert [room.given(each) for each in ids] == [[(me, "a")]] * 3 + [[]] * 3
        assert "3 records labelled." in room.page(f"bulk?batch={batch}&count=3")
        undone = room.send("bulk", batch=batch, action="undo")
        assert undone.headers["location"].endswith("undone=3")
        assert [room.given(each) for each in ids[:3]] == [[(me, "b")], [], []]
        assert room.lab.leases(room.dataset) == []

    def test_the_same_batch_again_changes_nothing(self, site: Site) -> None:
        room = Room(site, 2)
        ids = room.lab.ids(room.dataset)
        for _ in range(2):
            room.send("bulk", batch="a" * 32, label=room.label("a"), record=ids)
        with site.app.database.read() as connection:
            assert [len(service.history(connection, room.dataset.id, each)) for each in ids] == [1, 1]

    def test_answers_that_were_changed_since_are_not_taken_back(self, site: Site) -> None:
        room = Room(site, 2)
        ids = room.lab.ids(room.dataset)
        room.send("bulk", batch="a" * 32, label=room.label("a"), record=ids)
        room.send(record_id=ids[0], key="later", label=room.label("c"))
        undone = room.send("bulk", batch="a" * 32, action="undo")
        assert undone.headers["location"].endswith("undone=1")
        assert room.given(ids[0]) == [(site.person(Role.ANNOTATOR), "c")]

    def test_a_full_record_is_named_and_the_others_are_stored(self, site: Site) -> None:
        room = Room(site, 3)
        ids = room.lab.ids(room.dataset)
        room.lab.answer(room.dataset, ids[1], 9)
        refused = room.send("bulk", batch="a" * 32, label=room.label("a"), record=ids)
        assert refused.status_code == 409
        assert f"Record {ids[1]}: This record has the 1 annotators it wants" in refused.text
        assert "2 records labelled." in refused.text
        assert [len(room.given(each)) for each in ids] == [1, 1, 1]

    def test_nothing_selected_and_nonsense_are_said(self, site: Site) -> None:
        room = Room(site)
        assert "No record was selected." in room.send("bulk", batch="a" * 32, label=room.label("a")).text
        assert room.send("bulk", batch="%", label=1, record=1).status_code == 422
        many = list(range(1, PAGE + 2))
        assert room.send("bulk", batch="a" * 32, label=room.label("a"), record=many).status_code == 422

    def test_it_is_filtered_by_text_and_paged(self, site: Site) -> None:
        room = Room(site, PAGE + 5)
        first = room.page("bulk")
        assert first.count('class="cell"') == PAGE
        after = re.search(r"after=(\d+)", first)
        assert after
        assert room.page(f"bulk?after={after[1]}").count('class="cell"') == 5
        assert re.findall(r'record-text">(\d+)<', room.page("bulk?text=6")) == [
            "6",
            "16",
            "26",
            "36",
            "46",
            "56",
            "60",
            "61",
            "62",
            "63",
            "64",
        ]

    def test_similar_records_come_after_the_one_they_are_like(self, site: Site) -> None:
        room = Room(site, 0)
        texts = [
            "the parcel is late",
            "a sunny day",
            "my parcel came late",
            "nothing of it",
            "late",
            "包裹遲到了",
            "我的包裹遲到",
        ]
        room.lab.add(room.dataset, texts)
        ids = room.lab.ids(room.dataset)
        found = [html.unescape(each) for each in re.findall(r'record-text">([^<]*)<', room.page(f"bulk?like={ids[0]}"))]
        assert found[0] == texts[0]
        assert found[1] == texts[2]
        assert "a sunny day" not in found
        assert re.findall(r'record-text">([^<]*)<', room.page(f"bulk?like={ids[5]}")) == texts[5:]

    def test_who_answers_cannot_filter_by_what_others_answered(self, site: Site) -> None:
        room = Room(site, 4, labels_per_record=2)
        ids = room.lab.ids(room.dataset)
        room.lab.answer(room.dataset, ids[0], 9)
        page = room.page(f"bulk?which=answered&label={room.label('a')}")
        assert page.count('class="cell"') == 4
        assert "Majority label" not in page
        seen = room.page(f"bulk?which=answered&label={room.label('a')}", Role.MANAGER)
        assert seen.count('class="cell"') == 1

    def test_what_the_model_is_sure_of_is_found_and_never_where_people_answered(self, site: Site) -> None:
        """By label and confidence, the surest first; not of answered records, nor of those that the model is tested with."""
        lab = learning_lab.Lab(site.app)
        dataset = lab.dataset(60, random_share=0.2)
        place = f"/datasets/{dataset.id}/bulk"
        assert "The model says" not in site.page(place).text
        lab.answer_right(dataset, 24)
        lab.train(dataset)
        sport = next(each for each in dataset.labels if each.name == "sport")
        page = site.page(f"{place}?says={sport.id}&which=all").text
        assert "The model says" in page
        texts = re.findall(r'record-text">([^<]*)<', page)
        sureness = [int(each) for each in re.findall(r'class="suggestion">(\d+) %', page)]
        assert len(texts) == len(sureness) > 3
        assert sureness == sorted(sureness, reverse=True)
        with site.app.database.read() as connection:
            records = {each.content: each for each in datasets.list_records(connection, dataset.id, limit=100)}
        assert all(records[each].answers == 0 and not records[each].in_share for each in texts)
        taken_back = next(each for each in records.values() if each.answers and not each.in_share)
        site.app.database.transact(service.withdraw, dataset, taken_back.id, learning_lab.person(), key="taken back")
        every = "".join(site.page(f"{place}?says={each.id}&which=all").text for each in dataset.labels)
        assert f'record-text">{taken_back.content}<' not in every
        unsure = re.findall(r'class="suggestion">(\d+) %', site.page(f"{place}?sure=unsure&which=all").text)
        assert all(int(each) < 60 for each in unsure)
        site.app.database.transact(datasets.change, dataset.id, settings={"suggest": False})
        assert 'class="cell"' not in site.page(f"{place}?says={sport.id}&which=all").text


class TestTies:
    """Records on which people disagree evenly."""

    @pytest.fixture
    def room(self, stored_site: Site) -> Room:
        room = Room(stored_site, 3, labels_per_record=2)
        for record in room.lab.ids(room.dataset)[:2]:
            for number, (who, name) in enumerate((("Ann", "a"), ("Bob", "b"))):
                person = stored_site.app.database.transact(
                    accounts.add_annotator, email=f"{who}-{record}@example.org", name=who, role=Role.ANNOTATOR
                )
                stored_site.app.database.transact(
                    service.answer, room.dataset, record, person.id, label_ids=[room.label(name)], key=f"{record}-{number}"
                )
        return room

    def test_l9_a_tie_is_shown_with_its_votes_and_settled_and_opened_again(self, room: Room) -> None:
        first, second, _ = room.lab.ids(room.dataset)
        page = room.page("ties", Role.MANAGER)
        assert page.count("data-tie ") == 2
        assert re.findall(r"<dd>(\w+)</dd>", page)[:2] == ["Ann", "Bob"]
        settled = room.send("ties", Role.MANAGER, record_id=first, label=room.label("b"), key="k")
        assert settled.headers["location"] == f"{room.place}/ties?after=0&settled={first}"
        assert room.lab.row(first)["majority_id"] == room.label("b")
        left = room.page(f"ties?settled={first}", Role.MANAGER)
        assert left.count("data-tie ") == 1
        assert "is settled" in left
        room.send("ties", Role.MANAGER, record_id=first, key="k2")
        assert room.lab.row(first)["majority_id"] is None
        assert room.page("ties", Role.MANAGER).count("data-tie ") == 2
        for record in (first, second):
            room.send("ties", Role.MANAGER, record_id=record, label=room.label("a"), key=f"s{record}")
        assert "No ties" in room.page("ties", Role.MANAGER)

    def test_the_buttons_of_a_tie_stand_in_the_order_of_the_labels(self, room: Room) -> None:
        """Whoever was first to answer: nothing moves under the hand."""
        record = room.lab.ids(room.dataset)[2]
        for number, name in enumerate("ba", 1):
            room.lab.answer(room.dataset, record, number, name)
        assert re.findall(r"<bdi>(\w)</bdi>", room.page("ties", Role.MANAGER)) == ["a", "b"] * 3

    def test_taking_a_settling_back_brings_ones_own_vote_back(self, room: Room) -> None:
        record = room.lab.ids(room.dataset)[2]
        room.lab.answer(room.dataset, record, 5, "b")
        room.send("label", Role.MANAGER, record_id=record, key="vote", label=room.label("a"))
        assert room.lab.row(record)["is_tied"]
        room.send("ties", Role.MANAGER, record_id=record, label=room.label("c"), key="k")
        room.send("ties", Role.MANAGER, record_id=record, key="k2")
        assert (room.site.person(Role.MANAGER), "a") in room.given(record)
        assert room.lab.row(record)["is_tied"]

    def test_what_cannot_be_settled_is_said(self, room: Room) -> None:
        refused = room.send("ties", Role.MANAGER, record_id=10**9, label=room.label("a"))
        assert refused.status_code == 404
        assert "has no record" in refused.text


@pytest.mark.parametrize("part", ["label", "bulk", "ties"])
def test_the_pages_speak_chinese(site: Site, part: str) -> None:
    room = Room(site)
    page = site.page(f"{room.place}/{part}", **{"Accept-Language": "zh-TW"}).text
    expected = {"label": "標註準則", "bulk": "批次標註", "ties": "沒有平手"}[part]
    assert expected in page
    assert webapp.HTML["Accept"]


def test_the_line_of_progress_follows_the_answers(site: Site) -> None:
    room = Room(site, 4)
    assert 'data-answered="0" data-records="4"' in room.page("label/line")
    room.send(**form(room.page(), label=room.label("a")))
    line = room.page("label/line")
    assert "1 of 4" in line
    assert "<html" not in line
