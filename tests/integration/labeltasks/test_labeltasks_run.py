"""A label task gives the same results whatever holds the rows and wherever they go."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from labelmill.errors import Conflict
from labelmill.labeltasks.frames import production
from labelmill.labeltasks.labelling import Labelling
from labelmill.labeltasks.model import LabelTask
from labelmill.rules import compile_rules, from_dict

SOURCES = ["posts.csv", "posts.tsv", "posts.jsonl", "posts.parquet", "posts.db"]
ROWS = 400


def expected(task: LabelTask, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, Labelling]:
    """What one pass over all rows in memory gives."""
    labelling = Labelling(task, [compile_rules(from_dict(task.rules))], "t")
    labelling.add(frame)
    made, _ties = production(labelling.results(), task.production_tie)
    return labelling.results(), made, labelling


def keys(frame: pl.DataFrame) -> Counter[tuple[Any, ...]]:
    return Counter(frame.select("name", "id", "panel", "match_meta").rows())


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("step_rows", [7, 10_000])
def test_each_form_of_source_gives_the_same_results(mill: Any, posts: Any, write: Any, source: str, step_rows: int) -> None:
    """In one step or in sixty, the file of results holds what one pass in memory finds, in the order of the source."""
    frame = posts(ROWS)
    place = write(frame, mill.folder / source)
    report = mill.label(place, str(mill.folder / "out.parquet"), step_rows=step_rows)
    task = LabelTask.from_params(mill.job(report["id"]).params)
    # A text file cannot tell an empty author from a missing one.
    seen = frame if source[-3:] not in ("csv", "tsv") else frame.with_columns(pl.col("author").fill_null(""))
    results, made, labelling = expected(task, seen)
    written = pl.read_parquet(mill.folder / "out.parquet")
    assert keys(written) == keys(results)
    assert written["id"].to_list() == results["id"].to_list()
    assert keys(pl.read_parquet(mill.folder / "out.production.parquet")) == keys(made)
    assert report["rows_read"] == ROWS
    assert report["rows_labelled"] == labelling.figures.rows_labelled
    authors = labelling.authors(1)[0]["hash"].n_unique()
    assert report["authors"] == {"posts": authors}
    assert report["production"] == {"posts": made.height}
    assert report["rate_of_label"] == {"posts": round(made.height / authors * 100, 2)}


@pytest.mark.parametrize("sink", ["out.csv", "out.tsv", "out.jsonl", "out.parquet"])
def test_each_form_of_file_holds_the_same_rows(mill: Any, posts: Any, write: Any, read_rows: Any, sink: str) -> None:
    """Names, quotes, emoji and times survive each format."""
    place = write(posts(ROWS), mill.folder / "posts.parquet")
    mill.label(place, str(mill.folder / "right.parquet"))
    mill.label(place, str(mill.folder / sink), overwrite=True)
    assert read_rows(str(mill.folder / sink)) == read_rows(str(mill.folder / "right.parquet"))
    production_file = Path(sink).with_stem("out.production")
    assert read_rows(str(mill.folder / production_file)) == read_rows(str(mill.folder / "right.production.parquet"))


def test_tables_are_split_by_source(mill: Any, posts: Any, write: Any, read_rows: Any, source_map: Any) -> None:
    """Each name has a table of results and one of production; an id with two names is in both, an unknown one under its own."""
    frame = posts(ROWS)
    report = mill.label(
        write(frame, mill.folder / "posts.db"), str(mill.folder / "out.db"), source_map=source_map, step_rows=90
    )
    assert set(report["received"]) == {"forum", "board", "both", "X9"}
    assert report["unmapped"] == {"X9": frame.filter(pl.col("s_id") == "X9").height}
    url = f"sqlite:///{mill.folder / 'out.db'}"
    forum = read_rows(url, table="forum")
    assert {row[4] for row in forum} == {"F1", "F2"}
    assert len(forum) == report["results"]["forum"]
    assert [row for row in forum if row[4] == "F1"] == read_rows(url, table="both")
    made = read_rows(url, table="wh_panel_mapping_forum")
    assert len(made) == report["production"]["forum"]
    assert len({(row[1], row[2]) for row in made}) == len(made)
    assert {"X9", "wh_panel_mapping_X9"} <= set(report["written"])


def test_the_same_tables_on_every_database(
    mill: Any, posts: Any, write: Any, read_rows: Any, write_to_table: Any, database_url: str, source_map: Any
) -> None:
    """From and to SQLite, PostgreSQL and MariaDB: the rows of a run from a file to a file."""
    frame = posts(ROWS)
    source = write_to_table(frame, database_url, "ts_page_content")
    report = mill.label(source, database_url, source_map=source_map, step_rows=150)
    right = mill.label(write(frame, mill.folder / "posts.parquet"), str(mill.folder / "right.parquet"), source_map=source_map)
    for name in right["results"]:
        rows = [row[:-1] for row in read_rows(str(mill.folder / "right.parquet")) if row[-1] == name]
        assert read_rows(database_url, table=name) == rows
    assert report["production"] == right["production"]
    assert report["authors"] == right["authors"]


def test_a_second_task_leaves_the_rows_of_the_first(mill: Any, posts: Any, write: Any, read_rows: Any) -> None:
    """Tables are shared, task_id tells whose a row is."""
    place = write(posts(50), mill.folder / "posts.db")
    first = mill.label(place, str(mill.folder / "out.db"))
    once = read_rows(f"sqlite:///{mill.folder / 'out.db'}", table="posts_labels")
    mill.label(place, str(mill.folder / "out.db"))
    twice = read_rows(f"sqlite:///{mill.folder / 'out.db'}", table="posts_labels")
    assert sorted(once * 2) == twice
    assert first["written"] == ["posts_labels", "wh_panel_mapping_posts_labels"]


def test_the_time_range_is_covered_once(mill: Any, posts: Any, write: Any) -> None:
    """A month day by day reads each row once, also its last hours and a range shorter than any window (B3, B4)."""
    frame = posts(ROWS)
    place = write(frame, mill.folder / "posts.db")
    days = [datetime(2020, 1, day, tzinfo=UTC) for day in range(1, 22)]
    read = 0
    for number, (start, end) in enumerate(pairwise(days)):
        read += mill.label(place, str(mill.folder / f"out{number}.csv"), start=start, end=end)["rows_read"]
    assert read == ROWS


@pytest.mark.parametrize("source", SOURCES)
def test_rows_without_a_readable_time_are_counted(mill: Any, posts: Any, write: Any, source: str) -> None:
    """With a time range they are left out; without one they are labelled; they are counted in both cases."""
    frame = posts(30).with_columns(post_time=pl.when(pl.int_range(30) < 4).then(pl.lit("soon")).otherwise("post_time"))
    place = write(frame, mill.folder / source)
    ranged = mill.label(
        place, str(mill.folder / "a.csv"), start=datetime(2019, 1, 1, tzinfo=UTC), end=datetime(2022, 1, 1, tzinfo=UTC)
    )
    assert (ranged["rows_read"], ranged["rows_without_time"]) == (26, 4)
    whole = mill.label(place, str(mill.folder / "b.csv"))
    assert (whole["rows_read"], whole["rows_without_time"]) == (30, 4)


def test_broken_rows_are_listed_and_the_others_labelled(mill: Any) -> None:
    """A line with too many fields is refused with its number and reason; nothing else is lost."""
    (mill.folder / "posts.csv").write_text("id,author\n1,Tom\n2,a,b,c\n3,Amy\n", encoding="utf-8")
    report = mill.label(str(mill.folder / "posts.csv"), str(mill.folder / "out.csv"))
    assert (report["rows_read"], report["rows_labelled"], report["rows_rejected"]) == (2, 2, 1)
    from labelmill.labeltasks import service

    (rejected,) = service.rejects(mill.app.work_root, report["id"])
    assert rejected["place"] == 3
    assert rejected["reason"]


def test_no_rows_make_empty_files(mill: Any) -> None:
    """A header is an answer: nothing was there."""
    (mill.folder / "posts.csv").write_text("id,author\n", encoding="utf-8")
    report = mill.label(str(mill.folder / "posts.csv"), str(mill.folder / "out.parquet"))
    assert report["rows_read"] == 0
    assert pl.read_parquet(mill.folder / "out.parquet").height == 0
    assert "panel" in pl.read_parquet_schema(mill.folder / "out.production.parquet")


def test_without_an_author_there_is_no_production(mill: Any) -> None:
    """Records of nobody cannot be settled by author: one file is written, and the report says so."""
    (mill.folder / "texts.csv").write_text("text\ntom\namy\n", encoding="utf-8")
    report = mill.label(str(mill.folder / "texts.csv"), str(mill.folder / "out.csv"), text_column="text")
    assert report["written"] == [str(mill.folder / "out.csv")]
    assert pl.read_csv(mill.folder / "out.csv", infer_schema=False)["id"].to_list() == ["1", "2"]


def test_a_sample_is_never_empty_and_repeats_by_its_seed(mill: Any, posts: Any, write: Any) -> None:
    """Random, drawn from all steps, with the rules that matched."""
    report = mill.label(write(posts(ROWS), mill.folder / "posts.parquet"), str(mill.folder / "out.csv"), step_rows=50)
    drawn = mill.sample(report["id"], rows=20, seed=5)
    assert drawn.equals(mill.sample(report["id"], rows=20, seed=5))
    assert not drawn.equals(mill.sample(report["id"], rows=20, seed=6))
    assert drawn.height == 20
    assert drawn["match_meta"].str.starts_with("[").all()
    everything = mill.sample(report["id"], rows=1000)
    assert everything.height == sum(report["results"].values())


def test_the_files_of_an_ended_task_are_tidied(mill: Any, posts: Any, write: Any) -> None:
    """What only the steps needed is gone; sample, rejects and report stay."""
    report = mill.label(write(posts(ROWS), mill.folder / "posts.csv"), str(mill.folder / "out.csv"))
    folder = mill.app.work_root / "label-tasks" / report["id"]
    assert {path.name for path in folder.iterdir()} <= {"samples", "rejects", "report.json"}


def test_a_file_that_is_there_is_kept(mill: Any, posts: Any, write: Any) -> None:
    """Without --overwrite nothing is replaced, and the task is not even begun."""
    place = write(posts(10), mill.folder / "posts.csv")
    (mill.folder / "out.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(Conflict, match="exists"):
        mill.start(place, str(mill.folder / "out.csv"))
    assert (mill.folder / "out.csv").read_text(encoding="utf-8") == "mine"
