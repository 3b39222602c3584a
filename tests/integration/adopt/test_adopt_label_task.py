"""After adopting, label tasks of labelmill write beside the predecessor's rows, under the same names of sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from audience_tables import IDS, RESULT_ROWS
from labelmill.db.bulk.location import parse_location
from labelmill.errors import Conflict
from labelmill.jobs.inline import run_or_watch
from labelmill.jobs.model import Job
from labelmill.labeltasks import service
from labelmill.labeltasks.frames import RESULT_COLUMNS
from labelmill.labeltasks.state_table import StateTable
from labelmill.rules import Kind, Label, Match, Rule, RuleSet

RULES = RuleSet("people", (Label("/male", "gender"),), (Rule("/male", Kind.KEYWORD, Match.PARTIALLY, "tom"),))
TABLES = ("fbfans", "wh_panel_mapping_fbfans")


def start(app: Any, folder: Any, url: str) -> str:
    posts = pl.DataFrame(
        {
            "id": [f"{number}_" + "long" * 20 for number in range(8)],
            "s_id": ["WH_F0045", "WH_F0001"] * 4,
            "author": ["Tom🌸", "amy", None, "tom tom", "Tom🌸", "tom", "nobody", "tom 2"],
            "post_time": ["2020-01-01 00:00:00", None] * 4,
        }
    )
    posts.write_parquet(folder / "posts.parquet")
    request = service.Request(
        source=app.places.reference(str(folder / "posts.parquet")), sink=app.places.reference(url), rules=RULES, text_column="author",
        source_map={"fbfans": ["WH_F0045"], "Ptt": ["WH_F0001"]},
    )  # fmt: skip
    task = service.prepare(request, app.places)
    return service.begin(app.database, app.places, task, queue="default", limits=app.runtime.limits).id


def label(app: Any, folder: Any, url: str) -> Job:
    return run_or_watch(app.runtime, start(app, folder, url))


@pytest.mark.parametrize("version", ["v21", "v24"])
def test_a_label_task_adds_its_rows_and_leaves_the_old_ones(
    place: Any, app: Any, tmp_path: Any, version: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(version)(place)
    columns = RESULT_COLUMNS if version == "v24" else RESULT_COLUMNS[:-1]
    old = {table: place.rows(table, *columns) for table in TABLES}
    states = place.rows("state", "task_id", "stat", "create_time", "date_range", "run_time")
    place.adopt(apply=True)
    jobs = [label(app, tmp_path, place.url) for _ in range(2)]
    assert [job.state for job in jobs] == ["succeeded"] * 2, jobs[0].error
    new = {job.id for job in jobs}
    for table in TABLES:
        rows = place.rows(table, "task_id", *columns)
        assert [row[1:] for row in rows if row[0] not in new] == old[table]
        assert {row[0] for row in rows} == {*new, IDS[0]}
    assert "Tom🌸" in {row[0].partition("_")[2].partition("_")[2] for row in place.rows("fbfans", "source_author")}
    assert [
        row for row in place.rows("state", "task_id", "stat", "create_time", "date_range", "run_time") if row[0] not in new
    ] == states
    with StateTable(parse_location(place.url), "state") as table:
        listed = table.recent(10)
    assert {row["task_id"] for row in listed[:2]} == new
    assert [row["task_id"] for row in listed[2:]] == sorted((row[0] for row in states), reverse=True)
    assert listed[0]["stat"] == "SUCCESS"
    assert listed[0]["result"] == "Ptt,fbfans"


def test_a_task_that_is_removed_takes_its_own_rows_only(place: Any, app: Any, tmp_path: Any, v21: Callable[..., None]) -> None:
    v21(place)
    place.adopt(apply=True)
    job = label(app, tmp_path, place.url)
    assert len(place.rows("fbfans")) > len(RESULT_ROWS)
    service.remove(app.database, app.places, app.work_root, job.id, results=True)
    assert len(place.rows("fbfans")) == len(RESULT_ROWS)
    assert {row[0] for row in place.rows("state", "task_id")} == set(IDS[:3])


def test_before_adopting_a_label_task_is_refused_with_the_verb_to_use(
    place: Any, app: Any, tmp_path: Any, v21: Callable[..., None]
) -> None:
    v21(place)
    before = place.shape()
    with pytest.raises(Conflict, match=r"fbfans|state") as caught:
        start(app, tmp_path, place.url)
    assert "labelmill adopt audience" in caught.value.way_out
    assert place.shape() == before


def test_the_predecessor_may_go_on_writing_until_it_is_stopped(place: Any, v21: Callable[..., None]) -> None:
    """It names its columns when it inserts, so it does not mind the new ones."""
    v21(place)
    place.adopt(apply=True)
    place.run("INSERT INTO state (task_id, stat, create_time) VALUES ('e', 'PENDING', '2022-01-01 00:00:00')")
    names = "id, task_id, source_author, panel, create_time, field_content, match_content"
    place.run(f"INSERT INTO fbfans ({names}) VALUES ('a', 'e', 's', '/x', '2022-01-01 00:00:00', 'f', 'm')")
    place.run("UPDATE state SET stat = 'SUCCESS', rate_of_label = 14 WHERE task_id = 'e'")
    assert dict(place.rows("state", "task_id", "rate_of_label"))["e"] == "14"
    assert place.adopt().pending == [IDS[2]]
