"""Tables of named connections brought in by the pages and over HTTP, from PostgreSQL, MariaDB and SQLite."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

import webapp
from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.connections import files_folder
from labelmill.connections import service as connections
from labelmill.datasets import service
from labelmill.datasets.model import RecordKind
from labelmill.db.engine import make_engine
from labelmill.ids import new_id
from labelmill.jobs.inline import run_or_watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from webapp import Site

ROWS = [(1, "the first 😀", "good"), (2, "第二筆", "bad"), (3, None, "good"), (4, "it's; DROP TABLE posts", "bad")]
STORED = [("1", "the first 😀"), ("2", "第二筆"), ("4", "it's; DROP TABLE posts")]


@pytest.fixture
def desk(tmp_path: Path, database_url: str, database_kind: str) -> Iterator[Site]:
    """Give a site with the connection ``shop`` to a database of each kind, which has a table and a view."""
    with webapp.site(tmp_path) as site:
        url = sa.make_url(database_url)
        if database_kind == "sqlite":
            files_folder(site.app.settings).mkdir(parents=True, exist_ok=True)
            url = sa.make_url(f"sqlite:///{files_folder(site.app.settings) / 'shop.db'}")
        engine = make_engine(url, foreign=True)
        posts = sa.Table(
            "posts", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("body", sa.Text), sa.Column("kind", sa.String(9))
        )
        with engine.begin() as connection:
            posts.create(connection)
            connection.execute(sa.insert(posts), [dict(zip(("id", "body", "kind"), row, strict=True)) for row in ROWS])
            connection.execute(sa.text("CREATE VIEW good_posts AS SELECT id, body FROM posts WHERE kind = 'good'"))
        engine.dispose()
        named = "sqlite:///shop.db" if database_kind == "sqlite" else url.render_as_string(hide_password=False)
        schema = {"sqlite": "main", "postgresql": "public", "mariadb": str(url.database)}[database_kind]
        site.app.database.transact(connections.add, site.app, name="shop", url=named, readable=[schema])
        site.schema = schema  # type: ignore[attr-defined]
        yield site


def run(site: Site, job_id: str) -> Any:
    return run_or_watch(site.app.runtime, job_id)


def records(site: Site, dataset_id: int) -> list[tuple[str | None, str]]:
    with site.app.database.read() as connection:
        return [(each.given_id, each.content) for each in service.list_records(connection, dataset_id)]


def test_a_table_is_chosen_looked_at_mapped_and_imported(desk: Any) -> None:
    first = desk.page("/datasets/new?connection=shop", Role.MANAGER)
    assert re.findall(r"<option>([\w.]+posts)</option>", first.text) == [f"{desk.schema}.good_posts", f"{desk.schema}.posts"]
    second = desk.page(f"/datasets/new?connection=shop&place={desk.schema}.posts", Role.MANAGER)
    assert second.status_code == 200
    page = html.unescape(second.text)
    assert all(words in page for words in ("第二筆", "the first 😀", f"@shop::{desk.schema}.posts"))
    assert 'value="posts" required' in page
    form = {"connection": "shop", "schema": desk.schema, "table": "posts", "name": f"set {new_id()}"}
    form |= {"role-0": "id", "role-1": "text", "role-2": "label", "label_use": "names"}
    done = desk.form("/datasets/new", form, Role.MANAGER)
    assert done.status_code == 303, re.findall(r"<strong>.*?</strong>", done.text)
    found = re.fullmatch(r"/datasets/(\d+)/imports/([0-9a-f]{32})\?then=label", done.headers["location"])
    assert found
    job = run(desk, found[2])
    assert (job.state, job.result["added"], job.result["rejected"]) == ("succeeded", 3, 1), job.error
    assert records(desk, int(found[1])) == STORED
    with desk.app.database.read() as connection:
        assert {label.name for label in service.get(connection, int(found[1])).labels} == {"good", "bad", "ignored"}
    again = desk.form(f"/datasets/{found[1]}/import", form | {"table": "good_posts", "role-2": "none"}, Role.MANAGER)
    job = run(desk, again.headers["location"].rpartition("/")[2].partition("?")[0])
    assert (job.result["added"], job.result["known"], job.result["rejected"]) == (0, 1, 1)


def test_over_http_a_table_is_looked_at_and_imported(desk: Any) -> None:
    made = desk.app.database.transact(service.create, name="posts", kind=RecordKind.TEXT)
    place = f"/v1/datasets/{made.id}/imports"
    source = {"connection": "shop", "schema": desk.schema, "table": "posts"}
    seen = desk.ask("POST", f"{place}/preview", role=Role.MANAGER, json={"source": source}).json()
    assert [column["name"] for column in seen["columns"]] == ["id", "body", "kind"]
    body = {"source": source, "columns": ["body"], "id_column": "id"}
    begun = desk.ask("POST", place, role=Role.MANAGER, json=body)
    assert begun.status_code == 202, begun.text
    assert run(desk, begun.json()["id"]).state == "succeeded"
    assert records(desk, made.id) == STORED


def test_what_cannot_be_read_is_told_on_the_first_page(desk: Any) -> None:
    for asked, status in (
        ("connection=none", 404), ("connection=none&place=a.b", 404), (f"connection=shop&place={desk.schema}.nothing", 422),
        ("connection=shop&schema=secret&table=posts", 403), ("connection=shop&place=posts%22--", 422),
    ):  # fmt: skip
        page = desk.page(f"/datasets/new?{asked}", Role.MANAGER)
        assert page.status_code == status, (asked, page.status_code, re.findall(r"<strong>.*?</strong>", page.text))
        assert 'role="alert"' in page.text
    page = desk.page(f"/datasets/new?connection=shop&place={desk.schema}.nothing", Role.MANAGER).text
    assert "Show its tables" in page


def test_who_may_not_see_tables_is_offered_none_and_gets_none(desk: Any) -> None:
    made = desk.app.database.transact(service.create, name="posts", kind=RecordKind.TEXT)

    desk.app.database.transact(accounts.set_member, made.id, desk.person(Role.ANNOTATOR), Role.MANAGER)
    place = f"/datasets/{made.id}/import"
    assert "shop" not in desk.page(place, Role.ANNOTATOR).text
    table = {"connection": "shop", "schema": desk.schema, "table": "posts"}
    assert desk.page(f"{place}?connection=shop&place={desk.schema}.posts", Role.ANNOTATOR).status_code == 403
    assert desk.form(place, table, Role.ANNOTATOR).status_code == 403
    assert desk.ask("POST", f"/v1{place}s", role=Role.ANNOTATOR, json={"source": table}).status_code == 403
