"""Datasets, labels and records over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from annotation_lab import Lab, person
from labelmill.accounts import Role, Scope
from labelmill.accounts import service as accounts
from labelmill.annotation import service as annotation
from labelmill.datasets import service
from labelmill.datasets.model import NewLabel, RecordKind

if TYPE_CHECKING:
    from webapp import Site

ROOT = "/v1/datasets"
#: Route -> the status for nobody, a viewer and an annotator who are no members, those who are, a manager, an admin.
TABLE = {
    "GET /v1/datasets": (401, 200, 200, 200, 200, 200, 200),
    "POST /v1/datasets": (401, 403, 403, 403, 403, 201, 201),
    "GET /v1/datasets/{dataset_id}": (401, 404, 404, 200, 200, 200, 200),
    "PATCH /v1/datasets/{dataset_id}": (401, 404, 404, 403, 403, 200, 200),
    "DELETE /v1/datasets/{dataset_id}": (401, 404, 404, 403, 403, 409, 409),
    "GET /v1/datasets/{dataset_id}/counts": (401, 404, 404, 200, 200, 200, 200),
    "POST /v1/datasets/{dataset_id}/archive": (401, 404, 404, 403, 403, 200, 200),
    "POST /v1/datasets/{dataset_id}/restore": (401, 404, 404, 403, 403, 200, 200),
    "GET /v1/datasets/{dataset_id}/labels": (401, 404, 404, 200, 200, 200, 200),
    "POST /v1/datasets/{dataset_id}/labels": (401, 404, 404, 403, 403, 201, 201),
    "PUT /v1/datasets/{dataset_id}/labels/order": (401, 404, 404, 403, 403, 200, 200),
    "PATCH /v1/datasets/{dataset_id}/labels/{label_id}": (401, 404, 404, 403, 403, 200, 200),
    "POST /v1/datasets/{dataset_id}/labels/{label_id}/merge": (401, 404, 404, 403, 403, 200, 200),
    "DELETE /v1/datasets/{dataset_id}/labels/{label_id}": (401, 404, 404, 403, 403, 204, 204),
    "GET /v1/datasets/{dataset_id}/records": (401, 404, 404, 200, 200, 200, 200),
    "POST /v1/datasets/{dataset_id}/records": (401, 404, 404, 403, 403, 201, 201),
    "GET /v1/datasets/{dataset_id}/records/{record_id}": (401, 404, 404, 200, 200, 200, 200),
    "GET /v1/datasets/{dataset_id}/records/{record_id}/image": (401, 404, 404, 404, 404, 404, 404),
}
CALLERS = [(None, False), (Role.VIEWER, False), (Role.ANNOTATOR, False), (Role.VIEWER, True), (Role.ANNOTATOR, True),
           (Role.MANAGER, False), (Role.ADMIN, False)]  # fmt: skip


class Desk:
    """A dataset of a site, and its addresses."""

    def __init__(self, site: Site, size: int = 3, **settings: Any) -> None:
        self.site = site
        self.lab = Lab(site.app.database)
        self.dataset = self.lab.dataset(size, **settings)
        self.ids = self.lab.ids(self.dataset)
        self.a, self.b, self.c = (self.lab.label(self.dataset, name) for name in "abc")

    def admit(self, role: Role) -> None:
        self.site.app.database.transact(accounts.set_member, self.dataset.id, self.site.person(role), role)

    def ask(self, method: str, path: str = "", role: Role | None = Role.MANAGER, **more: Any):
        return self.site.ask(method, f"{ROOT}/{self.dataset.id}{path}", role=role, **more)

    def answer(self, record_id: int, number: int, *label_ids: int) -> None:
        key = f"{record_id}-{number}"
        self.lab.database.transact(
            annotation.answer, self.lab.again(self.dataset), record_id, person(number), label_ids=label_ids, key=key
        )


@pytest.fixture
def desk(stored_site: Site) -> Desk:
    return Desk(stored_site)


def _call(site: Site, call: str, role: Role | None, *, is_member: bool = False, **more: Any) -> int:
    desk = Desk(site)
    if is_member and role:
        desk.admit(role)
    method, _, path = call.partition(" ")
    path = path.replace("{dataset_id}", str(desk.dataset.id)).replace("{label_id}", str(desk.a))
    bodies = {
        f"POST {ROOT}": {"name": f"new {desk.dataset.id}"},
        f"PATCH {ROOT}/{{dataset_id}}": {"guidelines": "x"},
        f"POST {ROOT}/{{dataset_id}}/labels": {"name": "new"},
        f"PUT {ROOT}/{{dataset_id}}/labels/order": {"labels": [label.id for label in reversed(desk.dataset.labels)]},
        f"PATCH {ROOT}/{{dataset_id}}/labels/{{label_id}}": {"description": "x"},
        f"POST {ROOT}/{{dataset_id}}/labels/{{label_id}}/merge": {"into": desk.b},
        f"POST {ROOT}/{{dataset_id}}/records": {"records": [{"content": "new"}]},
    }
    return site.ask(method, path.replace("{record_id}", str(desk.ids[0])), role=role, json=bodies.get(call), **more).status_code


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_route_answers_each_role_as_the_table_says(kept_site: Site, call: str):
    found = tuple(_call(kept_site, call, role, is_member=is_member) for role, is_member in CALLERS)
    assert found == TABLE[call]


@pytest.mark.parametrize("call", [call for call in TABLE if not call.startswith("GET")])
def test_p29_a_read_token_of_an_admin_changes_nothing(kept_site: Site, call: str):
    assert _call(kept_site, call, None, token=kept_site.token(Role.ADMIN, Scope.READ)) == 403


class TestDataset:
    def test_it_is_made_read_and_changed(self, stored_site: Site):
        body = {
            "name": "posts", "kind": "text", "labels": [{"name": "good", "colour": "#0072B2", "shortcut": "g"}, {"name": "bad"}],
            "guidelines": "**good**: likes it", "settings": {"labels_per_record": 2},
        }  # fmt: skip
        made = stored_site.ask("POST", ROOT, role=Role.MANAGER, json=body)
        assert made.status_code == 201
        found = stored_site.ask("GET", f"{ROOT}/{made.json()['id']}", role=Role.MANAGER)
        assert (found.json(), found.headers["ETag"]) == (made.json(), '"1"')
        assert [(each["name"], each["colour"], each["shortcut"]) for each in found.json()["labels"]] == [
            ("good", "#0072b2", "g"), ("bad", "#e69f00", "1"), ("ignored", "#757575", "i"),
        ]  # fmt: skip
        assert (found.json()["settings"]["labels_per_record"], found.json()["settings"]["seed"]) == (2, 42)
        assert found.json()["created_by"] == stored_site.person(Role.MANAGER)
        change = {"settings": {"seed": 7}, "revision": 1}
        changed = stored_site.ask("PATCH", f"{ROOT}/{made.json()['id']}", role=Role.MANAGER, json=change)
        assert (changed.json()["settings"]["seed"], changed.headers["ETag"]) == (7, '"2"')

    def test_p01_the_same_request_with_a_key_makes_one(self, stored_site: Site):
        ask = [
            stored_site.ask("POST", ROOT, role=Role.MANAGER, json={"name": "once"}, headers={"Idempotency-Key": "k"})
            for _ in range(2)
        ]
        assert [each.status_code for each in ask] == [201, 201]
        assert ask[0].json() == ask[1].json()
        assert ask[1].headers["Idempotency-Replayed"] == "true"
        assert stored_site.ask("POST", ROOT, role=Role.MANAGER, json={"name": "once"}).status_code == 409

    def test_an_old_revision_is_a_conflict_in_header_and_body(self, desk: Desk):
        for more in (
            {"json": {"guidelines": "x", "revision": 7}},
            {"json": {"guidelines": "x"}, "headers": {"If-Match": '"7"'}},
        ):
            answer = desk.ask("PATCH", **more)
            assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
            assert "somebody changed it" in answer.json()["detail"]
            assert "Read it again" in answer.json()["way_out"]
        assert desk.ask("PATCH", json={"guidelines": "x"}, headers={"If-Match": "soup"}).json()["where"] == "If-Match"
        assert desk.ask("GET").json()["guidelines"] == ""
        for etag in ('"1"', 'W/"2"', "*"):
            assert desk.ask("PATCH", json={"guidelines": etag}, headers={"If-Match": etag}).status_code == 200

    @pytest.mark.parametrize(
        ("body", "where"),
        [
            ({"name": ""}, "body.name"),
            ({"name": "a\u202eb"}, "name"),
            ({"name": "x", "kind": "sound"}, "body.kind"),
            ({"name": "x", "settings": {"batch_size": "many"}}, "batch_size"),
            ({"name": "x", "labels": [{"name": "a", "colour": "red"}]}, "colour"),
            ({"name": "x", "labels": [{"name": "a\u200bb"}]}, "label"),
            ({"name": "x", "nonsense": 1}, "body.nonsense"),
        ],
    )
    def test_a_wrong_field_is_named_and_nothing_is_made(self, site: Site, body: dict[str, Any], where: str):
        answer = site.ask("POST", ROOT, role=Role.MANAGER, json=body)
        assert (answer.status_code, answer.json()["where"]) == (422, where)
        assert site.ask("GET", ROOT, role=Role.MANAGER).json()["items"] == []

    def test_the_list_has_pages_and_shows_members_theirs(self, stored_site: Site):
        desks = [Desk(stored_site) for _ in range(3)]
        desks[1].admit(Role.ANNOTATOR)
        first = stored_site.ask("GET", f"{ROOT}?limit=2", role=Role.MANAGER).json()
        second = stored_site.ask("GET", f"{ROOT}?limit=2&cursor={first['next']}", role=Role.MANAGER).json()
        assert [each["id"] for each in first["items"] + second["items"]] == [each.dataset.id for each in desks]
        assert second["next"] is None
        mine = stored_site.ask("GET", ROOT, role=Role.ANNOTATOR).json()["items"]
        assert [(each["id"], each["records"]) for each in mine] == [(desks[1].dataset.id, 3)]
        assert stored_site.ask("GET", f"{ROOT}?cursor=soup", role=Role.MANAGER).status_code == 422

    def test_archived_restored_removed(self, desk: Desk):
        assert "Archive it first" in desk.ask("DELETE").json()["way_out"]
        assert desk.ask("POST", "/archive").json()["archived_at"]
        refused = desk.ask("POST", "/records", json={"records": [{"content": "x"}]})
        assert (refused.status_code, "restore" in refused.json()["way_out"]) == (409, True)
        listed = desk.site.ask("GET", f"{ROOT}?archived=true", role=Role.MANAGER).json()["items"]
        assert [each["id"] for each in listed] == [desk.dataset.id]
        assert desk.ask("POST", "/restore").json()["archived_at"] is None
        desk.ask("POST", "/archive")
        assert desk.ask("DELETE").json() == {"job": None}
        assert desk.ask("GET").status_code == 404

    def test_who_changed_what_is_written_down(self, desk: Desk):
        desk.ask("PATCH", json={"guidelines": "x"})
        desk.ask("POST", f"/labels/{desk.a}/merge", json={"into": desk.b})
        desk.ask("PATCH", json={"name": ""})
        with desk.site.app.database.read() as connection:
            entries = accounts.list_audit(connection, dataset_id=desk.dataset.id)
        assert [(each.action, each.actor_id, each.details) for each in entries] == [
            ("merge label", desk.site.person(Role.MANAGER), {"label": desk.a, "into": desk.b}),
            ("change dataset", desk.site.person(Role.MANAGER), {"fields": ["guidelines"]}),
        ]

    def test_its_counts(self, desk: Desk):
        desk.answer(desk.ids[0], 1, desk.a)
        assert desk.ask("GET", "/counts").json() == {"records": 3, "answered": 1, "tied": 0, "annotations": 1, "open": 2}


class TestLabels:
    def test_added_changed_ordered_and_removed(self, desk: Desk):
        added = desk.ask("POST", "/labels", json={"name": "  cafe\u0301 ", "description": "x"}).json()
        assert (added["name"], added["description"], added["is_ignored"]) == ("caf\u00e9", "x", False)
        changed = desk.ask("PATCH", f"/labels/{added['id']}", json={"name": "new", "shortcut": "Q", "colour": "#123456"}).json()
        assert (changed["name"], changed["shortcut"], changed["colour"]) == ("new", "q", "#123456")
        ids = [label["id"] for label in desk.ask("GET", "/labels").json()["items"]]
        found = desk.ask("PUT", "/labels/order", json={"labels": ids[::-1]}).json()["items"]
        assert [label["id"] for label in found] == ids[::-1]
        assert desk.ask("PUT", "/labels/order", json={"labels": ids[1:]}).status_code == 422
        assert desk.ask("DELETE", f"/labels/{added['id']}").status_code == 204
        assert desk.ask("PATCH", f"/labels/{added['id']}", json={"name": "x"}).status_code == 404

    def test_l17_one_with_answers_is_merged_and_not_removed(self, desk: Desk):
        desk.answer(desk.ids[0], 1, desk.a)
        refused = desk.ask("DELETE", f"/labels/{desk.a}")
        assert (refused.status_code, "Merge it" in refused.json()["way_out"]) == (409, True)
        assert desk.ask("POST", f"/labels/{desk.a}/merge", json={"into": desk.b}).json()["id"] == desk.b
        [record] = desk.ask("GET", f"/records?label={desk.b}").json()["items"]
        assert (record["id"], record["majority_id"], record["answers"]) == (desk.ids[0], desk.b, 1)

    def test_an_old_revision_is_a_conflict(self, desk: Desk):
        revision = int(desk.ask("GET", "/labels").headers["ETag"].strip('"'))
        desk.ask("PATCH", json={"guidelines": "x"})
        calls = (
            ("POST", "/labels", {"name": "x"}), ("PATCH", f"/labels/{desk.a}", {"name": "x"}), ("DELETE", f"/labels/{desk.a}", None),
            ("POST", f"/labels/{desk.a}/merge", {"into": desk.b}), ("PUT", "/labels/order", {"labels": [desk.a]}),
        )  # fmt: skip
        for method, path, body in calls:
            answer = desk.ask(method, path, json=body, headers={"If-Match": f'"{revision}"'})
            assert (answer.status_code, answer.json()["where"]) == (409, "revision"), path


class TestRecords:
    def test_a_few_are_added_once(self, desk: Desk):
        body = {"records": [{"content": "one"}, {"content": "one"}, {"given_id": "007", "content": "two"}]}
        assert desk.ask("POST", "/records", json=body).json() == {"added": 2, "known": 1}
        assert desk.ask("POST", "/records", json=body).json() == {"added": 0, "known": 3}
        [found] = desk.ask("GET", "/records?given_id=007").json()["items"]
        assert (found["given_id"], found["content"]) == ("007", "two")
        assert desk.ask("GET").json()["records"] == 5
        assert desk.ask("GET", f"/records/{found['id']}").json() == found

    def test_pages_hold_each_record_once_in_their_order(self, desk: Desk):
        desk.ask("POST", "/records", json={"records": [{"content": f"more {number}"} for number in range(8)]})
        desk.answer(desk.ids[1], 1, desk.a)
        found, cursor = [], ""
        while cursor is not None:
            page = desk.ask("GET", f"/records?limit=4{cursor and '&cursor=' + cursor}").json()
            found += [each["id"] for each in page["items"]]
            cursor = page["next"]
        assert len(found) == 11
        assert found == sorted(set(found))

    def test_they_are_found_by_what_holds_for_them(self, stored_site: Site):
        desk = Desk(stored_site, size=4, labels_per_record=2)
        first, second, third, fourth = desk.ids
        for record_id, *labels in ((first, desk.a, desk.a), (second, desk.a, desk.b), (third, desk.b)):
            for number, label in enumerate(labels):
                desk.answer(record_id, number, label)
        for query, wanted in (
            (f"label={desk.a}", [first]), ("tied=true", [second]), ("tied=false", [first, third, fourth]), ("answered=true", [first, third]),
            ("answered=false", [second, fourth]), ("open=true", [third, fourth]), ("open=false&answered=true", [first]),
            ("text=2", [third]), ("text=2&open=false", []), ("text=%25", []), ("text=_", []), ("", desk.ids),
        ):  # fmt: skip
            assert [each["id"] for each in desk.ask("GET", f"/records?{query}").json()["items"]] == wanted, query

    def test_annotators_are_not_told_what_others_answered(self, desk: Desk):
        desk.admit(Role.ANNOTATOR)
        desk.answer(desk.ids[0], 1, desk.a)
        [found, *_] = desk.ask("GET", "/records", Role.ANNOTATOR).json()["items"]
        assert (found["majority_id"], found["is_tied"], found["answers"]) == (None, None, None)
        assert desk.ask("GET", f"/records/{desk.ids[0]}", Role.ANNOTATOR).json() == found
        for query in (f"label={desk.a}", "tied=false", "answered=true"):
            assert desk.ask("GET", f"/records?{query}", Role.ANNOTATOR).status_code == 403

    @pytest.mark.parametrize("content", ["", "  ", {"a": 1}, 7, None, ["x"]])
    def test_what_is_no_text_is_refused_with_its_place(self, desk: Desk, content: object):
        answer = desk.ask("POST", "/records", json={"records": [{"content": "fine"}, {"content": content}]})
        assert answer.status_code == 422
        assert "records" in answer.json()["where"]
        assert "1" in answer.json()["where"]
        assert desk.ask("GET").json()["records"] == 3

    def test_rows_have_fields_and_images_are_imported(self, site: Site):
        for kind, status in (("tabular", 201), ("image", 422)):
            made = site.ask("POST", ROOT, role=Role.MANAGER, json={"name": kind, "kind": kind}).json()
            rows = {"records": [{"content": {"price": 3, "brand": "Ace"}}]}
            assert site.ask("POST", f"{ROOT}/{made['id']}/records", role=Role.MANAGER, json=rows).status_code == status
        assert site.ask("POST", f"{ROOT}/1/records", role=Role.MANAGER, json={"records": [{"content": "x"}]}).status_code == 422
        assert (
            site.ask("GET", f"{ROOT}/1/records", role=Role.MANAGER).json()["items"][0]["content"] == '{"price":3,"brand":"Ace"}'
        )

    def test_a_number_that_nothing_can_keep_is_refused_with_its_place(self, site: Site):
        site.ask("POST", ROOT, role=Role.MANAGER, json={"name": "rows", "kind": "tabular"})
        rows = {"records": [{"content": {"n": 1}}, {"content": {"n": 10**30}}]}
        answer = site.ask("POST", f"{ROOT}/1/records", role=Role.MANAGER, json=rows)
        assert (answer.status_code, answer.json()["where"]) == (422, "body.records[1].content")
        assert site.ask("GET", f"{ROOT}/1", role=Role.MANAGER).json()["records"] == 0

    def test_a_long_parameter_is_refused_by_its_name(self, site: Site):
        for name in ("given_id", "cursor", "text"):
            answer = site.ask("GET", f"{ROOT}/0/records", role=Role.MANAGER, params={name: "x" * 2_000})
            assert any(name in each["where"] for each in answer.json()["errors"]), name

    def test_an_image_comes_as_it_is_kept_and_its_file_stays_unnamed(self, site: Site):
        site.app.blobs.put("images/aa/aa.png", b"\x89PNG pixels")
        lab = Lab(site.app.database)
        made = lab.database.transact(service.create, name="pictures", kind=RecordKind.IMAGE, labels=[NewLabel(name="a")])
        lab.add(made, ['{"blob":"images/aa/aa.png","width":8,"height":9}'])
        [record] = site.ask("GET", f"{ROOT}/{made.id}/records", role=Role.MANAGER).json()["items"]
        assert record["content"] == '{"width":8,"height":9}'
        answer = site.ask("GET", f"{ROOT}/{made.id}/records/{record['id']}/image", role=Role.MANAGER)
        assert (answer.content, answer.headers["Content-Type"]) == (b"\x89PNG pixels", "image/png")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "private" in answer.headers["Cache-Control"]

    def test_records_of_another_dataset_are_not_there(self, desk: Desk):
        other = Desk(desk.site)
        assert desk.ask("GET", f"/records/{other.ids[0]}").status_code == 404
        assert desk.ask("PATCH", f"/labels/{other.a}", json={"name": "x"}).status_code == 404
        assert desk.ask("POST", f"/labels/{desk.a}/merge", json={"into": other.a}).status_code == 404
