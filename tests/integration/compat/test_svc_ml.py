"""The image tasks of data_pipeline over its own HTTP contract, on the real app: load, ask, wait, look into the folder (P1, P3, P4, P6)."""

from __future__ import annotations

import csv
import time
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

import catalogue_lab
import http_tasks
import webapp
from labelmill.accounts import Role
from labelmill.images import service
from labelmill.jobs import service as jobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from httpx import Response

    from webapp import Site

ROWS = 84
PATH = "/api/v1/svc_ml"
WANTED = {"gender": "Men", "season": "Fall", "year": 2010}
#: One value of each of the predecessor's seven filters; three of them failed always, and an apostrophe failed any.
FILTERS = {
    "gender": "Women", "masterCategory": "Footwear", "subCategory": "Shoes", "articleType": "Kid's shoes", "season": "Summer",
    "usage": "Sports", "year": 2011,
}  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path, open_site: Callable[..., Site]) -> Site:
    """A site whose catalogue lies there and is not loaded."""
    return open_site(catalogue_folder=catalogue_lab.make(tmp_path / "shop", ROWS))


@pytest.fixture
def loaded(shop: Site) -> Site:
    assert ended(shop, start(shop, "insert2db")) == {"status": "ok", "reason": None}
    return shop


def ask(site: Site, method: str, path: str, **options: Any) -> Response:
    return site.ask(method, f"{PATH}/{path}", **({"role": Role.MANAGER} | options))


def start(site: Site, call: str, body: dict[str, Any] | None = None) -> str:
    answer = ask(site, "POST", call, **({} if body is None else {"json": body}))
    assert (answer.status_code, set(answer.json())) == (202, {"task_id", "status"}), answer.text
    assert answer.json()["status"] == "Processing"
    return str(answer.json()["task_id"])


def ended(site: Site, task_id: str) -> dict[str, Any]:
    """Do a task and return what is told of it, without its id."""
    waiting = ask(site, "GET", f"result/{task_id}")
    assert (waiting.status_code, waiting.json()) == (202, {"task_id": task_id, "status": "Processing"})
    http_tasks.work(site, task_id)
    return told(site, task_id)


def told(site: Site, task_id: str) -> dict[str, Any]:
    answer = ask(site, "GET", f"result/{task_id}")
    assert (answer.status_code, answer.json().pop("task_id")) == (200, task_id), answer.text
    return {name: answer.json()[name] for name in ("status", "reason")}


def delivered(site: Site, task_id: str) -> list[dict[str, str]]:
    folder = site.app.settings.catalogue_folder / "output" / task_id
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def wanted_rows(site: Site, wanted: dict[str, Any]) -> list[dict[str, str]]:
    """Return the rows of the table that are as wanted, by a naive reading."""
    with (site.app.settings.catalogue_folder / "styles.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if all(row[name] == str(value) for name, value in wanted.items() if value is not None)]


def test_p1_it_says_that_it_runs_and_shows_its_calls(site: Site) -> None:
    for path in (f"{PATH}/", PATH):
        answer = site.ask("GET", path)
        assert (answer.status_code, answer.json()) == (200, "API is running")
    page = site.ask("GET", f"{PATH}/docs", headers=webapp.HTML)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"{PATH}/transformedquery" in page.text
    assert "/v1/jobs" not in page.text
    document = site.ask("GET", "/api/v1/openapi.json").json()
    calls = {f"{method} {path.removeprefix(PATH)}" for path, methods in document["paths"].items() for method in methods}
    assert calls == {"get /", "post /insert2db", "post /query", "post /transformedquery", "get /result/{task_id}"}
    assert set(document["components"]["schemas"]["FilterData"]["properties"]) == set(FILTERS)


def test_p4_a_query_leaves_the_folder_that_its_notebook_read(loaded: Site) -> None:
    task_id = start(loaded, "query", WANTED)
    assert ended(loaded, task_id) == {"status": "ok", "reason": None}
    rows, wanted = delivered(loaded, task_id), wanted_rows(loaded, WANTED)
    folder = loaded.app.settings.catalogue_folder
    # The notebook drops the column without a name and takes the id for an index: ten columns stay.
    assert list(rows[0]) == ["", *catalogue_lab.COLUMNS, "url"]
    assert [row[""] for row in rows] == [str(number) for number in range(len(wanted))]
    assert [{name: row[name] for name in catalogue_lab.COLUMNS} for row in rows] == wanted != []
    for row in rows:
        assert row["url"] == f"{folder}/output/{task_id}/{row['id']}.jpg"
        assert (folder / "output" / task_id / f"{row['id']}.jpg").read_bytes() == catalogue_lab.picture(int(row["id"]))


def test_p4_a_transformed_query_delivers_256_by_256(loaded: Site) -> None:
    task_id = start(loaded, "transformedquery", WANTED)
    assert ended(loaded, task_id)["status"] == "ok"
    rows = delivered(loaded, task_id)
    assert len(rows) == len(wanted_rows(loaded, WANTED))
    for row in rows:
        with Image.open(row["url"]) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (256, 256))


@pytest.mark.parametrize("name", FILTERS)
def test_p3_each_of_the_seven_filters_works_over_http(loaded: Site, name: str) -> None:
    wanted = {name: FILTERS[name]}
    task_id = start(loaded, "query", wanted | dict.fromkeys(set(FILTERS) - {name}))
    assert ended(loaded, task_id)["status"] == "ok"
    found = [row["id"] for row in delivered(loaded, task_id)]
    assert found == [row["id"] for row in wanted_rows(loaded, wanted)]
    assert 0 < len(found) < ROWS


def test_p3_none_is_all_together_is_and_and_quotes_are_text(loaded: Site) -> None:
    injected = "x' or '1'='1"
    for wanted in ({}, {"unknown": 1}, {"gender": None}, dict.fromkeys(FILTERS)):
        task_id = start(loaded, "query", wanted)
        assert ended(loaded, task_id)["status"] == "ok"
        assert len(delivered(loaded, task_id)) == ROWS
    hostile: list[dict[str, Any]] = [
        {"articleType": injected, "gender": "Men"},
        {"gender": injected},
        {"usage": "\"; DROP TABLE x; --'"},
    ]
    for values in hostile:
        task_id = start(loaded, "query", values)
        assert ended(loaded, task_id) == {"status": "ok", "reason": None}
        assert [row["id"] for row in delivered(loaded, task_id)] == [row["id"] for row in wanted_rows(loaded, values)]
    # Nothing found is a header.
    folder = loaded.app.settings.catalogue_folder / "output" / task_id
    assert (folder / "metadata.csv").read_text().splitlines() == [",".join(['""', *catalogue_lab.COLUMNS, "url"])]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"year": "soon"}, "year"), ({"year": 2010.5}, "year"), ({"gender": 5}, "gender"), ({"usage": ["Casual"]}, "usage"),
        ({"year": 10**12}, "year"), ([], None),
    ],
)  # fmt: skip
def test_p3_wrong_types_are_told_as_fastapi_tells_them(shop: Site, body: Any, field: str | None) -> None:
    for call in ("query", "transformedquery"):
        answer = ask(shop, "POST", call, json=body)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", *([field] if field else [])]
        assert set(answer.json()["detail"][0]) == {"loc", "msg", "type"}


def test_p6_an_unknown_task_is_not_there_and_one_of_another_kind_neither(site: Site) -> None:
    for unknown in ("nothing", "0" * 32, site.job().id):
        answer = ask(site, "GET", f"result/{unknown}")
        assert (answer.status_code, set(answer.json())) == (404, {"detail"})


def test_p6_a_task_outlives_the_process_that_took_it(loaded: Site, tmp_path: Path) -> None:
    task_id = start(loaded, "query", WANTED)
    folder = loaded.app.settings.catalogue_folder
    loaded.app.close()
    for _ in range(2):
        with webapp.site(tmp_path, catalogue_folder=folder) as other:
            http_tasks.work(other, task_id)
            assert told(other, task_id) == told(other, task_id) == {"status": "ok", "reason": None}
            assert len(delivered(other, task_id)) == len(wanted_rows(other, WANTED))


def test_p6_a_query_of_a_catalogue_that_nobody_loaded_is_not_ok_with_its_reason(shop: Site) -> None:
    found = ended(shop, start(shop, "query", {}))
    assert found["status"] == "not ok"
    assert "There is no catalogue 'styles_data'." in found["reason"]


def test_p6_a_query_right_after_the_load_waits_for_it(shop: Site) -> None:
    load, task_id = start(shop, "insert2db"), start(shop, "query", WANTED)
    http_tasks.work(shop, task_id)
    assert ask(shop, "GET", f"result/{task_id}").status_code == 202
    assert start(shop, "insert2db") == load  # it waits still, and will read the table as it is then
    http_tasks.work(shop, load)
    until = time.monotonic() + 60
    while ask(shop, "GET", f"result/{task_id}").status_code == 202 and time.monotonic() < until:
        http_tasks.work(shop, task_id)
        time.sleep(0.05)
    assert told(shop, task_id) == {"status": "ok", "reason": None}
    assert len(delivered(shop, task_id)) == len(wanted_rows(shop, WANTED))


def test_p6_what_is_wrong_with_the_folder_is_told(shop: Site) -> None:
    folder = shop.app.settings.catalogue_folder
    (folder / "styles.csv").unlink()
    load, task_id = start(shop, "insert2db"), start(shop, "query", {})
    http_tasks.work(shop, task_id)
    found = ended(shop, load)
    assert found["status"] == "not ok"
    assert str(folder / "styles.csv") in found["reason"]
    until = time.monotonic() + 60
    while ask(shop, "GET", f"result/{task_id}").status_code == 202 and time.monotonic() < until:
        http_tasks.work(shop, task_id)
        time.sleep(0.05)
    found = told(shop, task_id)
    assert (found["status"], "could not be loaded" in found["reason"]) == ("not ok", True)


def test_p6_a_column_that_is_not_there_fails_the_task_and_a_cancelled_one_says_so(shop: Site) -> None:
    (shop.app.settings.catalogue_folder / "styles.csv").write_text("id,gender\n1,Men\n2,Women\n")
    ended(shop, start(shop, "insert2db"))
    found = ended(shop, start(shop, "query", {"season": "Fall"}))
    assert (found["status"], "no column 'season'" in found["reason"]) == ("not ok", True)
    task_id = start(shop, "query", {})
    shop.app.database.transact(jobs.cancel, task_id)
    assert told(shop, task_id) == {"status": "not ok", "reason": "The task was cancelled."}


def test_p6_images_that_are_left_out_are_told_beside_an_ok(loaded: Site) -> None:
    folder = loaded.app.settings.catalogue_folder
    (folder / "images" / "1.jpg").unlink()
    task_id = start(loaded, "query", {})
    found = ended(loaded, task_id)
    assert (found["status"], found["reason"][:8]) == ("ok", "1 of 84 ")
    assert len(delivered(loaded, task_id)) == ROWS - 1


def test_p2_the_load_counts_what_it_left_out_and_keeps_years_whole(shop: Site) -> None:
    folder = shop.app.settings.catalogue_folder
    with (folder / "styles.csv").open("a") as file:
        file.write("98,Men,too,many,commas,here,Fall,2010,Casual,name,more\n")
    found = ended(shop, start(shop, "insert2db"))
    assert (found["status"], found["reason"][:6]) == ("ok", "1 rows")
    with shop.app.database.read() as connection:
        version = service.find(connection, "styles_data").version
    assert version is not None
    assert version.column("year").kind == "integer"


def test_old_clients_send_no_content_type_and_last_slashes(loaded: Site) -> None:
    answer = ask(loaded, "POST", "query/", content=b'{"gender": "Men"}')
    assert answer.status_code == 202
    assert ask(loaded, "GET", f"result/{answer.json()['task_id']}/").status_code == 202
