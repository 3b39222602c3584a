"""Archives over HTTP and their page; every route answers every caller as the table says (promise 29)."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

import dataset_callers
import webapp
from archive_lab import QUEUES, ArchiveLab

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Route -> the status for nobody; for viewer, annotator, manager and admin of the whole; for manager, annotator and viewer of this
#: dataset only, and for the manager of another dataset only.
TABLE = {
    "POST /v1/datasets/{dataset_id}/archives": (401, 404, 404, 202, 202, 202, 403, 403, 404),
    "GET /v1/datasets/{dataset_id}/archives": (401, 404, 404, 200, 200, 200, 403, 200, 404),
    "GET /v1/datasets/{dataset_id}/archives/{archive_id}": (401, 404, 404, 200, 200, 200, 403, 200, 404),
    "GET /v1/datasets/{dataset_id}/archives/{archive_id}/file": (401, 404, 404, 200, 200, 200, 403, 200, 404),
    "POST /v1/datasets/{dataset_id}/archives/{archive_id}/cancel": (401, 404, 404, 409, 409, 409, 403, 403, 404),
    "GET /datasets/{dataset_id}/archives": (401, 404, 404, 200, 200, 200, 403, 200, 404),
    "POST /datasets/{dataset_id}/archives": (401, 404, 404, 303, 303, 303, 403, 403, 404),
    "POST /datasets/{dataset_id}/archives/{archive_id}/cancel": (401, 404, 404, 409, 409, 409, 403, 403, 404),
    "GET /datasets/{dataset_id}/archives/{archive_id}/file": (401, 404, 404, 200, 200, 200, 403, 200, 404),
}


class Site:
    def __init__(self, site: webapp.Site) -> None:
        self.site, self.lab = site, ArchiveLab(site.app)
        self.here, self.there = self.lab.dataset(12), self.lab.dataset(0)
        self.lab.answer_right(self.here, 6)
        self.archive = self.lab.make(self.here)
        self.callers = dataset_callers.tokens(site, self.here, self.there)

    def ask(self, call: str, token: str = "", **more: Any) -> webapp.httpx.Response:
        method, _, path = call.partition(" ")
        place = path.replace("{dataset_id}", str(self.here.id)).replace("{archive_id}", self.archive.id)
        if method == "POST" and path.startswith("/v1") and path.endswith("archives"):
            more.setdefault("json", {})
        return self.site.ask(method, place, token=token or self.callers[3], **more)

    def file(self, **headers: str) -> webapp.httpx.Response:
        return self.ask("GET /v1/datasets/{dataset_id}/archives/{archive_id}/file", headers=headers)


@pytest.fixture(scope="module")
def lab_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with webapp.site(tmp_path_factory.mktemp("archives"), login_attempts_per_minute=10_000) as site:
        yield Site(site)


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_route_of_archives_answers_each_caller_as_the_table_says(lab_site: Site, call: str) -> None:
    method, _, path = call.partition(" ")
    place = path.replace("{dataset_id}", str(lab_site.here.id)).replace("{archive_id}", lab_site.archive.id)
    more = {"json": {}} if method == "POST" and path.startswith("/v1") and path.endswith("archives") else {}
    assert tuple(lab_site.site.ask(method, place, token=token, **more).status_code for token in lab_site.callers) == TABLE[call]


def test_l24_the_file_is_served_whole_with_length_tag_and_a_safe_name(lab_site: Site) -> None:
    for _ in range(2):
        answer = lab_site.file()
        assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
        assert int(answer.headers["content-length"]) == len(answer.content) == lab_site.archive.bytes
        assert answer.headers["content-type"] == "application/zip"
        assert answer.headers["etag"] == f'"{lab_site.archive.id}"'
        assert (
            answer.headers["content-disposition"]
            == f"attachment; filename*=UTF-8''set-{lab_site.here.name.split()[-1]}-archive.zip"
        )
    assert lab_site.file(**{"If-None-Match": answer.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("place", ["/v1/datasets/{dataset_id}", "/datasets/{dataset_id}"])
def test_head_tells_length_tag_and_that_parts_are_served_without_the_file(lab_site: Site, place: str) -> None:
    call = f"{place}/archives/{{archive_id}}/file"
    told = lab_site.ask(f"HEAD {call}", headers={"Range": "bytes=0-9"})
    sent = lab_site.ask(f"GET {call}")
    assert (told.status_code, told.content) == (200, b"")
    assert int(told.headers["content-length"]) == len(sent.content)
    for name in ("etag", "accept-ranges", "content-type", "content-disposition", "cache-control"):
        assert told.headers[name] == sent.headers[name], name
    assert lab_site.ask(f"HEAD {call}", headers={"If-None-Match": told.headers["etag"]}).status_code == 304
    every = [
        lab_site.site.ask(
            "HEAD", call.format(dataset_id=lab_site.here.id, archive_id=lab_site.archive.id), token=each
        ).status_code
        for each in lab_site.callers
    ]
    assert tuple(every) == TABLE[f"GET {call}"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=100-", 100, None), ("bytes=-50", -50, None), ("bytes=7-7", 7, 7)],
)
def test_a_part_of_the_file_is_served(lab_site: Site, asked: str, first: int, last: int | None) -> None:
    whole = lab_site.file().content
    answer = lab_site.file(Range=asked)
    wanted = whole[first:] if last is None else whole[first : last + 1]
    assert (answer.status_code, answer.content) == (206, wanted)
    start = first % len(whole)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted) - 1}/{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0", "bytes=99999999-99999999999"])
def test_a_part_that_the_file_has_not_is_refused_with_its_size(lab_site: Site, asked: str) -> None:
    answer = lab_site.file(Range=asked)
    assert (answer.status_code, answer.json()["code"]) == (416, "bad-range")
    assert answer.headers["content-range"] == f"bytes */{lab_site.archive.bytes}"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=0-1,5-6", "lines=0-1", "bytes=", "bytes=a-b", "bytes=-"])
def test_what_is_no_single_range_is_ignored(lab_site: Site, asked: str) -> None:
    assert lab_site.file(Range=asked).status_code == 200


def test_a_part_of_another_file_is_not_mixed_with_this_one(lab_site: Site) -> None:
    answer = lab_site.file(**{"Range": "bytes=0-1", "If-Range": '"another"'})
    assert (answer.status_code, len(answer.content)) == (200, lab_site.archive.bytes)


def test_a_request_tells_how_far_it_is_until_it_can_be_fetched(lab_site: Site) -> None:
    answer = lab_site.ask("POST /v1/datasets/{dataset_id}/archives", json={"pickle": True})
    made = answer.json()
    assert (answer.status_code, made["state"], made["as_of"]) == (202, "requested", lab_site.archive.number)
    place = f"/v1/datasets/{lab_site.here.id}/archives/{made['id']}"
    early = lab_site.site.ask("GET", f"{place}/file", token=lab_site.callers[3])
    assert (early.status_code, early.json()["detail"]) == (409, "The archive is not ready yet.")
    page = lab_site.ask("GET /datasets/{dataset_id}/archives").text
    assert 'data-archive-state="requested"' in page
    assert 'hx-trigger="every 2s"' in page
    lab_site.lab.work(QUEUES)
    done = lab_site.site.ask("GET", place, token=lab_site.callers[3]).json()
    assert (done["state"], done["done"], done["total"], done["reason"]) == ("available", 12, 12, None)
    listed = lab_site.ask("GET /v1/datasets/{dataset_id}/archives").json()["items"]
    assert listed[0] == done


def test_who_may_not_know_annotators_gets_no_archive_that_names_them(lab_site: Site) -> None:
    made = lab_site.ask("POST /v1/datasets/{dataset_id}/archives", json={"annotators": "email"}).json()
    lab_site.lab.work(QUEUES)
    place = f"/v1/datasets/{lab_site.here.id}/archives/{made['id']}/file"
    assert [lab_site.site.ask("GET", place, token=lab_site.callers[number]).status_code for number in (3, 7)] == [200, 403]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/datasets/{here}/archives/0", 422), ("/v1/datasets/{here}/archives/..%2f..%2fsecret", 404),
        ("/v1/datasets/{here}/archives/" + "0" * 32, 404), ("/v1/datasets/{here}/archives/" + "0" * 32 + "/file", 404),
        ("/v1/datasets/{there}/archives/{archive}", 404), ("/v1/datasets/{there}/archives/{archive}/file", 404),
        ("/v1/datasets/{here}/archives?cursor=x", 422), ("/datasets/{here}/archives?before=x", 422),
        ("/v1/datasets/99999999/archives", 404), ("/v1/datasets/x/archives", 422),
    ],
)  # fmt: skip
def test_l22_an_id_that_is_none_is_a_4xx_and_harms_nothing(lab_site: Site, path: str, status: int) -> None:
    place = path.format(here=lab_site.here.id, there=lab_site.there.id, archive=lab_site.archive.id)
    assert lab_site.site.ask("GET", place, token=lab_site.callers[4]).status_code == status
    assert lab_site.file().status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"classifier_id": 999}, 404), ({"classifier_id": "abc"}, 422), ({"classifier_id": 0}, 422), ({"annotators": "password"}, 422),
        ({"number": 3}, 422), ([], 422), ({"pickle": "maybe"}, 422),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_is_refused_and_makes_no_archive(lab_site: Site, body: Any, status: int) -> None:
    before = lab_site.ask("GET /v1/datasets/{dataset_id}/archives").json()
    assert lab_site.ask("POST /v1/datasets/{dataset_id}/archives", json=body).status_code == status
    assert lab_site.ask("GET /v1/datasets/{dataset_id}/archives").json() == before
