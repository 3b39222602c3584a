"""Names that are statements, too long or impossible, and times from the ends of the calendar: refused in the contract's words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

import audience
from labelmill.jobs import service as jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from webapp import Site

NAMES = [
    'x"; DROP TABLE ts_page_content; --', "x`; DROP TABLE ts_page_content; --", "' OR '1'='1", "../../etc/passwd", "a/b?c=d#e", "%s%(x)s{}",
    "x" * 300, "表" * 100, ".", " ", "\u202e\u200b", "information_schema.tables", "a\nb", "\t",
]  # fmt: skip


@pytest.fixture
def both(open_site: Callable[..., Site], database_url: str) -> Site:
    audience.write_posts(database_url, [{"author": "Tom", "post_time": datetime(2020, 1, 1)}])
    return open_site(input_url=database_url, output_url=database_url)


@pytest.mark.parametrize("field", ["target_table", "target_schema", "output_schema"])
def test_p20_names_of_places_are_only_names(both: Site, database_url: str, field: str) -> None:
    for name in NAMES:
        if field == "output_schema" and len(name) > 63:
            assert audience.ask(both, "POST", json={field: name}).status_code == 422
            continue
        answer = audience.ask(both, "POST", json={field: name})
        body = answer.json()
        assert body["error_code"] in (500, 503), (name, body)
        assert body["error_message"].startswith(("failed to start a labeling task", "Cannot connect to output schema, ")), (
            name,
            body,
        )
        assert "Something went wrong inside" not in body["error_message"], (name, body)
        assert answer.status_code == body["error_code"]
    assert len(audience.rows(database_url, "ts_page_content")) == 1
    with both.app.database.read() as connection:
        assert jobs.list_jobs(connection) == []
    assert audience.ask(both).json()["content"] == []


@pytest.mark.parametrize(
    "task_id", ["' OR 1=1 --", "a" * 31 + "'", "%25" * 32, "a" * 5000, "%F0%9F%92%A9" * 32, "..%2f..", "a" * 32]
)
@pytest.mark.parametrize("path", ["", "/sample/?table_name=wh_panel_mapping_fbfans"])
def test_p20_ids_are_only_ids(both: Site, task_id: str, path: str) -> None:
    audience.run(both)
    answer = audience.ask(both, path=f"{task_id}{path}")
    assert answer.json()["error_code"] in (400, 404)
    assert answer.status_code in (400, 404)
    assert len(answer.text) < 600


TIMES: list[tuple[Any, Any, int]] = [
    ("0001-01-01", "9999-12-31 23:59:59", 200), (0, 4_102_444_800, 200), ("0001-01-01T00:00:00+14:00", "2020-01-01", 422),
    ("2020-01-01", "9999-12-31T23:59:59-14:00", 422), ("10000-01-01", "2020-01-01", 422), ("2020-02-30", "2021-01-01", 422),
    (1e300, "2020-01-01", 422), (None, "2020-01-01", 422), (True, "2020-01-01", 422),
]  # fmt: skip


@pytest.mark.parametrize(("start", "end", "code"), TIMES)
def test_times_from_the_ends_of_the_calendar(both: Site, start: Any, end: Any, code: int) -> None:
    answer = audience.ask(both, "POST", json={"start_time": start, "end_time": end, "countdown": 0})
    assert answer.status_code == code, answer.text
    if code == 200:
        task_id = answer.json()["error_message"]["task_id"]
        audience.work(both, task_id)
        assert audience.row_of(both, task_id)["length_prod_table"] == 1
