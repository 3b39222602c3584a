"""A team that runs the Audience API: its posts, its rule folders, its databases, and calls as its clients make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

import http_tasks
from labelmill.accounts import Role
from labelmill.db.engine import make_engine
from labelmill.jobs.following import followed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from httpx import Response

    from webapp import Site

PATH = "/api/tasks/"
PREFIX = "wh_panel_mapping_"
#: Rule files in the predecessor's form, by folder and predict type.
RULES = {
    "keyword_model/male/author_name": "tom\tstart\n志明\tpartially\n",
    "keyword_model/female/author_name": "amy\texactly\n淑芬\tpartially\nlee🌸\tend\n",
    "keyword_model/young/content": "school\tpartially\n",
    "keyword_model/female/content": "my husband\tpartially\n",
    "keyword_model/married/content": "my husband\tpartially\n",
    "rule_model/male/title": "^mr\\.? \n",
    "keyword_model/student/s_area_id": "WH_F0003_0055\texactly\n",
}
COLUMNS = ("id", "s_id", "s_area_id", "author", "title", "content", "post_time")
_USUAL = {"s_id": "WH_F0045", "s_area_id": "WH_F0003_0001", "author": "nobody", "title": "t", "content": "c"}


def write_rules(folder: Path, rules: Mapping[str, str] = RULES) -> Path:
    for name, text in rules.items():
        file = folder / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def posts_table(metadata: sa.MetaData, name: str = "ts_page_content", kind: sa.DateTime | None = None) -> sa.Table:
    """The predecessor's input: texts, and a time without a zone, on MariaDB of the usual kind or this one."""
    texts = [
        sa.Column(each, sa.Text() if each == "content" else sa.String(200), primary_key=each == "id") for each in COLUMNS[:-1]
    ]
    moment = sa.Column("post_time", sa.DateTime().with_variant(kind or sa.DateTime(), "mysql", "mariadb"), index=True)
    return sa.Table(name, metadata, *texts, moment, mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")


def write_posts(
    url: str, posts: Iterable[Mapping[str, Any]], name: str = "ts_page_content", kind: sa.DateTime | None = None
) -> None:
    """Make the input table and fill it; what a post does not say is usual, ids are numbers in order."""
    engine = make_engine(url, foreign=True)
    metadata = sa.MetaData()
    table = posts_table(metadata, name, kind)
    rows = [_USUAL | {"id": f"{1577818324915 + number}_FBEXUB"} | dict(post) for number, post in enumerate(posts)]
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(sa.insert(table), rows)
    engine.dispose()


def ask(site: Site, method: str = "GET", path: str = "", role: Role | None = Role.MANAGER, **options: Any) -> Response:
    return site.ask(method, f"{PATH}{path}", role=role, **options)


def create(site: Site, **body: Any) -> str:
    """Start a task as an old client does and return its id."""
    answer = ask(site, "POST", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (200, 200), answer.text
    return str(answer.json()["error_message"]["task_id"])


def run(site: Site, **body: Any) -> str:
    """Run a task to its end and return its id."""
    task_id = create(site, **{"countdown": 0} | body)
    work(site, task_id)
    return task_id


def work(site: Site, task_id: str) -> None:
    http_tasks.work(site, task_id)
    level(site, task_id)


def level(site: Site, task_id: str) -> None:
    """Bring the state table level with the job, as a worker's parent process does twice a second."""
    follower = site.app.registry.follower("label-task")
    assert follower is not None
    assert followed(follower, task_id)


def without_schema(side: str, url: sa.URL) -> dict[str, Any]:
    """Return the settings of a server as INPUT_HOST or OUTPUT_HOST and their like give them, where none gives the schema."""
    values = {"host": url.host, "port": url.port or 3306, "user": url.username, "password": url.password}
    return {f"{side}_{name}": value for name, value in values.items() if value is not None}


def row_of(site: Site, task_id: str) -> dict[str, Any]:
    return next(row for row in ask(site).json()["content"] if row["task_id"] == task_id)


def rows(url: str, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table of an output database, in the order of their ids."""
    engine = make_engine(url, foreign=True)
    quoted = engine.dialect.identifier_preparer.quote(table)
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(sa.text(f"SELECT * FROM {quoted}")).mappings()]
    engine.dispose()
    return sorted(found, key=lambda row: str(row.get("id")))


def tables(url: str) -> set[str]:
    engine = make_engine(url, foreign=True)
    found = set(sa.inspect(engine).get_table_names())
    engine.dispose()
    return found
