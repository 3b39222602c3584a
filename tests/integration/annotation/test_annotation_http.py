"""Annotations over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from annotation_lab import Lab, person
from labelmill.accounts import Role
from labelmill.accounts import service as accounts

if TYPE_CHECKING:
    from webapp import Site

#: Route -> the status for nobody, a viewer and an annotator who are no members, those who are, a manager, an admin.
TABLE = {
    "POST /v1/datasets/{dataset_id}/next": (401, 404, 404, 403, 200, 200, 200),
    "POST /v1/datasets/{dataset_id}/records/{record_id}/answers": (401, 404, 404, 403, 200, 200, 200),
    "POST /v1/datasets/{dataset_id}/answers": (401, 404, 404, 403, 200, 200, 200),
    "DELETE /v1/datasets/{dataset_id}/records/{record_id}/answers": (401, 404, 404, 403, 404, 404, 404),
    "POST /v1/datasets/{dataset_id}/withdraw": (401, 404, 404, 403, 404, 404, 404),
    "POST /v1/datasets/{dataset_id}/undo": (401, 404, 404, 403, 404, 404, 404),
    "POST /v1/datasets/{dataset_id}/skip": (401, 404, 404, 403, 204, 204, 204),
    "POST /v1/datasets/{dataset_id}/release": (401, 404, 404, 403, 200, 200, 200),
    "GET /v1/datasets/{dataset_id}/mine": (401, 404, 404, 403, 200, 200, 200),
    "GET /v1/datasets/{dataset_id}/records/{record_id}/history": (401, 404, 404, 403, 403, 200, 200),
    "GET /v1/datasets/{dataset_id}/ties": (401, 404, 404, 403, 403, 200, 200),
    "POST /v1/datasets/{dataset_id}/settle": (401, 404, 404, 403, 403, 200, 200),
    "GET /v1/datasets/{dataset_id}/agreement": (401, 404, 404, 200, 200, 200, 200),
    "GET /v1/datasets/{dataset_id}/progress": (401, 404, 404, 200, 200, 200, 200),
}


class Desk:
    """A dataset of a site that everybody may label, and its addresses."""

    def __init__(self, site: Site, **settings: object) -> None:
        self.site = site
        self.lab = Lab(site.app.database)
        self.dataset = self.lab.dataset(4, **settings)
        self.ids = self.lab.ids(self.dataset)
        self.a, self.b = (self.lab.label(self.dataset, name) for name in "ab")

    def admit(self, role: Role) -> None:
        """Let who has this role everywhere have it in the dataset."""
        self.site.app.database.transact(accounts.set_member, self.dataset.id, self.site.person(role), role)

    def ask(self, method: str, path: str, role: Role | None = Role.MANAGER, **more: object):
        return self.site.ask(method, f"/v1/datasets/{self.dataset.id}{path}", role=role, **more)


def _body(desk: Desk, call: str) -> dict[str, object]:
    # Nobody uses a key twice, in whatever dataset.
    key = f"{call.rsplit('/', 1)[1]}-{desk.dataset.id}"
    answer = {"label_ids": [desk.a], "key": key}
    bodies = {
        "next": {}, "release": {}, "undo": {"key": key}, "skip": {"record_id": desk.ids[1]},
        "withdraw": {"record_id": desk.ids[2], "key": key}, "settle": {"record_id": desk.ids[3], "label_id": desk.a, "key": key},
        "answers": answer if "{record_id}" in call else {"answers": [answer | {"record_id": desk.ids[0]}]},
    }  # fmt: skip
    return bodies[call.rsplit("/", 1)[1]]


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_route_answers_each_role_as_the_table_says(kept_site: Site, call: str):
    found = []
    callers = [(None, False), (Role.VIEWER, False), (Role.ANNOTATOR, False), (Role.VIEWER, True), (Role.ANNOTATOR, True),
               (Role.MANAGER, False), (Role.ADMIN, False)]  # fmt: skip
    for role, is_member in callers:
        desk = Desk(kept_site)
        if is_member:
            desk.admit(role)
        method, _, path = call.partition(" ")
        path = path.removeprefix("/v1/datasets/{dataset_id}").replace("{record_id}", str(desk.ids[0]))
        query = {"params": {"key": f"withdraw-{desk.dataset.id}"}} if method == "DELETE" else {}
        more = {"json": _body(desk, call)} if method == "POST" else query
        found.append(desk.ask(method, path, role, **more).status_code)
    assert tuple(found) == TABLE[call]


class TestLoop:
    def test_next_answer_undo_and_all_done(self, stored_site: Site):
        desk = Desk(stored_site)
        served = desk.ask("POST", "/next", json={"count": 2}).json()
        assert (served["state"], [each["content"] for each in served["records"]]) == ("record", ["0", "1"])
        assert served["records"][0]["shown_at"].endswith(("Z", "+00:00"))
        first = served["records"][0]["id"]
        answer = {"label_ids": [desk.b], "key": "one"}
        done = desk.ask("POST", f"/records/{first}/answers", json=answer).json()
        assert done["record"] == {"answers": 1, "is_open": False, "majority_id": desk.b, "is_tied": False}
        assert desk.ask("POST", f"/records/{first}/answers", json=answer).json()["repeated"]
        mine = desk.ask("GET", "/mine").json()["items"]
        assert [(each["record"]["id"], each["annotation"]["label_ids"]) for each in mine] == [(first, [desk.b])]
        assert desk.ask("POST", "/undo", json={"key": "undo"}).json()["annotation"]["record_id"] == first
        many = [{"record_id": each, "label_ids": [desk.a], "key": f"key {each}"} for each in desk.ids]
        outcomes = desk.ask("POST", "/answers", json={"answers": many}).json()["items"]
        assert all(each["stored"] and not each["problem"] for each in outcomes)
        assert desk.ask("POST", "/next", json={}).json() == {"state": "done", "records": [], "retry_seconds": None}

    def test_one_refused_answer_of_many_holds_up_no_other(self, stored_site: Site):
        desk = Desk(stored_site)
        desk.lab.answer(desk.dataset, desk.ids[0], 1)
        many = [
            {"record_id": desk.ids[0], "label_ids": [desk.a], "key": "1"},
            {"record_id": desk.ids[1], "label_ids": [desk.a], "key": "2"},
            {"record_id": 999_999, "label_ids": [desk.a], "key": "3"},
            {"record_id": desk.ids[2], "label_ids": [999_999], "key": "4"},
        ]
        outcomes = desk.ask("POST", "/answers", json={"answers": many}).json()["items"]
        codes = [each["problem"]["code"] if each["problem"] else "stored" for each in outcomes]
        assert codes == ["record-full", "stored", "not-found", "bad-input"]
        assert desk.lab.row(desk.ids[1])["majority_id"] == desk.a

    def test_a_full_record_is_a_clear_conflict(self, site: Site):
        desk = Desk(site)
        desk.lab.answer(desk.dataset, desk.ids[0], 1)
        refused = desk.ask("POST", f"/records/{desk.ids[0]}/answers", json={"label_ids": [desk.a], "key": "k"})
        assert (refused.status_code, refused.json()["code"]) == (409, "record-full")
        assert "changed or lost" in refused.json()["way_out"]

    def test_delete_withdraws(self, site: Site):
        desk = Desk(site)
        desk.ask("POST", f"/records/{desk.ids[0]}/answers", json={"label_ids": [desk.a], "key": "k"})
        for repeated in (False, True):
            done = desk.ask("DELETE", f"/records/{desk.ids[0]}/answers", params={"key": "w"}).json()
            assert (done["annotation"]["is_withdrawal"], done["repeated"]) == (True, repeated)
        assert desk.lab.row(desk.ids[0])["answers"] == 0

    def test_what_is_released_goes_to_others(self, site: Site):
        desk = Desk(site)
        desk.ask("POST", "/next", json={"count": 4})
        assert desk.ask("POST", "/next", Role.ADMIN, json={}).json()["state"] == "waiting"
        assert desk.ask("POST", "/release", json={"record_ids": [desk.ids[3]]}).json() == {"released": 1}
        assert desk.ask("POST", "/next", Role.ADMIN, json={}).json()["records"][0]["id"] == desk.ids[3]

    def test_what_was_skipped_comes_last(self, site: Site):
        desk = Desk(site)
        desk.ask("POST", "/skip", json={"record_id": desk.ids[0]})
        served = desk.ask("POST", "/next", json={"count": 4}).json()["records"]
        assert [each["content"] for each in served] == ["1", "2", "3", "0"]


class TestOthersAnswers:
    def test_nobody_sees_them_before_answering(self, site: Site):
        desk = Desk(site, labels_per_record=2)
        desk.admit(Role.ANNOTATOR)
        desk.lab.answer(desk.dataset, desk.ids[0], 1, "b")
        path = f"/records/{desk.ids[0]}/history"
        assert desk.ask("GET", path, Role.ANNOTATOR).status_code == 403
        served = desk.ask("POST", "/next", Role.ANNOTATOR, json={}).json()["records"][0]
        assert set(served) == {"id", "given_id", "content", "shown_at", "suggestion"}
        desk.ask("POST", f"/records/{desk.ids[0]}/answers", Role.ANNOTATOR, json={"label_ids": [desk.a], "key": "k"})
        seen = desk.ask("GET", path, Role.ANNOTATOR).json()["items"]
        assert next((each["annotator_id"], each["label_ids"]) for each in seen) == (person(1), [desk.b])
        assert len(seen) == 2

    def test_l09_a_manager_sees_ties_and_settles_them(self, site: Site):
        desk = Desk(site, labels_per_record=2)
        desk.lab.answer(desk.dataset, desk.ids[0], 1, "a")
        desk.lab.answer(desk.dataset, desk.ids[0], 2, "b")
        (tied,) = desk.ask("GET", "/ties").json()["items"]
        assert (tied["record"]["id"], len(tied["answers"])) == (desk.ids[0], 2)
        body = {"record_id": desk.ids[0], "label_id": desk.b, "key": "s"}
        assert desk.ask("POST", "/settle", json=body).json()["record"]["majority_id"] == desk.b
        assert desk.ask("GET", "/ties").json()["items"] == []

    def test_agreement_and_progress_name_others_to_managers_only(self, stored_site: Site):
        desk = Desk(stored_site, labels_per_record=2)
        desk.admit(Role.ANNOTATOR)
        for record_id in desk.ids:
            desk.lab.answer(desk.dataset, record_id, 1, "a")
            desk.lab.answer(desk.dataset, record_id, 2, "b" if record_id == desk.ids[0] else "a")
        found = desk.ask("GET", "/agreement").json()
        assert (found["records"], found["percent"], len(found["pairs"])) == (4, 0.75, 1)
        assert desk.ask("GET", "/agreement", Role.ANNOTATOR).json()["pairs"] == []
        progress = desk.ask("GET", "/progress").json()
        assert (progress["records"], progress["answered"], progress["tied"], progress["annotations"]) == (4, 3, 1, 8)
        assert [(each["annotator_id"], each["answers"]) for each in progress["annotators"]] == [(person(1), 4), (person(2), 4)]
        assert sum(each["answers"] for each in progress["days"]) == 8
        assert desk.ask("GET", "/progress", Role.ANNOTATOR).json()["annotators"] == []


class TestBadInput:
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/next", {"count": 0}), ("/next", {"count": 51}), ("/next", {"held": [0]}), ("/next", {"held": list(range(1, 300))}),
            ("/next", {"who": 1}), ("/answers", {"answers": []}), ("/undo", {}), ("/undo", {"key": ""}), ("/undo", {"key": "x" * 65}),
            ("/skip", {"record_id": 2**60}), ("/settle", {"record_id": 1, "label_id": -1, "key": "k"}),
        ],
    )  # fmt: skip
    def test_it_is_refused_naming_the_field(self, site: Site, path: str, body: dict):
        refused = Desk(site).ask("POST", path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "bad-input")

    def test_a_moment_without_a_zone_is_refused(self, site: Site):
        desk = Desk(site)
        body = {"label_ids": [desk.a], "key": "k", "shown_at": "2026-01-01T00:00:00"}
        assert desk.ask("POST", f"/records/{desk.ids[0]}/answers", json=body).status_code == 422

    def test_a_foreign_cursor_is_refused(self, site: Site):
        desk = Desk(site)
        assert desk.ask("GET", "/mine", params={"cursor": "eyJiZWZvcmUiOiJ4In0"}).status_code == 422

    def test_there_is_no_such_dataset_or_record(self, site: Site):
        desk = Desk(site)
        assert site.ask("POST", "/v1/datasets/999/next", role=Role.ADMIN, json={}).status_code == 404
        assert desk.ask("POST", "/skip", json={"record_id": 999_999}).status_code == 404
        assert desk.ask("GET", "/records/999999/history").status_code == 404


def test_my_answers_come_in_pages(site: Site):
    desk = Desk(site)
    for record_id in desk.ids:
        desk.ask("POST", f"/records/{record_id}/answers", json={"label_ids": [desk.a], "key": str(record_id)})
    page = desk.ask("GET", "/mine", params={"limit": 3}).json()
    rest = desk.ask("GET", "/mine", params={"cursor": page["next"]}).json()
    assert [each["record"]["id"] for each in page["items"] + rest["items"]] == desk.ids[::-1]
    assert rest["next"] is None
