"""Whole tasks as an Audience API client asks for them: input, results, production, figures and samples on every database."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

import audience
import fresh
import http_tasks
from labelmill.db.engine import make_engine
from labelmill.jobs import service as jobs
from labelmill.jobs.presence import new_worker_id
from labelmill.jobs.tables import job_steps
from labelmill.jobs.worker import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.engine import URL

    from webapp import Site

START = datetime(2020, 1, 1)


@pytest.fixture
def both(open_site: Callable[..., Site], database_url: str) -> Site:
    """A site that reads from and writes to one database of each kind."""
    return open_site(input_url=database_url, output_url=database_url)


def _figures(count: int, labelled: int, source: str, start: int) -> list[dict[str, Any]]:
    """Posts of ``count`` authors of whom ``labelled`` have a label: one post of everybody, and a later one of each tenth."""
    authors = [f"Tom {number}" if number < labelled else f"nobody {number}" for number in range(count)]
    return [
        {"s_id": source, "author": author, "post_time": START + timedelta(minutes=start + at)}
        for at, author in enumerate([*authors, *authors[::10]])
    ]


def test_t01_t05_parts_of_a_second_are_told_as_they_were_given_and_cut_the_range_there(both: Site, database_url: str) -> None:
    """What `datetime.now()` gives is a time; ranges one after the other take each post once, to the microsecond."""
    edges = [START + timedelta(microseconds=at) for at in (1, 250_000, 250_001, 1_000_000)]
    posts = [{"author": "Tom", "post_time": moment} for moment in (START, *edges)]
    audience.write_posts(database_url, posts, kind=mysql.DATETIME(fsp=6))
    read = []
    for start, end in pairwise([START, *edges]):
        body = {"start_time": str(start), "end_time": end.isoformat(), "countdown": 0}
        told = audience.ask(both, "POST", json=body).json()["error_message"]
        assert (told["start_time"], told["end_time"]) == (start.isoformat(), end.isoformat())
        assert told["date_range"] == f"{start} - {end}"
        audience.work(both, told["task_id"])
        row = audience.row_of(both, told["task_id"])
        assert row["date_range"] == told["date_range"]
        read.append(row["length_receive_table"])
    assert read == [1, 1, 1, 1]


def test_t12_the_figures_are_those_that_the_predecessor_documents(both: Site, database_url: str) -> None:
    """14.15 and 21.36: production rows per hundred distinct authors among all rows read, with two decimals, by table."""
    posts = [*_figures(2000, 283, "WH_F0045", 0), *_figures(1250, 267, "WH_F0001", 5000)]
    audience.write_posts(database_url, posts)
    task_id = audience.run(both)
    row = audience.row_of(both, task_id)
    assert (row["result"], row["rate_of_label"], row["uniq_source_author"]) == ("Ptt,fbfans", "21.36,14.15", "1250,2000")
    assert (row["stat"], row["prod_stat"]) == ("SUCCESS", "finish")
    assert row["length_receive_table"] == len(posts) == 2200 + 1375
    labelled = sum(post["author"].startswith("Tom") for post in posts)
    assert (row["length_output_table"], row["length_prod_table"]) == (labelled, 283 + 267)
    assert len(audience.rows(database_url, "fbfans")) + len(audience.rows(database_url, "Ptt")) == labelled
    assert 10 < row["peak_memory"] < 10_000
    assert 0 < row["run_time"] < 5


def test_t11_production_has_each_author_once_with_the_latest_post(both: Site, database_url: str) -> None:
    audience.write_posts(database_url, _figures(30, 20, "WH_F0045", 0))
    task_id = audience.run(both)
    made = audience.rows(database_url, "wh_panel_mapping_fbfans")
    assert len(made) == len({row["source_author"] for row in made}) == 20
    by_author = {row["source_author"]: row["create_time"] for row in made}
    as_text = {author: str(moment)[:16] for author, moment in by_author.items()}
    assert as_text["WH_F0045_Tom 10"] == str(START + timedelta(minutes=31))[:16]  # of both posts the later one
    assert as_text["WH_F0045_Tom 11"] == str(START + timedelta(minutes=11))[:16]
    assert {(row["task_id"], row["panel"], row["field_content"]) for row in made} == {(task_id, "/male", "WH_F0045")}


def test_t11_opposites_are_settled_by_majority_and_other_labels_stay(both: Site, database_url: str) -> None:
    """Two posts of a husband's wife beat one; what she is besides is not touched by that; a tie has neither."""
    contents = {"Ann": ["my husband", "my husband", "school"], "Bea": ["my husband", "at school"]}
    posts = [
        {"author": author, "content": content, "post_time": START + timedelta(hours=at)}
        for author, said in contents.items()
        for at, content in enumerate(said)
    ]
    audience.write_posts(database_url, posts)
    audience.run(both, predict_type="content")
    made = audience.rows(database_url, "wh_panel_mapping_fbfans")
    panels = sorted((row["source_author"].removeprefix("WH_F0045_"), row["panel"]) for row in made)
    everything = ["/female", "/married", "/young"]
    assert panels == [("Ann", panel) for panel in everything] + [("Bea", panel) for panel in everything]


def test_t11_an_author_who_is_as_often_the_one_as_the_other_is_neither(both: Site, database_url: str, tmp_path: Path) -> None:
    audience.write_rules(tmp_path / "rules", {"keyword_model/male/content": "my wife\tpartially\n"})
    said = {"Tie": ["my wife", "my husband"], "Won": ["my wife", "my wife", "my husband"]}
    posts = [
        {"author": author, "content": content, "post_time": START + timedelta(hours=at)}
        for author, contents in said.items()
        for at, content in enumerate(contents)
    ]
    audience.write_posts(database_url, posts)
    audience.run(both, predict_type="content")
    made = audience.rows(database_url, "wh_panel_mapping_fbfans")
    panels = sorted((row["source_author"].removeprefix("WH_F0045_"), row["panel"]) for row in made)
    assert panels == [("Tie", "/married"), ("Won", "/male"), ("Won", "/married")]


def test_t10_rows_go_by_source_twice_where_the_map_says_so_and_unknown_sources_are_seen(both: Site, database_url: str) -> None:
    sources = ["WH_F0045", "WH_F0116", "WH_X0001", "wh_v001"]
    audience.write_posts(database_url, [{"s_id": source, "author": f"Tom {source}", "post_time": START} for source in sources])
    task_id = audience.run(both)
    row = audience.row_of(both, task_id)
    assert (row["result"], row["length_receive_table"], row["length_output_table"]) == ("Dcard,fbfans,forum,video", 4, 4)
    assert "WH_X0001" not in audience.tables(database_url)
    from labelmill.accounts import Role

    left_out = http_tasks.get(both, task_id, Role.MANAGER)["left_out"]
    assert [each["rows"] for each in left_out if "WH_X0001" in each["reason"]] == [1]


def test_t21_emoji_and_chinese_names_come_through_whole(both: Site, database_url: str) -> None:
    authors = ["王志明👨‍👩‍👧", "林淑芬🌸", "Ämy Lee🌸", "AMY", "amy ", "𠮷志明"]
    audience.write_posts(database_url, [{"author": author, "post_time": START} for author in authors])
    task_id = audience.run(both)
    made = audience.rows(database_url, "wh_panel_mapping_fbfans")
    assert {row["match_content"]: row["panel"] for row in made} == {
        "王志明👨‍👩‍👧": "/male", "林淑芬🌸": "/female", "Ämy Lee🌸": "/female", "AMY": "/female", "𠮷志明": "/male",
    }  # fmt: skip
    path = f"{task_id}/sample/?table_name=wh_panel_mapping_fbfans"
    drawn = audience.ask(both, path=path).json()["error_message"]
    assert {row["source_author"] for row in drawn} == {f"WH_F0045_{author}" for author in authors if author != "amy "}


EDGES = [
    ("2020-01-01 00:00:00", True),
    ("2020-06-30 23:59:59", True),
    ("2020-07-01 00:00:00", False),
    ("2019-12-31 23:59:59", False),
]


def test_the_start_belongs_to_the_range_and_the_end_does_not(both: Site, database_url: str) -> None:
    """Also the last hours of the range and a range under six hours are read, each row once."""
    posts = [{"author": f"Tom {moment}", "post_time": datetime.fromisoformat(moment)} for moment, _ in EDGES]
    audience.write_posts(database_url, [*posts, {"author": "Tom never", "post_time": None}])
    task_id = audience.run(both, end_time="2020-07-01 00:00:00")
    found = {row["match_content"]: row for row in audience.rows(database_url, "fbfans")}
    assert set(found) == {f"Tom {moment}" for moment, inside in EDGES if inside}
    short = audience.run(both, start_time="2020-06-30 23:59:59", end_time="2020-07-01")
    assert audience.row_of(both, short)["length_output_table"] == 1
    assert audience.row_of(both, task_id)["length_receive_table"] == 2


@pytest.mark.parametrize(
    ("model", "predict", "column", "expected"),
    [
        ("keyword_model", "author_name", "author", {"Tom Lee": "/male"}),
        ("keyword_model", "s_area_id", "s_area_id", {"WH_F0003_0055": "/student"}),
        ("rule_model", "title", "title", {"Mr. Bean": "/male"}),
        ("keyword_model", "content", "content", {"at school": "/young"}),
    ],
)
def test_t08_each_predict_type_labels_its_column(
    both: Site, database_url: str, model: str, predict: str, column: str, expected: dict[str, str]
) -> None:
    one = {"author": "Tom Lee", "s_area_id": "WH_F0003_0055", "title": "Mr. Bean", "content": "at school", "post_time": START}
    audience.write_posts(database_url, [one, {"post_time": START}])
    task_id = audience.run(both, model_type=model, predict_type=predict)
    assert {row["match_content"]: row["panel"] for row in audience.rows(database_url, "fbfans")} == expected
    row = audience.row_of(both, task_id)
    assert (row["model_type"], row["predict_type"], row["length_receive_table"]) == (model, column, 2)


def _work_what_is_due(site: Site, task_id: str) -> None:
    worker = WorkerProcess(site.app.runtime, worker_id=new_worker_id(), queues=["default"])
    while worker.run_next(job_id=task_id):
        pass
    audience.level(site, task_id)


def _elapse(site: Site) -> None:
    """Let every countdown be over."""
    over = sa.update(job_steps).values(not_before=None, put_off_at=None)
    site.app.database.transact(lambda connection: connection.execute(over) and None)


def test_t11_t13_production_waits_for_the_countdown_and_samples_do_not(both: Site, database_url: str) -> None:
    audience.write_posts(database_url, _figures(300, 200, "WH_F0045", 0))
    task_id = audience.create(both, countdown=3600)
    _work_what_is_due(both, task_id)
    status = audience.ask(both, path=task_id).json()
    assert (status["status"], status["prod_status"], status["result"]) == ("SUCCESS", None, "fbfans")
    row = audience.row_of(both, task_id)
    assert (row["length_output_table"], row["length_prod_table"], row["rate_of_label"]) == (220, None, None)
    assert "wh_panel_mapping_fbfans" not in audience.tables(database_url)
    path = f"{task_id}/sample/?table_name=wh_panel_mapping_fbfans&table_name=wh_panel_mapping_Ptt"
    drawn = audience.ask(both, path=path).json()
    assert (drawn["error_code"], len(drawn["error_message"])) == (200, 50)
    _elapse(both)
    _work_what_is_due(both, task_id)
    assert audience.ask(both, path=task_id).json()["prod_status"] == "finish"
    assert audience.row_of(both, task_id)["length_prod_table"] == 200
    assert len(audience.rows(database_url, "wh_panel_mapping_fbfans")) == 200


def test_t16_a_sample_is_random_of_its_task_only_and_never_empty(both: Site, database_url: str) -> None:
    audience.write_posts(database_url, [*_figures(300, 200, "WH_F0045", 0), *_figures(3, 1, "WH_F0001", 5000)])
    first, second = audience.run(both), audience.run(both)
    both_tables = (
        "sample/?table_name=wh_panel_mapping_fbfans&table_name=wh_panel_mapping_Ptt&table_name=wh_panel_mapping_fbfans"
    )
    draws = [audience.ask(both, path=f"{second}/{both_tables}").json()["error_message"] for _ in range(4)]
    for drawn in draws:
        assert {row["task_id"] for row in drawn} == {second}
        assert sum(row["field_content"] == "WH_F0045" for row in drawn) == 50
        assert sum(row["field_content"] == "WH_F0001" for row in drawn) == 1
    assert len({tuple(row["id"] for row in drawn) for drawn in draws}) > 1
    assert first != second


def test_t12_a_task_that_labels_nobody_says_no_data(both: Site, database_url: str) -> None:
    audience.write_posts(database_url, [{"author": "nobody", "post_time": START}])
    task_id = audience.run(both)
    status = audience.ask(both, path=task_id).json()
    assert (status["status"], status["prod_status"], status["result"]) == ("SUCCESS", "no_data", "")
    sample = audience.ask(both, path=f"{task_id}/sample/?table_name=wh_panel_mapping_fbfans")
    assert (sample.status_code, sample.json()["error_code"]) == (404, 404)


def test_t14_a_failed_task_says_so_and_goes_on_where_it_stopped(both: Site, database_url: str) -> None:
    from labelmill.accounts import Role

    audience.write_posts(database_url, [{"author": "Tom", "post_time": START + timedelta(days=1)}])
    task_id = audience.create(both, countdown=0)
    http_tasks.work(both, task_id, steps=1)
    engine = make_engine(database_url, foreign=True)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ts_page_content RENAME COLUMN author TO writer"))
    for _ in range(both.app.settings.max_tries):  # where the database may only be away, a step is put off and tried again
        _elapse(both)
        audience.work(both, task_id)
    failed = audience.row_of(both, task_id)
    assert failed["stat"] == "FAILURE"
    assert (failed["prod_stat"], failed["length_prod_table"]) == (None, None)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ts_page_content RENAME COLUMN writer TO author"))
    engine.dispose()
    assert both.ask("POST", f"/v1/label-tasks/{task_id}/retry", role=Role.MANAGER).status_code == 200
    audience.work(both, task_id)
    done = audience.row_of(both, task_id)
    assert (done["stat"], done["prod_stat"], done["check_point"], done["length_prod_table"]) == ("SUCCESS", "finish", None, 1)


def test_its_places_are_shown_by_the_name_of_their_setting_and_nothing_else_of_them(both: Site, database_url: str) -> None:
    from labelmill.accounts import Role

    audience.write_posts(database_url, [{"author": "Tom", "post_time": START}])
    task_id = audience.run(both)
    found = http_tasks.get(both, task_id)
    assert found["source"] | {"schema": None} == {"setting": "input", "table": "ts_page_content", "schema": None}
    # On MariaDB the schema is kept with the task, so that it is found when the settings change.
    assert found["sink"]["setting"] == "output"
    assert set(found["sink"]) <= {"setting", "schema"}
    assert found["title"] == "Label author of ts_page_content with keyword_model (Audience API)"
    page = both.page(f"/label-tasks/{task_id}", Role.MANAGER)
    assert page.status_code == 200
    assert "input · ts_page_content" in page.text
    assert both.page("/label-tasks", Role.MANAGER).status_code == 200
    assert "@127.0.0.1" not in page.text


QUEUES = [
    (("default",), "queue1", "default"), (("slow", "fast"), "queue1", "slow"), (("slow", "queue1"), "queue1", "queue1"),
    (("slow", "fast"), "fast", "fast"), (("queue2", "queue1"), "queue2", "queue2"),
]  # fmt: skip


@pytest.mark.parametrize(("queues", "asked", "given"), QUEUES)
def test_t17_a_task_goes_to_the_queue_it_names(
    open_site: Callable[..., Site], tmp_path: Path, queues: tuple[str, ...], asked: str, given: str
) -> None:
    audience.write_posts(f"sqlite:///{tmp_path}/in.db", [{"author": "Tom", "post_time": START}])
    site = open_site(queues=queues)
    told = audience.ask(site, "POST", json={"queue": asked}).json()["error_message"]
    assert told["queue"] == asked
    with site.app.database.read() as connection:
        assert jobs.get(connection, told["task_id"]).queue == given


@contextmanager
def _mariadb(server: str, worker: str) -> Iterator[URL]:
    with fresh.database("mariadb", server, worker) as url:
        yield sa.make_url(url)


def test_t03_t21_the_predecessors_settings_and_every_schema_of_a_body_are_honoured(
    open_site: Callable[..., Site], mariadb_url: str, worker_name: str
) -> None:
    """Four schemas of MariaDB: those of the settings, and those that one request names instead."""
    with (
        _mariadb(mariadb_url, worker_name) as read,
        _mariadb(mariadb_url, worker_name) as write,
        _mariadb(mariadb_url, worker_name) as other_read,
        _mariadb(mariadb_url, worker_name) as other_write,
    ):
        for place, author in ((read, "Tom usual"), (other_read, "Tom other🌸")):
            audience.write_posts(place.render_as_string(hide_password=False), [{"author": author, "post_time": START}])
        settings = {
            f"{side}_{name}": value
            for side, url in (("input", read), ("output", write))
            for name, value in (("host", url.host), ("port", url.port or 3306), ("user", url.username),
                                ("password", url.password), ("schema", url.database))
            if value is not None
        } | {"input_url": None, "output_url": None}  # fmt: skip
        site = open_site(**settings)
        usual = audience.run(site)
        other = audience.run(site, target_schema=other_read.database, output_schema=other_write.database)
        _check_place(write, "Tom usual", usual)
        _check_place(other_write, "Tom other🌸", other)
        [listed] = audience.ask(site).json()["content"]
        assert (listed["task_id"], listed["target_table"]) == (usual, read.database)
        assert audience.ask(site, path=other).json()["status"] == "SUCCESS"
        [row] = audience.ask(site, path=f"{other}/sample/?table_name=wh_panel_mapping_fbfans").json()["error_message"]
        assert row["match_content"] == "Tom other🌸"


@pytest.mark.parametrize("by_url", [True, False])
def test_a_task_is_found_by_its_id_whatever_schema_the_settings_name_later(
    open_site: Callable[..., Site], tmp_path: Path, mariadb_url: str, worker_name: str, by_url: bool
) -> None:
    audience.write_posts(f"sqlite:///{tmp_path}/in.db", [{"author": "Tom", "post_time": START}])
    with _mariadb(mariadb_url, worker_name) as first, _mariadb(mariadb_url, worker_name) as second:
        task_id = ""
        for place in (first, second):
            named = audience.without_schema("output", place) | {"output_url": None, "output_schema": place.database}
            site = open_site(**({"output_url": place.render_as_string(hide_password=False)} if by_url else named))
            task_id = task_id or audience.run(site)
            assert audience.ask(site, path=task_id).json()["prod_status"] == "finish"
            [row] = audience.ask(site, path=f"{task_id}/sample/?table_name=wh_panel_mapping_fbfans").json()["error_message"]
            assert row["source_author"]
        assert audience.ask(site).json()["content"] == []


def _check_place(place: URL, author: str, task_id: str) -> None:
    url = place.render_as_string(hide_password=False)
    assert [row["match_content"] for row in audience.rows(url, "wh_panel_mapping_fbfans")] == [author]
    [state] = audience.rows(url, "state")
    assert (state["task_id"], state["stat"]) == (task_id, "SUCCESS")


def test_t03_schemas_of_postgresql_are_honoured(open_site: Callable[..., Site], postgresql_database: str) -> None:
    audience.write_posts(postgresql_database, [{"author": "Tom", "post_time": START}])
    engine = make_engine(postgresql_database, foreign=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA wh_a"))
        connection.execute(sa.text("CREATE SCHEMA results"))
        connection.execute(sa.text("CREATE TABLE wh_a.ts_page_content AS SELECT * FROM ts_page_content"))
    site = open_site(input_url=postgresql_database, output_url=postgresql_database)
    told = audience.ask(site, "POST", json={"target_schema": "wh_a", "output_schema": "results", "countdown": 0}).json()
    task_id = told["error_message"]["task_id"]
    audience.work(site, task_id)
    assert audience.ask(site, path=task_id).json()["prod_status"] == "finish"
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM results.wh_panel_mapping_fbfans")) == 1
    engine.dispose()
    assert audience.create(site)
    assert audience.ask(site).json()["content"][0]["target_table"] == "public"


def test_t03_an_output_that_may_not_be_written_is_told(open_site: Callable[..., Site], postgresql_database: str) -> None:
    audience.write_posts(postgresql_database, [{"author": "Tom", "post_time": START}])
    site = open_site(input_url=postgresql_database, output_url=postgresql_database)
    body = audience.ask(site, "POST", json={"output_schema": "nowhere"}).json()
    assert (body["error_code"], body["error_message"][:32]) == (503, "Cannot connect to output schema,")
    with site.app.database.read() as connection:
        assert jobs.list_jobs(connection) == []


def test_t04_tables_that_an_audience_api_left_are_never_taken_for_ours(
    open_site: Callable[..., Site], mariadb_database: str
) -> None:
    audience.write_posts(mariadb_database, [{"author": "Tom", "post_time": START}])
    engine = make_engine(mariadb_database, foreign=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE fbfans (id VARCHAR(32), task_id VARCHAR(32))"))
    engine.dispose()
    site = open_site(input_url=mariadb_database, output_url=mariadb_database)
    body = audience.ask(site, "POST", json={}).json()
    assert (body["error_code"], "labelmill adopt audience" in body["error_message"]) == (500, True)
