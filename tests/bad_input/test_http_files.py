"""Files that nobody should send or ask for over HTTP, sources that show nothing, and cells that are formulas."""

from __future__ import annotations

import csv
import io
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import http_tasks
import webapp
from labelmill.accounts import Role
from labelmill.http.spreadsheet import as_csv, defused

if TYPE_CHECKING:
    from pathlib import Path

    from webapp import Site


def upload(site: Site, path: str, content: bytes = b"id,author\n1,Tom\n", role: Role = Role.MANAGER) -> Any:
    return site.ask("PUT", f"/v1/files/{path}", role=role, content=content)


def files(site: Site) -> list[str]:
    base = http_tasks.folder(site)
    return sorted(str(place.relative_to(base)) for place in base.rglob("*") if place.is_file())


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/posts.csv",
        "a/%2e%2e/%2e%2e/posts.csv",
        "%2fetc%2fposts.csv",
        "..%5cposts.csv",
        "C%3A%5Cposts.csv",
        "posts.csv%00.db",
        "posts.exe",
        "posts.db",
        "posts.html",
        "posts",
        ".csv",
        ".hidden/posts.csv",
        "posts.csv.",
        "a%20/posts.csv",
        "con.csv",
        "NUL.csv",
        "a%3Ab.csv",
        "a%0ab.csv",
        "%e2%80%aeposts.csv",
        "x" * 240 + ".csv",
        "a//b.csv",
    ],
)
def test_a_file_is_stored_under_a_plain_name_of_a_file_of_rows_only(site: Site, path: str) -> None:
    answer = upload(site, path)
    assert answer.status_code == (404 if "%0a" in path else 422), answer.text
    assert files(site) == []


def test_a_file_that_is_there_is_never_replaced(site: Site) -> None:
    assert upload(site, "2024/posts.csv").status_code == 201
    again = upload(site, "2024/posts.csv", b"other")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert (http_tasks.folder(site) / "2024" / "posts.csv").read_bytes() == b"id,author\n1,Tom\n"
    assert upload(site, "2024/posts.csv/more.csv").status_code == 409
    assert files(site) == ["2024/posts.csv"]


def test_an_empty_body_is_no_file(site: Site) -> None:
    assert upload(site, "posts.csv", b"").status_code == 422
    assert files(site) == []


def test_a_file_larger_than_the_limit_leaves_nothing_behind(tmp_path: Path) -> None:
    with webapp.site(tmp_path, upload_limit_mb=1) as site:
        assert upload(site, "fits.csv", b"x" * 1024 * 1024).status_code == 201
        large = upload(site, "large.csv", b"x" * (1024 * 1024 + 1))
        assert (large.status_code, large.json()["code"]) == (413, "too-large")

        async def chunks() -> Any:
            for _ in range(40):
                yield b"x" * 65536

        slow = site.ask("PUT", "/v1/files/large.csv", role=Role.MANAGER, content=chunks())
        assert slow.status_code == 413
        assert files(site) == ["fits.csv"]


def test_an_upload_that_breaks_off_leaves_nothing_behind(site: Site) -> None:
    messages = iter([{"type": "http.request", "body": b"id,author\n", "more_body": True}, {"type": "http.disconnect"}])
    seen: list[list[str]] = []
    sent: list[Any] = []

    async def receive() -> Any:
        seen.append(sorted(place.name for place in http_tasks.folder(site).iterdir()))
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    path = "/v1/files/posts.csv"
    headers = [(b"authorization", f"Bearer {site.token(Role.MANAGER)}".encode()), (b"host", b"127.0.0.1")]
    scope = {"type": "http", "method": "PUT", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers,
             "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "root_path": "", "http_version": "1.1"}  # fmt: skip
    anyio.run(site.web, scope, receive, send)
    assert seen[1][0].startswith(".upload-")
    assert files(site) == []
    assert sent == []


def test_a_download_is_an_attachment_that_no_browser_runs(site: Site) -> None:
    page = b"<script>alert(1)</script>,x\n1,2\n"
    upload(site, "2024/se%22ite%20\N{SNOWMAN}.csv", page)
    stored = upload(site, "2024/seite.csv", page)
    assert stored.json() == {
        "path": "2024/seite.csv",
        "is_folder": False,
        "size": len(page),
        "modified_at": stored.json()["modified_at"],
    }
    answer = site.ask("GET", "/v1/files/2024/seite.csv", role=Role.MANAGER)
    assert answer.content == page
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_is_hidden_or_leads_out_is_neither_listed_nor_given(site: Site, tmp_path: Path) -> None:
    base = http_tasks.folder(site)
    (tmp_path / "secret.csv").write_text("x")
    (base / "link.csv").symlink_to(tmp_path / "secret.csv")
    (base / "folder").symlink_to(tmp_path)
    (base / ".upload-1").write_text("x")
    upload(site, "posts.csv")
    listed = site.ask("GET", "/v1/files", role=Role.MANAGER).json()["items"]
    assert [item["path"] for item in listed] == ["posts.csv"]
    for path in ("link.csv", "folder/secret.csv", ".upload-1", "%2e%2e/labelmill.db", "nothing.csv", "%2e"):
        assert site.ask("GET", f"/v1/files/{path}", role=Role.ADMIN).status_code in (404, 422), path
    for folder in ("..", "/etc", "nothing", "folder", "posts.csv", "a\nb"):
        answer = site.ask("GET", "/v1/files", role=Role.ADMIN, params={"folder": folder})
        assert answer.status_code in (404, 422), folder


def test_a_folder_comes_in_pages(site: Site) -> None:
    for number in range(5):
        upload(site, f"a/p{number}.csv")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = site.ask("GET", "/v1/files", role=Role.MANAGER, params={"folder": "a", "limit": 2, **cursor}).json()
        seen += [item["path"] for item in page["items"]]
        cursor = {"cursor": page["next"]}
        if page["next"] is None:
            break
    assert seen == [f"a/p{number}.csv" for number in range(5)]


@pytest.mark.parametrize("name", ["posts.csv", "posts.jsonl", "posts.parquet", "posts.db"])
def test_a_look_shows_columns_guesses_and_the_first_rows(site: Site, name: str) -> None:
    found = site.ask("GET", "/v1/sources/columns", role=Role.MANAGER, params={"path": http_tasks.write(site, name)}).json()
    assert [column["name"] for column in found["columns"]] == ["id", "s_id", "author", "post_time"]
    assert found["usual"] == {"text": "author", "id": "id", "source": "s_id", "author": "author", "time": "post_time"}
    assert len(found["preview"]) == 20
    assert found["preview"][2]["author"] == "林淑芬🌸"
    assert ("separator ," in (found["dialect"] or "")) == (name == "posts.csv")


def test_a_look_at_several_tables_names_them(site: Site) -> None:
    with closing(sqlite3.connect(http_tasks.folder(site) / "shop.db")) as connection, connection:
        connection.execute('CREATE TABLE "od;d" (a)')
        connection.execute("CREATE TABLE b (a)")
    found = site.ask("GET", "/v1/sources/columns", role=Role.MANAGER, params={"path": "shop.db"}).json()
    assert (found["tables"], found["columns"]) == (["b", "od;d"], [])
    one = site.ask("GET", "/v1/sources/columns", role=Role.MANAGER, params={"path": "shop.db", "table": "od;d"}).json()
    assert (one["name"], one["preview"]) == ("od;d", [])


@pytest.mark.parametrize(
    "query",
    ["", "path=a.csv&connection=b", "path=a.csv&schema=main", "path=..%2Flabelmill.db", "path=nothing.csv", "path=broken.parquet", "path=broken.db", "connection=nothing", "path=posts.csv&table=x", f"path={'x' * 2000}"],
)  # fmt: skip
def test_a_look_at_nothing_says_so(site: Site, query: str) -> None:
    http_tasks.write(site, "posts.csv")
    for name in ("broken.parquet", "broken.db"):
        (http_tasks.folder(site) / name).write_bytes(b"PAR1 no such thing" * 100)
    answer = site.ask("GET", f"/v1/sources/columns?{query}", role=Role.ADMIN)
    assert answer.status_code in (404, 422), answer.text
    assert str(site.app.settings.data_dir) not in answer.text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1dcmd", "\ufeff=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert defused(text) == f"'{text}"
    [row] = list(csv.DictReader(io.StringIO(as_csv([{"a": text}], ("a",)).decode("utf-8-sig"), newline="")))
    assert row["a"] == f"'{text}"


@pytest.mark.parametrize("value", ["Tom", "a=b", "", 7, -7, None])
def test_other_cells_stay_as_they_are(value: Any) -> None:
    assert defused(value) == value
