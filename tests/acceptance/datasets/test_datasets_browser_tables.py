"""A table of a named connection becomes a dataset in a browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from labelmill.connections import service as connections
from labelmill.datasets import service
from labelmill.db.engine import make_engine
from labelmill.jobs import service as jobs


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_table_is_chosen_mapped_and_imported(request: pytest.FixtureRequest, kind: str, open_page: Any, served: Any) -> None:
    url = sa.make_url(request.getfixturevalue(f"{kind}_database"))
    engine = make_engine(url, foreign=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE letters (number INTEGER, words VARCHAR(99))"))
        connection.execute(sa.text("INSERT INTO letters VALUES (7, '第一筆 one'), (8, 'the second letter of all')"))
    engine.dispose()
    schema = "public" if kind == "postgresql" else str(url.database)
    values = {"name": kind, "url": url.render_as_string(hide_password=False), "readable": [schema]}
    served.app.database.transact(connections.add, served.app, **values)
    with open_page() as page:
        page.goto("/datasets/new")
        page.click("text=A table of a connection")
        page.select_option("select[name=connection]", kind)
        page.click("text=Show its tables")
        page.select_option("select[name=place]", f"{schema}.letters")
        page.locator("form:has(select[name=place]) button").click()
        expect(page.locator("table.preview")).to_contain_text("第一筆 one")
        page.select_option("select[name=role-0]", "id")
        page.select_option("select[name=role-1]", "text")
        expect(page.locator("[data-command]")).to_contain_text(f"@{kind}::{schema}.letters")
        page.fill("input[name=name]", f"letters of {kind}")
        page.click("text=Import and label")
        page.wait_for_url(re.compile(r"/datasets/\d+/imports/"))
        dataset_id, job_id = int(page.url.split("/")[4]), page.url.split("/")[6].partition("?")[0]
        served.lab.work(queues=("default",))  # as a worker does, without the limits of a command on its own process
    with served.app.database.read() as connection:
        assert jobs.get(connection, job_id).state == "succeeded"
        stored = [(each.given_id, each.content) for each in service.list_records(connection, dataset_id)]
    assert stored == [("7", "第一筆 one"), ("8", "the second letter of all")]
