"""Catalogues and image tasks over HTTP; every route answers every caller as the table says (promise 29)."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

import catalogue_lab
import http_tasks
import webapp
from labelmill.accounts import Role, Scope
from labelmill.images import Delivery, service
from labelmill.jobs import service as jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 40
#: Route -> the status for nobody, viewer, annotator, manager, admin.
TABLE = {
    "GET /v1/catalogues": (401, 200, 200, 200, 200),
    "POST /v1/catalogues": (401, 403, 403, 202, 202),
    "GET /v1/catalogues/{name}": (401, 200, 200, 200, 200),
    "GET /v1/catalogues/{name}/count": (401, 200, 200, 200, 200),
    "GET /v1/catalogues/{name}/values": (401, 200, 200, 200, 200),
    "GET /v1/catalogues/{name}/rejects": (401, 200, 200, 200, 200),
    "DELETE /v1/catalogues/{name}": (401, 403, 403, 404, 404),
    "GET /v1/image-tasks": (401, 200, 200, 200, 200),
    "POST /v1/image-tasks": (401, 403, 403, 202, 202),
    "GET /v1/image-tasks/{task_id}": (401, 200, 200, 200, 200),
    "POST /v1/image-tasks/{task_id}/cancel": (401, 403, 403, 409, 409),
    "POST /v1/image-tasks/{task_id}/retry": (401, 403, 403, 409, 409),
    "GET /v1/image-tasks/{task_id}/files": (401, 403, 403, 200, 200),
    "GET /v1/image-tasks/{task_id}/files/{name}": (401, 403, 403, 200, 200),
}


class Shop:
    """A site with the catalogue ``shop``, whose table and images lie below the data folder's ``files``."""

    def __init__(self, site: webapp.Site) -> None:
        self.site = site
        self.folder = catalogue_lab.make(http_tasks.folder(site) / "shop", ROWS)
        self.rows = list(csv.DictReader(io.StringIO((self.folder / "styles.csv").read_text())))
        with (self.folder / "styles.csv").open("a") as file:
            file.write("1,Men,Apparel,Topwear,Shirts,Blue,Fall,2010,Casual,=again\n")
        self.load()

    def ask(self, method: str, path: str, *, role: Role | None = Role.MANAGER, **more: Any) -> webapp.httpx.Response:
        return self.site.ask(method, path, role=role, **more)

    def json(self, path: str, **params: Any) -> Any:
        answer = self.ask("GET", path, role=Role.VIEWER, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def load(self, **changes: Any) -> Any:
        answer = self.ask("POST", "/v1/catalogues", json=body(**changes))
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/v1/jobs/{answer.json()['load']['id']}"
        http_tasks.work(self.site, answer.json()["load"]["id"])
        return answer.json()

    def start(self, **asked: Any) -> Any:
        answer = self.ask("POST", "/v1/image-tasks", json={"catalogue": "shop", **asked})
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/v1/image-tasks/{answer.json()['id']}"
        return answer.json()

    def deliver(self, **asked: Any) -> Any:
        """Return a task that has succeeded."""
        task_id = self.start(**asked)["id"]
        http_tasks.work(self.site, task_id)
        found = self.json(f"/v1/image-tasks/{task_id}")
        assert found["state"] == "succeeded", found["error"]
        return found

    def wanted(self, **values: str) -> list[str]:
        return [row["id"] for row in self.rows if all(row[name] == value for name, value in values.items())]

    def file(self, task: Any, name: str, **headers: str) -> webapp.httpx.Response:
        return self.ask("GET", f"/v1/image-tasks/{task['id']}/files/{name}", headers=headers)

    def metadata(self, task: Any) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.file(task, "metadata.csv").text)))


def body(name: str = "shop", table: str = "shop/styles.csv", images: str = "shop/images", **more: Any) -> dict[str, Any]:
    return {"name": name, "table": {"path": table}, "images": {"path": images}} | more


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with webapp.site(tmp_path_factory.mktemp("shop"), login_attempts_per_minute=10_000) as site:
        yield Shop(site)


@pytest.mark.parametrize("call", TABLE)
def test_p29_each_route_of_images_answers_each_caller_as_the_table_says(shop: Shop, call: str) -> None:
    method, _, path = call.partition(" ")
    task = shop.deliver(where={"id": "1"})
    name = "nothing" if method == "DELETE" else "metadata.csv" if "files" in path else "shop"
    place = path.replace("{name}", name).replace("{task_id}", task["id"])
    found = []
    for role in (None, Role.VIEWER, Role.ANNOTATOR, Role.MANAGER, Role.ADMIN):
        sent = {"POST /v1/catalogues": body(name=f"of {role}"), "POST /v1/image-tasks": {"catalogue": "shop"}}.get(call)
        params = {"column": "year"} if path.endswith("values") else None
        found.append(shop.ask(method, place, role=role, json=sent, params=params).status_code)
    assert tuple(found) == TABLE[call]


@pytest.mark.parametrize("call", [call for call in TABLE if not call.startswith("GET")])
def test_p29_a_read_token_of_an_admin_changes_no_catalogue_and_no_task(shop: Shop, call: str) -> None:
    method, _, path = call.partition(" ")
    task = shop.start()
    place = path.replace("{name}", "shop").replace("{task_id}", task["id"])
    sent = {"POST /v1/catalogues": body(), "POST /v1/image-tasks": {"catalogue": "shop"}}.get(call)
    assert shop.ask(method, place, role=None, token=shop.site.token(Role.ADMIN, Scope.READ), json=sent).status_code == 403
    jobs_now = shop.json(f"/v1/image-tasks/{task['id']}")
    assert jobs_now["state"] == "queued"


def test_a_catalogue_shows_columns_counts_and_its_load(shop: Shop) -> None:
    found = shop.json("/v1/catalogues/shop")
    assert (found["rows"], found["rejected"], found["rows_without_image"], found["id_column"]) == (ROWS, 1, 0, "id")
    kinds = {column["name"]: column["kind"] for column in found["columns"]}
    assert (kinds["year"], kinds["season"], len(kinds)) == ("integer", "text", len(catalogue_lab.COLUMNS) - 1)
    assert (found["load"]["state"], found["load"]["progress"]["done"]) == ("succeeded", ROWS)
    assert shop.json(f"/v1/catalogues/{found['id']}")["name"] == "shop"


def test_rejects_of_a_load_are_listed_and_come_as_a_sheet_without_formulas(shop: Shop) -> None:
    found = shop.json("/v1/catalogues/shop/rejects")
    assert (found["rejected"], [(row["place"], row["reason"]) for row in found["items"]]) == (
        1,
        [(ROWS + 2, "its id was there before")],
    )
    sheet = shop.ask("GET", "/v1/catalogues/shop/rejects", headers={"Accept": "text/csv"})
    assert sheet.headers["content-type"].startswith("text/csv")
    assert next(csv.DictReader(io.StringIO(sheet.content.decode("utf-8-sig"))))["reason"] == "its id was there before"


def test_conditions_are_counted_live(shop: Shop) -> None:
    wanted = shop.wanted(gender="Men", season="Winter")
    where = ["gender=Men", "season=Winter"]
    assert shop.json("/v1/catalogues/shop/count", where=where)["rows"] == len(wanted)
    assert shop.json("/v1/catalogues/shop/count")["rows"] == ROWS
    found = shop.json("/v1/catalogues/shop/values", column="season", where=["gender=Men"], most=1)
    assert found["rows"] == len(shop.wanted(gender="Men"))
    assert found["values"][0]["rows"] == max(
        len(shop.wanted(gender="Men", season=each)) for each in ("Fall", "Summer", "Winter")
    )
    assert len(found["values"]) == 1
    assert shop.json("/v1/catalogues/shop/values", column="year")["missing"] == ROWS // 7
    unknown = shop.ask("GET", "/v1/catalogues/shop/values", params={"column": "colour"})
    assert (unknown.status_code, "baseColour" in unknown.json()["way_out"]) == (404, True)
    for wrong in ("gender", "year=many", "year>2010"):
        assert shop.ask("GET", "/v1/catalogues/shop/count", params={"where": wrong}).status_code == 422


def test_the_images_of_equal_values_are_delivered_with_their_metadata(shop: Shop) -> None:
    wanted = [row for row in shop.rows if row["gender"] == "Men" and row["year"] in ("2010", "2012")]
    task = shop.deliver(where={"gender": "Men", "year": [2010, 2012]})
    assert wanted
    assert (task["catalogue"], task["version"], task["progress"]["share"]) == ("shop", 1, 1.0)
    assert (task["report"]["delivered"], task["report"]["skipped"]) == (len(wanted), 0)
    delivered = shop.metadata(task)
    assert [{name: row[name] for name in catalogue_lab.COLUMNS} for row in delivered] == wanted
    for row in delivered:
        sent = shop.file(task, row["url"])
        assert (sent.headers["content-type"], sent.content) == ("image/jpeg", catalogue_lab.picture(int(row["id"])))
    assert json.loads(shop.file(task, "report.json").content)["place"] is None
    assert str(shop.site.app.settings.data_dir) not in str(task)


def test_conditions_as_a_list_hold_together(shop: Shop) -> None:
    where = [{"column": "year", "least": 2010, "most": 2011}, {"column": "productDisplayName", "holds": "SHIRTS"}]
    wanted = [row["id"] for row in shop.rows if row["year"] in ("2010", "2011") and row["articleType"] == "Shirts"]
    task = shop.deliver(where=where)
    assert wanted
    assert [row["id"] for row in shop.metadata(task)] == wanted
    assert task["where"] == where


def test_transformed_images_come_in_the_size_that_was_asked_for(shop: Shop) -> None:
    task = shop.deliver(where={"id": ["3", "4"]}, transform={"width": 32, "height": 48, "format": "png", "seed": 5})
    assert task["transform"]["crop"] == 0.8
    names = [one["name"] for one in shop.ask("GET", f"/v1/image-tasks/{task['id']}/files").json()["items"]]
    assert names == ["3.png", "4.png", "metadata.csv", "report.json", "skipped.csv"]
    sent = shop.file(task, "3.png")
    assert (sent.headers["content-type"], Image.open(io.BytesIO(sent.content)).size) == ("image/png", (32, 48))


def test_files_come_in_pages(shop: Shop) -> None:
    task = shop.deliver()
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"limit": 10} | ({"cursor": cursor} if cursor else {})
        page = shop.ask("GET", f"/v1/image-tasks/{task['id']}/files", params=params).json()
        found += [one["name"] for one in page["items"]]
        cursor = page["next"]
    assert found == sorted([*(f"{row['id']}.jpg" for row in shop.rows), "metadata.csv", "report.json", "skipped.csv"])


def test_a_zip_is_sent_whole_in_parts_and_told_of(shop: Shop) -> None:
    task = shop.deliver(where={"gender": "Women"}, pack="zip")
    [listed] = shop.ask("GET", f"/v1/image-tasks/{task['id']}/files").json()["items"]
    whole = shop.file(task, "images.zip")
    assert whole.headers["content-type"] == "application/zip"
    assert int(whole.headers["content-length"]) == len(whole.content) == listed["size"]
    with zipfile.ZipFile(io.BytesIO(whole.content)) as archive:
        assert archive.testzip() is None
        assert {f"{each}.jpg" for each in shop.wanted(gender="Women")} < set(archive.namelist())
    part = shop.file(task, "images.zip", Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert shop.file(task, "images.zip", **{"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert shop.file(task, "images.zip", Range=f"bytes={listed['size']}-").status_code == 416
    told = shop.ask("HEAD", f"/v1/image-tasks/{task['id']}/files/images.zip")
    assert (told.status_code, told.content, told.headers["content-length"]) == (200, b"", str(listed["size"]))


def test_shards_are_tars_of_so_many_images(shop: Shop) -> None:
    task = shop.deliver(pack="tar", chunk=25)
    names = [one["name"] for one in shop.ask("GET", f"/v1/image-tasks/{task['id']}/files").json()["items"]]
    assert names[:2] == ["images-000000.tar", "images-000001.tar"]
    with tarfile.open(fileobj=io.BytesIO(shop.file(task, names[1]).content)) as shard:
        assert len(shard.getnames()) == 2 * (ROWS - 25)


def test_no_file_outside_of_the_delivered_ones_is_sent(shop: Shop) -> None:
    task = shop.deliver(where={"id": "1"})
    for name in ("nothing.jpg", ".1.jpg.part", "..%2f..", "..%2fselection.parquet", "..%5cx", "%00"):
        assert shop.file(task, name).status_code in (404, 405, 422), name
    assert shop.file({"id": "nothing"}, "metadata.csv").status_code == 404


def test_files_wait_for_the_end_and_cancelled_tasks_go_on_after_a_retry(shop: Shop) -> None:
    task = shop.start(chunk=20)
    http_tasks.work(shop.site, task["id"], steps=2)
    running = shop.json(f"/v1/image-tasks/{task['id']}")
    assert (running["state"], running["progress"]["done"], running["progress"]["total"]) == ("running", 20, ROWS)
    assert running["report"] is None
    assert running["progress"]["rate"] > 0
    assert running["progress"]["seconds_left"] >= 0
    assert shop.file(task, "1.jpg").status_code == 409
    assert shop.ask("POST", f"/v1/image-tasks/{task['id']}/cancel").json()["state"] == "cancelled"
    assert task["id"] in [one["id"] for one in shop.json("/v1/image-tasks", state="cancelled")["items"]]
    assert shop.ask("POST", f"/v1/image-tasks/{task['id']}/retry").json()["state"] != "cancelled"
    http_tasks.work(shop.site, task["id"])
    assert shop.json(f"/v1/image-tasks/{task['id']}")["report"]["delivered"] == ROWS


def test_a_task_of_the_command_line_shows_no_folder_of_this_machine(
    shop: Shop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("out")
    database = shop.site.app.database
    with database.read() as connection:
        catalogue = service.find(connection, "shop")
    job = database.transact(service.query, catalogue, (), Delivery(out=str(out)))
    http_tasks.work(shop.site, job.id)
    assert (out / job.id / "1.jpg").exists()
    assert str(out) not in str(shop.json(f"/v1/image-tasks/{job.id}"))
    assert shop.file({"id": job.id}, "metadata.csv").status_code == 404


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"out": "/tmp/x"}, "out"),
        ({"where": {"gender": True}}, "where"),
        ({"where": [{"column": "gender"}]}, "where"),
        ({"pack": "rar"}, "pack"),
        ({"transform": {"width": 0}}, "width"),
        ({"chunk": 0}, "chunk"),
    ],
)
def test_what_no_task_can_be_is_refused_with_its_field(shop: Shop, asked: dict[str, Any], field: str) -> None:
    answer = shop.ask("POST", "/v1/image-tasks", json={"catalogue": "shop", **asked})
    assert answer.status_code == 422
    assert field in str(answer.json()["errors"])


def test_unknown_columns_and_values_of_another_kind_are_refused(shop: Shop) -> None:
    for where, status in (({"colour": "Red"}, 404), ({"year": "many"}, 422), ({"gender": 5}, 422)):
        assert shop.ask("POST", "/v1/image-tasks", json={"catalogue": "shop", "where": where}).status_code == status
    assert shop.ask("POST", "/v1/image-tasks", json={"catalogue": "none"}).status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"images": "/etc"},
        {"images": "../.."},
        {"images": "nothing"},
        {"images": "shop/styles.csv"},
        {"table": "/etc/passwd"},
        {"table": "sqlite:///x.db::t"},
        {"table": "shop/nothing.csv"},
        {"id_column": "number"},
        {"name": "a/b"},
        {"name": " a"},
        {"images": "out"},
    ],
)
def test_p18_no_table_and_no_images_are_read_outside_of_the_data_folder(shop: Shop, changes: dict[str, Any]) -> None:
    link = http_tasks.folder(shop.site) / "out"
    if not link.exists():
        link.symlink_to("/etc")
    answer = shop.ask("POST", "/v1/catalogues", json=body(**{"name": "bad", **changes}))
    assert answer.status_code == 422, answer.text
    assert str(shop.site.app.settings.data_dir) not in answer.text
    assert "--" not in answer.text
    assert "bad" not in [one["name"] for one in shop.json("/v1/catalogues")["items"]]


def test_the_same_request_twice_with_its_key_is_done_once(shop: Shop) -> None:
    for path, sent in (("/v1/image-tasks", {"catalogue": "shop"}), ("/v1/catalogues", body(name="once"))):
        first, second = (shop.ask("POST", path, json=sent, headers={"Idempotency-Key": f"key {path}"}) for _ in range(2))
        assert (first.status_code, second.status_code, first.json()) == (202, 202, second.json())
        assert second.headers["idempotency-replayed"] == "true"
    again = shop.ask("POST", "/v1/catalogues", json=body(name="once"))
    assert (again.status_code, again.json()["where"]) == (409, "name")


def test_images_are_sent_as_a_zip_to_the_files(shop: Shop) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("1.jpg", catalogue_lab.picture(1))
    for path, content in (("sent/rows.csv", b"id,name\n1,one\n2,two\n"), ("sent/images.zip", packed.getvalue())):
        assert shop.ask("PUT", f"/v1/files/{path}", content=content).status_code == 201
    shop.load(name="sent", table="sent/rows.csv", images="sent/images.zip")
    found = shop.json("/v1/catalogues/sent")
    assert (found["rows"], found["rows_without_image"]) == (2, 1)


def test_a_catalogue_is_forgotten_and_what_was_delivered_stays(shop: Shop) -> None:
    shop.load(name="gone")
    task = shop.deliver(catalogue="gone", where={"id": "2"})
    waiting = shop.start(catalogue="gone")
    assert shop.ask("DELETE", "/v1/catalogues/gone").status_code == 409
    shop.site.app.database.transact(jobs.cancel, waiting["id"])
    assert shop.ask("DELETE", "/v1/catalogues/gone").status_code == 204
    assert shop.ask("GET", "/v1/catalogues/gone").status_code == 404
    assert shop.json(f"/v1/image-tasks/{task['id']}")["catalogue"] is None
    assert shop.file(task, "2.jpg").content == catalogue_lab.picture(2)
    noted = shop.ask("GET", "/v1/audit", role=Role.ADMIN).json()["items"]
    assert {"load catalogue", "remove catalogue", "deliver images"} <= {one["action"] for one in noted}


def test_a_catalogue_before_its_first_load_is_done_says_so(shop: Shop) -> None:
    shop.ask("POST", "/v1/catalogues", json=body(name="soon"))
    found = shop.json("/v1/catalogues/soon")
    assert (found["version"], found["columns"], found["load"]["state"]) == (None, [], "queued")
    for path in ("count", "rejects"):
        assert shop.ask("GET", f"/v1/catalogues/soon/{path}").status_code == 409
    assert shop.ask("POST", "/v1/image-tasks", json={"catalogue": "soon"}).status_code == 409
