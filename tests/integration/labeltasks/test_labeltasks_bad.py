"""What cannot work is refused before anything is written, with a sentence that names the fault and the way out."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from labelmill.errors import BadFile, BadInput, BadRules, BadSource, Conflict, LabelmillError, NotFound, Unavailable
from labelmill.jobs import service as jobs
from labelmill.jobs.inline import run_or_watch
from labelmill.labeltasks import service
from labelmill.rules import Kind, Label, Rule, RuleSet

HOSTILE = ['a"; DROP TABLE posts; --', "select", "naïve ␀ name", "表", "two words", "x'y", "`b`"]


def refused(mill: Any, kind: type[LabelmillError], words: str, source: str, sink: str, **asked: Any) -> LabelmillError:
    """Ask for a task that must be refused; nothing may be there afterwards that was not before."""
    before = sorted(mill.folder.rglob("*"))
    with pytest.raises(kind, match=words) as caught:
        mill.start(source, sink, **asked)
    assert caught.value.way_out or caught.value.where
    new = [path for path in sorted(mill.folder.rglob("*")) if path not in before and "data" not in path.parts]
    assert new == []
    with mill.app.database.read() as connection:
        assert service.list_tasks(connection) == []
    return caught.value


@pytest.fixture
def source(mill: Any, posts: Any, write: Any) -> str:
    return write(posts(20), mill.folder / "posts.csv")


@pytest.mark.parametrize(
    ("asked", "kind", "words"),
    [
        ({"text_column": "txt"}, BadSource, "txt"),
        ({"id_column": "nr"}, BadSource, "nr"),
        ({"time_column": "when"}, BadSource, "when"),
        ({"start": datetime(2020, 1, 2, tzinfo=UTC), "end": datetime(2020, 1, 1, tzinfo=UTC)}, BadInput, "earlier"),
        ({"start": datetime(2020, 1, 1, tzinfo=UTC), "end": datetime(2020, 1, 1, tzinfo=UTC)}, BadInput, "earlier"),
        ({"production_tie": "maybe"}, BadInput, "maybe"),
        ({"source_map": {"a": "F1"}}, BadInput, "list of source ids"),
        ({"source_map": {"": ["F1"]}}, BadInput, "name"),
        ({"rules": RuleSet("r", (Label("/x"),), (Rule("/x", Kind.REGEX, None, "(?<=a)b"),))}, BadRules, "look"),
    ],
)
def test_a_wrong_request(mill: Any, source: str, asked: dict[str, Any], kind: type[LabelmillError], words: str) -> None:
    """Columns, ranges, ties, maps and rules are looked at before the task exists."""
    refused(mill, kind, words, source, str(mill.folder / "out.csv"), **asked)


def test_a_range_needs_a_time_column(mill: Any) -> None:
    """And the sentence says how to name it."""
    (mill.folder / "in.csv").write_text("author\ntom\n", encoding="utf-8")
    error = refused(
        mill,
        BadInput,
        "time column",
        str(mill.folder / "in.csv"),
        str(mill.folder / "o.csv"),
        start=datetime(2020, 1, 1, tzinfo=UTC),
    )
    assert "--time-column" in error.way_out


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("missing.csv", None, BadSource),
        ("empty.csv", b"", BadFile),
        ("posts.docx", b"x", BadSource),
        ("not.parquet", b"PAR1 but not really", BadFile),
        ("not.db", b"this is no database, whatever its ending says" * 40, BadFile),
    ],
)
def test_a_source_that_is_none(mill: Any, name: str, content: bytes | None, kind: type[LabelmillError]) -> None:
    """Missing, empty and lying files."""
    if content is not None:
        (mill.folder / name).write_bytes(content)
    refused(mill, kind, re.escape(name), str(mill.folder / name), str(mill.folder / "out.csv"))


@pytest.mark.parametrize("url", ["postgresql://nobody:hush@127.0.0.1:1/x::t", "mariadb://nobody:hush@127.0.0.1:1/x::t"])
def test_a_server_that_is_not_there(mill: Any, source: str, url: str) -> None:
    """It is refused within seconds and the password is not repeated, as source and as sink."""
    for asked in ((url, str(mill.folder / "out.csv")), (source, url)):
        with pytest.raises(Unavailable) as caught:
            mill.start(*asked)
        assert "hush" not in str(caught.value)


def test_a_sink_that_cannot_be(mill: Any, source: str) -> None:
    """No such folder, an unknown ending, the source itself."""
    refused(mill, BadSource, "folder", source, str(mill.folder / "nowhere" / "out.csv"))
    refused(mill, BadSource, "xlsx", source, str(mill.folder / "out.xlsx"))
    refused(mill, BadInput, "is the source", source, source, overwrite=True)
    refused(mill, BadSource, "gz", source, str(mill.folder / "out.csv.gz"))
    refused(mill, BadSource, "folder", source, str(mill.folder / "nowhere" / "out.db"))


def test_a_sink_beside_the_source_that_production_would_overwrite(mill: Any, posts: Any, write: Any) -> None:
    """The second file that a task writes is looked at as well as the first."""
    source = write(posts(20), mill.folder / "a.production.csv")
    refused(mill, BadInput, "is the source", source, str(mill.folder / "a.csv"), overwrite=True)


def test_folders_and_files_in_the_way_of_a_database(mill: Any, source: str) -> None:
    """A folder, or a file that is no database, is told before anything is done."""
    (mill.folder / "dir.db").mkdir()
    (mill.folder / "text.db").write_text("hello", encoding="utf-8")
    refused(mill, BadSource, "folder", source, str(mill.folder / "dir.db"))
    refused(mill, BadFile, "not a SQLite database", source, str(mill.folder / "text.db"))


@pytest.mark.parametrize(
    "source_map",
    [
        {"x": ["F1"], "wh_panel_mapping_x": ["B1"]},
        {"Ptt": ["F1"], "ptt": ["B1"]},
        {"labelmill_steps": ["F1"]},
        {"sqlite_x": ["F1"]},
    ],
)
def test_names_that_would_be_one_table(mill: Any, source: str, source_map: dict[str, list[str]]) -> None:
    """Results, production and the ledger must not meet in one table, whatever the database makes of capitals."""
    with pytest.raises(BadSource, match="table name") as caught:
        mill.start(source, str(mill.folder / "out.db"), source_map=source_map)
    assert "--name" in caught.value.way_out


def test_a_table_in_the_sink_is_its_name(mill: Any, source: str) -> None:
    """``out.db::mine`` writes to mine; with a source map it would say two things."""
    report = mill.label(source, f"{mill.folder / 'out.db'}::mine")
    assert report["written"] == ["mine", "wh_panel_mapping_mine"]
    with pytest.raises(BadInput, match="mine"):
        mill.start(source, f"{mill.folder / 'out.db'}::mine", source_map={"a": ["F1"]})


def test_rules_without_a_rule_label_nothing_and_are_refused(mill: Any, source: str) -> None:
    """A task that cannot find anything is a mistake."""
    refused(mill, BadRules, "no rules", source, str(mill.folder / "out.csv"), rules=RuleSet("none", (Label("/x"),)))


def test_a_table_with_a_rule_of_its_own_refuses_with_its_reason(mill: Any, source: str) -> None:
    """A constraint of the sink's table fails the task at once; it is no sign of another worker."""
    database = sqlite3.connect(mill.folder / "out.db")
    columns = "id, task_id, source_author, panel, create_time DATETIME, field_content TEXT CHECK (field_content = 'never'), match_content, match_meta"
    database.execute(f"CREATE TABLE mine ({columns})")
    database.close()
    task_id = mill.start(source, str(mill.folder / "out.db"), name="mine")
    job = run_or_watch(mill.app.runtime, task_id)
    assert job.state == "failed"
    assert "CHECK" in str(job.error)


def test_an_ended_task_can_be_removed_with_its_files(mill: Any, source: str) -> None:
    """What it wrote stays; a task that has not ended is not removed."""
    report = mill.label(source, str(mill.folder / "out.csv"))
    waiting = mill.start(source, str(mill.folder / "other.csv"))
    with pytest.raises(Conflict, match="queued"):
        service.remove(mill.app.database, mill.app.places, mill.app.work_root, waiting)
    service.remove(mill.app.database, mill.app.places, mill.app.work_root, report["id"])
    assert not (mill.app.work_root / "label-tasks" / report["id"]).exists()
    assert (mill.folder / "out.csv").exists()
    with mill.app.database.read() as connection, pytest.raises(NotFound):
        service.get(connection, report["id"])


def test_a_relative_sqlite_url_means_the_same_file_from_everywhere(
    mill: Any, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that is gone on with in another folder writes to the database that it began."""
    monkeypatch.chdir(mill.folder)
    task_id = mill.start(source, "sqlite:///here.db")
    (mill.folder / "elsewhere").mkdir()
    monkeypatch.chdir(mill.folder / "elsewhere")
    assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"
    assert (mill.folder / "here.db").exists()
    assert not list((mill.folder / "elsewhere").iterdir())


def test_a_range_that_begins_after_the_first_rows(mill: Any, write: Any) -> None:
    """The first frames of a source may lie outside of the range as a whole."""
    frame = pl.DataFrame(
        {"id": [f"{n:05d}" for n in range(3000)], "s_id": ["F1"] * 3000, "author": ["tom"] * 3000}
    ).with_columns(
        post_time=(pl.datetime(2020, 1, 1) + pl.duration(hours=pl.int_range(3000))).dt.to_string("%Y-%m-%d %H:%M:%S")
    )
    for name in ("in.db", "in.parquet"):
        place = write(frame, mill.folder / name)
        report = mill.label(place, str(mill.folder / f"{name}.csv"), start=datetime(2020, 3, 1, tzinfo=UTC))
        assert report["rows_labelled"] == report["rows_read"] == 3000 - 60 * 24


def test_a_rare_name_has_its_sample(mill: Any, write: Any) -> None:
    """Thirty results among thousands: asked for by name they are there."""
    frame = pl.DataFrame(
        {
            "id": [str(n) for n in range(9000)],
            "s_id": ["F1" if n % 300 else "B1" for n in range(9000)],
            "author": ["tom"] * 9000,
        }
    )
    report = mill.label(
        write(frame, mill.folder / "in.parquet"),
        str(mill.folder / "out.csv"),
        source_map={"many": ["F1"], "rare": ["B1"]},
        step_rows=4000,
    )
    assert mill.sample(report["id"], rows=100, name="rare").height == 30
    assert mill.sample(report["id"], rows=1000).height == 1000


def test_a_table_of_somebody_else_is_not_written_to(mill: Any, source: str) -> None:
    """A table with the name of the results but other columns stays as it is."""
    with sqlite3.connect(mill.folder / "out.db") as database:
        database.execute("CREATE TABLE posts_labels (mine TEXT)")
    database.close()
    before = (mill.folder / "out.db").read_bytes()
    with pytest.raises(Conflict, match="posts_labels"):
        mill.start(source, str(mill.folder / "out.db"))
    assert (mill.folder / "out.db").read_bytes() == before


@pytest.mark.parametrize("asked", [{"name": "posts_labels"}, {"source_map": {"POSTS_LABELS": ["F1"]}}])
def test_p20_the_table_that_is_read_is_never_written_to(mill: Any, source: str, asked: dict[str, Any]) -> None:
    """Labelling results again must not add to the results that are read, not even spelled otherwise."""
    database = str(mill.folder / "out.db")
    mill.label(source, database)
    with pytest.raises(Conflict, match="the table that is read") as caught:
        mill.start(f"{database}::posts_labels", database, text_column="match_content", source_column="field_content", **asked)
    assert "another" in caught.value.way_out


def test_p20_nor_under_the_name_of_a_source_that_no_map_knows(mill: Any, source: str) -> None:
    """A source id that happens to be the name of the table is found out when its rows come."""
    database = str(mill.folder / "out.db")
    mill.label(source, database)
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE posts_labels SET field_content = 'posts_labels'")
        (before,) = connection.execute("SELECT count(*) FROM posts_labels").fetchone()
    connection.close()
    task_id = mill.start(
        f"{database}::posts_labels",
        database,
        text_column="match_content",
        source_column="field_content",
        source_map={"a": ["b"]},
    )
    job = run_or_watch(mill.app.runtime, task_id)
    assert job.state == "failed"
    assert "the table that is read" in str(job.error)
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM posts_labels").fetchone() == (before,)
    connection.close()


def test_names_of_results_that_are_too_long(mill: Any, source: str) -> None:
    """With the prefix of production they must fit every database."""
    with pytest.raises(BadSource, match="longer than") as caught:
        mill.start(source, str(mill.folder / "out.db"), source_map={"n" * 60: ["F1"]})
    assert "shorter" in caught.value.way_out


@pytest.mark.parametrize("hostile", HOSTILE)
def test_p20_statements_in_names_are_names(mill: Any, posts: Any, write_to_table: Any, read_rows: Any, hostile: str) -> None:
    """A table, a column and a result may have any name: it never becomes part of a statement."""
    frame = posts(30).rename({"author": hostile})
    url = f"sqlite:///{mill.folder / 'in.db'}"
    write_to_table(frame, url, "posts")
    untouched = (mill.folder / "in.db").read_bytes()
    report = mill.label(
        f"{url}::posts",
        str(mill.folder / "out.db"),
        text_column=hostile,
        author_column=hostile,
        source_map={hostile: ["F1", "F2", "B1", "X9"]},
    )
    assert (mill.folder / "in.db").read_bytes() == untouched
    tables = sqlite3.connect(mill.folder / "out.db")
    names = {name for (name,) in tables.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    tables.close()
    assert {hostile, f"wh_panel_mapping_{hostile}"} <= names
    assert report["results"][hostile] > 0


def test_p12_a_full_disk_is_told_and_the_task_goes_on_after_it(
    mill: Any, posts: Any, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No space for a step's file: the step is tried again and the result is whole."""
    from labelmill.labeltasks.workplace import Workplace

    place = write(posts(200), mill.folder / "posts.parquet")
    original: Callable[..., None] = Workplace._write
    failures = iter([True, False, True])

    def full(self: Workplace, path: Path, make: Callable[[Path], object]) -> None:
        if next(failures, False):
            original(
                self, path, lambda temporary: (temporary.touch(), (_ for _ in ()).throw(OSError(28, "No space left on device")))
            )
        original(self, path, make)

    monkeypatch.setattr(Workplace, "_write", full)
    report = mill.label(place, str(mill.folder / "out.parquet"))
    assert report["rows_read"] == 200
    assert not list(mill.app.work_root.rglob(".*")), "a half-written file was left"


def test_a_source_that_vanishes_fails_the_task_with_its_reason(mill: Any, posts: Any, write: Any) -> None:
    """The job says why, and can be retried once the file is back."""
    place = write(posts(50), mill.folder / "posts.parquet")
    task_id = mill.start(place, str(mill.folder / "out.csv"))
    away = Path(place).rename(place + ".away")
    job = run_or_watch(mill.app.runtime, task_id)
    assert job.state == "failed"
    assert "posts.parquet" in str(job.error)
    away.rename(place)
    mill.app.database.transact(jobs.retry, task_id)
    assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"


def test_another_version_of_polars_is_refused(mill: Any, posts: Any, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Authors might meet in other buckets: the step says so instead of counting wrongly."""
    from labelmill.labeltasks import jobs as steps

    place = write(posts(50), mill.folder / "posts.parquet")
    task_id = mill.start(place, str(mill.folder / "out.csv"))
    checked = steps._check_version
    monkeypatch.setattr(steps, "_check_version", lambda payload: checked(payload | {"polars": "0.0.1", "hashes": "0"}))
    job = run_or_watch(mill.app.runtime, task_id)
    assert job.state == "failed"
    assert "polars 0.0.1" in str(job.error)


@pytest.mark.parametrize("kept", [("polars",), ("hashes",)], ids=["begun-by-an-older-version", "begun-with-an-older-library"])
def test_a_task_goes_on_after_an_upgrade_that_spreads_authors_alike(
    mill: Any, posts: Any, write: Any, monkeypatch: pytest.MonkeyPatch, kept: tuple[str, ...]
) -> None:
    """What counts is the hash, not the version; tasks of older versions say the version only."""
    from labelmill.labeltasks import jobs as steps

    place = write(posts(50), mill.folder / "posts.parquet")
    task_id = mill.start(place, str(mill.folder / "out.csv"))
    checked = steps._check_version
    then = {"polars": "0.0.1"}

    def older(payload: dict[str, Any]) -> None:
        checked({name: payload[name] for name in kept} | {name: value for name, value in then.items() if name not in kept})

    monkeypatch.setattr(steps, "_check_version", older)
    assert run_or_watch(mill.app.runtime, task_id).state == "succeeded"


def test_a_sample_of_nothing_and_of_too_much(mill: Any) -> None:
    """An unknown task is not found; a sample has a size."""
    with mill.app.database.read() as connection, pytest.raises(NotFound):
        service.get(connection, "0" * 32)
    with pytest.raises(BadInput, match="1 to 1000"):
        mill.sample("0" * 32, rows=0)
    assert mill.sample("0" * 32).height == 0


def test_a_utf16_file_without_text_is_counted_not_lost(mill: Any) -> None:
    """Empty cells are rows without text."""
    pl.DataFrame({"author": ["", "tom", ""]}).write_csv(mill.folder / "a.csv")
    (mill.folder / "in.csv").write_text((mill.folder / "a.csv").read_text(encoding="utf-8"), encoding="utf-16")
    report = mill.label(str(mill.folder / "in.csv"), str(mill.folder / "out.csv"))
    assert report["rows_read"] >= 1
    assert report["rows_labelled"] == 1
