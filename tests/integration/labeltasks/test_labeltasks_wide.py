"""What one task can do besides: several labellers, pre-filters, production of its own name and hour, one folder for all workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from labelmill import clock
from labelmill.db.engine import make_engine
from labelmill.errors import BadInput, BadSource, Unavailable
from labelmill.jobs import inline
from labelmill.jobs import service as jobs
from labelmill.jobs.inline import run_or_watch
from labelmill.jobs.presence import new_worker_id
from labelmill.jobs.worker import WorkerProcess
from labelmill.labeltasks import service
from labelmill.labeltasks.filters import Action, Filter
from labelmill.rules import Kind, Label, Match, Rule, RuleSet

ROWS = 200
SAYS = RuleSet(
    "says",
    (Label("/male", "gender"), Label("/female", "gender"), Label("/talker", "habit")),
    (
        Rule("/male", Kind.KEYWORD, Match.START, "tom"),
        Rule("/female", Kind.KEYWORD, Match.START, "amy"),
        Rule("/talker", Kind.REGEX, None, r"says$"),
    ),
)


def chain(action: Action, column: str, word: str) -> Filter:
    rule = {"kind": "keyword", "match": "partially", "content": word}
    return Filter(action=action, column=column, rules={"rules": [rule]})


@pytest.fixture
def frame(posts: Any) -> pl.DataFrame:
    return posts(ROWS)


@pytest.fixture
def step(mill: Any) -> Iterator[Callable[[str], bool]]:
    with WorkerProcess(mill.app.runtime, worker_id=new_worker_id(), queues=()) as worker:
        yield lambda task_id: worker.run_next(job_id=task_id)


def run_all(step: Any, task_id: str) -> int:
    """Run every step that is due and return how many there were."""
    return next(count for count in range(100) if not step(task_id))


def tables_of(url: str) -> set[str]:
    engine = make_engine(url, foreign=True)
    found = set(sa.inspect(engine).get_table_names())
    engine.dispose()
    return found


def test_several_labellers_and_filters_on_every_database(
    mill: Any, frame: Any, write: Any, write_to_table: Any, read_rows: Any, database_url: str
) -> None:
    """The rows of a run from file to file, with the columns of both labellers and of the filter read from a table."""
    filters = (chain(Action.DELETE, "s_id", "B1"), chain(Action.ALTER, "author", " 17"))
    asked = {"also": [(SAYS, "content")], "filters": filters, "name": "out", "step_rows": 60}
    source = write_to_table(frame, database_url, "ts_page_content")
    report = mill.label(source, database_url, **asked)
    right = mill.label(write(frame, mill.folder / "posts.parquet"), str(mill.folder / "right.parquet"), **asked)
    figures = ("rows_read", "rows_filtered", "rows_labelled", "rows_without_text", "results", "production", "authors", "labels")
    assert {name: report[name] for name in figures} == {name: right[name] for name in figures}
    for table, file in (("out", "right"), ("wh_panel_mapping_out", "right.production")):
        assert read_rows(database_url, table=table) == [row[:-1] for row in read_rows(str(mill.folder / f"{file}.parquet"))]
    assert report["rows_filtered"] == frame.filter(pl.col("s_id") == "B1").height
    assert report["rows_read"] == ROWS
    assert {"/male", "/female", "/talker"} == set(report["labels"])


def test_rates_are_of_all_authors_read_also_of_filtered_rows(mill: Any, frame: Any, write: Any) -> None:
    """A filter takes rows out of the results, not out of what they are compared with (B9)."""
    place = write(frame, mill.folder / "posts.csv")
    plain = mill.label(place, str(mill.folder / "plain.csv"))
    less = mill.label(place, str(mill.folder / "less.csv"), filters=(chain(Action.DELETE, "author", "tom"),))
    assert less["authors"] == plain["authors"]
    assert less["received"] == plain["received"]
    assert less["production"]["posts"] < plain["production"]["posts"]
    assert less["rate_of_label"]["posts"] == round(less["production"]["posts"] / less["authors"]["posts"] * 100, 2)


def test_each_labeller_shows_its_own_match(mill: Any, frame: Any, write: Any) -> None:
    """One file, one column for what matched: the text of the labeller's column, as the filters left it."""
    out = mill.folder / "out.parquet"
    filters = (chain(Action.ALTER, "content", "tom "),)
    mill.label(write(frame, mill.folder / "posts.parquet"), str(out), also=[(SAYS, "content")], filters=filters)
    found = {row["id"]: row for row in frame.to_dicts()}
    texts = Counter()
    for row in pl.read_parquet(out).to_dicts():
        post = found[row["id"]]
        content = post["content"].replace("tom ", "")
        assert row["match_content"] in (post["author"], content)
        texts[row["panel"], row["match_content"] == content] += 1
    assert texts["/talker", True] == frame.filter(pl.col("content").str.ends_with("says")).height
    assert texts["/student", True] == 0
    assert texts["/female", True] == frame.filter(pl.col("content") == "amy says").height


def test_a_labeller_without_a_column_takes_that_of_the_first(mill: Any, frame: Any, write: Any) -> None:
    task = service.prepare(
        mill.request(write(frame, mill.folder / "posts.csv"), str(mill.folder / "out.csv"), also=[(SAYS, None)]),
        mill.app.places,
    )
    assert [labeller.column for labeller in task.labellers] == ["author", "author"]


@pytest.mark.parametrize("asked", [{"also": [(SAYS, "nowhere")]}, {"filters": [chain(Action.DELETE, "nowhere", "x")]}])
def test_a_column_that_is_not_there_is_refused_at_once(mill: Any, frame: Any, write: Any, asked: dict[str, Any]) -> None:
    with pytest.raises(BadSource, match="nowhere"):
        mill.start(write(frame, mill.folder / "posts.csv"), str(mill.folder / "out.csv"), **asked)


def test_unmapped_sources_that_are_left_out_get_no_tables(
    mill: Any, frame: Any, write: Any, database_url: str, source_map: Any
) -> None:
    """They are read and counted, by their id; more of them than could have tables stop nothing."""
    names = [f"other-{number}" for number in range(1200)]
    more = pl.concat([frame, frame.sample(1200, with_replacement=True, seed=1).with_columns(s_id=pl.Series(names))])
    place = write(more, mill.folder / "posts.parquet")
    report = mill.label(place, database_url, source_map=source_map, unmapped="leave-out", step_rows=500)
    assert set(report["results"]) == set(report["received"]) == {"forum", "board", "both"}
    made = {f"{prefix}{name}" for name in source_map for prefix in ("", "wh_panel_mapping_")}
    assert tables_of(database_url) == made | {"state", "labelmill_steps"}
    assert report["rows_read"] == ROWS + 1200
    mapped = frame.filter(pl.col("s_id") != "X9").height
    assert sum(report["unmapped"].values()) == ROWS + 1200 - mapped
    assert report["unmapped"]["X9"] == ROWS - mapped
    assert len(report["unmapped"]) == 1001


def test_something_else_to_do_with_unmapped_sources_is_refused(mill: Any, frame: Any, write: Any) -> None:
    with pytest.raises(BadInput, match="unmapped"):
        mill.start(write(frame, mill.folder / "posts.csv"), str(mill.folder / "out.csv"), unmapped="ignore")


def test_production_tables_have_the_prefix_that_was_asked_for(mill: Any, frame: Any, write: Any, database_url: str) -> None:
    report = mill.label(write(frame, mill.folder / "posts.csv"), database_url, name="out", production_prefix="final_")
    assert report["written"] == ["out", "final_out"]
    assert tables_of(database_url) == {"out", "final_out", "state", "labelmill_steps"}


@pytest.mark.parametrize(("prefix", "kind", "match"), [("", BadInput, "one table"), ("x" * 70, BadSource, "longer")])
def test_a_prefix_that_makes_no_table_of_its_own_is_refused(
    mill: Any, frame: Any, write: Any, database_url: str, prefix: str, kind: type[Exception], match: str
) -> None:
    """Results and production in one table would count each row twice."""
    with pytest.raises(kind, match=match):
        mill.label(write(frame, mill.folder / "posts.csv"), database_url, name="out", production_prefix=prefix)
    assert "out" not in tables_of(database_url)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let the wall clock jump by seconds."""
    real, ahead = clock.now, [0.0]
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(seconds=ahead[0]))

    def jump(seconds: float) -> None:
        ahead[0] += seconds

    return jump


def test_production_waits_as_long_as_it_was_told(
    mill: Any, frame: Any, write: Any, step: Any, wall: Any, read_rows: Any
) -> None:
    """Counted from the last result: the results are there meanwhile, and nobody is needed for the wait."""
    url = f"sqlite:///{mill.folder / 'out.db'}"
    task_id = mill.start(write(frame, mill.folder / "posts.parquet"), url, name="out", step_rows=100, production_after=600.0)
    assert run_all(step, task_id) == 3
    wall(590)
    assert not step(task_id)
    assert "wh_panel_mapping_out" not in tables_of(url)
    assert len(read_rows(url, table="out")) == sum(mill.report(task_id)["results"].values())
    wall(20)
    assert run_all(step, task_id) == 2
    assert mill.job(task_id).state == "succeeded"


def test_production_is_not_delayed_again_by_a_retry(mill: Any, frame: Any, write: Any, step: Any) -> None:
    task_id = mill.start(
        write(frame, mill.folder / "posts.parquet"), str(mill.folder / "out.db"), step_rows=100, production_after=600.0
    )
    assert run_all(step, task_id) == 3
    for verb in (jobs.cancel, jobs.retry):
        mill.app.database.transact(verb, task_id)
    assert run_all(step, task_id) == 2
    assert mill.job(task_id).state == "succeeded"


def folder_of(mill: Any, task_id: str) -> Path:
    return Path(mill.app.work_root) / "label-tasks" / task_id


@pytest.mark.parametrize("gone", ["one", "all"])
def test_a_worker_without_the_files_of_others_fails_instead_of_losing_rows(
    mill: Any, frame: Any, write: Any, step: Any, database_url: str, gone: str
) -> None:
    """As on a machine with a folder of its own: told which setting is missing, tried again, and whole once they are there."""
    task_id = mill.start(write(frame, mill.folder / "posts.parquet"), database_url, name="out", step_rows=100)
    for _ in range(3):
        step(task_id)
    folder, aside = folder_of(mill, task_id) / "labels", mill.folder / "aside"
    files = sorted(folder.glob("*.segments"))
    aside.mkdir()
    for file in files if gone == "all" else files[:1]:
        file.rename(aside / file.name)
    assert step(task_id)
    with mill.app.database.read() as connection:
        (settle,) = [each for each in jobs.list_steps(connection, task_id) if each["name"] == "settle"]
    assert (settle["state"], settle["tries"]) == ("queued", 1)
    assert "LABELMILL_BLOB_DIR" in settle["error"]["way_out"]
    assert "wh_panel_mapping_out" not in tables_of(database_url)
    for file in aside.iterdir():
        file.rename(folder / file.name)
    assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"
    assert mill.report(task_id)["production"]["out"] > 0


@pytest.mark.parametrize("sink", ["out.parquet", "out.db"])
@pytest.mark.parametrize("place", ["label-task.finished", "label-task.tidied"])
def test_a_finish_that_is_repeated_gives_the_same_report_and_leaves_the_output_whole(
    mill: Any, frame: Any, write: Any, step: Any, monkeypatch: pytest.MonkeyPatch, sink: str, place: str
) -> None:
    """What it was made of is gone by then: the output is not made again of what is left."""
    source = write(frame, mill.folder / "posts.parquet")
    right = mill.label(source, str(mill.folder / f"right-{sink}"), name="out")
    monkeypatch.setenv("LABELMILL_TRIGGER", f"{place}:fail:1")
    monkeypatch.setattr("labelmill.triggers._passed", Counter())
    task_id = mill.start(source, str(mill.folder / sink), name="out")
    while step(task_id):
        written = (mill.folder / sink).read_bytes() if (mill.folder / sink).exists() else b""
    assert mill.job(task_id).state == "running"
    report = run_or_watch(mill.app.runtime, task_id).result
    with mill.app.database.read() as connection:
        tries = [each["tries"] for each in jobs.list_steps(connection, task_id)]
    assert sum(tries) == 1
    for figure in ("rows_read", "rows_labelled", "results", "production", "authors", "rate_of_label"):
        assert report[figure] == right[figure]
    assert len(report["written"]) == 2
    if sink.endswith(".parquet"):
        assert (mill.folder / sink).read_bytes() == written
        assert pl.read_parquet(mill.folder / sink).height == report["results"]["out"]
        assert pl.read_parquet(mill.folder / "out.production.parquet").height == report["production"]["out"]


def test_a_database_that_is_away_for_a_moment_does_not_end_the_workers(
    mill: Any, frame: Any, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever watches them looks again."""
    task_id = mill.start(write(frame, mill.folder / "posts.parquet"), str(mill.folder / "out.parquet"), step_rows=100)
    glanced, looks = inline._glance, [0]

    def glance(*given: Any) -> Any:
        looks[0] += 1
        if looks[0] in (1, 2):
            raise Unavailable("The database is away.")
        return glanced(*given)

    monkeypatch.setattr(inline, "_glance", glance)
    assert run_or_watch(mill.app.runtime, task_id, workers=2).state == "succeeded"
    assert looks[0] > 2
