"""A column's name is a name, also where polars would read it as a pattern for many columns."""

from __future__ import annotations

import json
from datetime import datetime

import polars as pl
import pytest
import sqlalchemy as sa

from labelmill.db.bulk.columns import pick_columns
from labelmill.db.bulk.files import open_file
from labelmill.db.bulk.insert import insert_frame
from labelmill.db.bulk.location import at_url, parse_location
from labelmill.db.bulk.sink import concat_parts, write_file
from labelmill.db.bulk.spool import open_spool, spool
from labelmill.db.bulk.sql import open_table
from labelmill.db.engine import make_engine
from labelmill.errors import BadInput, BadSource

NAMES = ["time", "*", "^.*$", "^t.*$", "text", "**", "^*$", "^time$", "^(.)$"]
ROWS = [tuple(f"{name} of {row}" for name in NAMES) for row in range(5)]
FORMATS = ["csv", "tsv", "jsonl", "parquet"]
CHOICES = [NAMES, NAMES[::-1], ["*"], ["^.*$"], ["^t.*$", "*"], ["text", "^.*$"]]


@pytest.fixture
def frame() -> pl.DataFrame:
    return pl.DataFrame(ROWS, schema=dict.fromkeys(NAMES, pl.String), orient="row")


def open_written(folder, ending: str, frame: pl.DataFrame):
    """Write without the code that is tested here, and open."""
    path = folder / f"posts.{ending}"
    if ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dicts()))
    elif ending == "parquet":
        frame.write_parquet(path)
    else:
        path.write_text("\n".join({"csv": ",", "tsv": "\t"}[ending].join(row) for row in [NAMES, *frame.rows()]))
    return open_file(parse_location(str(path)))


def chosen(frames, columns) -> list[tuple]:
    frames = list(frames)
    assert all(frame.columns == list(columns) for frame in frames)
    return [row for frame in frames for row in frame.rows()]


def expected(columns) -> list[tuple]:
    return [tuple(f"{name} of {row}" for name in columns) for row in range(5)]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("columns", CHOICES)
def test_each_format_gives_the_columns_of_exactly_these_names(tmp_path, frame, ending, columns):
    source = open_written(tmp_path, ending, frame)
    assert [column.name for column in source.table.columns] == NAMES
    assert chosen(source.read(columns, batch_rows=2), columns) == expected(columns)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("columns", CHOICES)
def test_a_spool_gives_them_too(tmp_path, frame, ending, columns):
    """The spool may hold more columns than are read of it."""
    source = open_written(tmp_path, ending, frame)
    parts = spool(source, NAMES, tmp_path / "spool", 2)
    spooled = open_spool(tmp_path / "spool", source.table)
    assert [row for part in parts for row in chosen(spooled.read(columns, part), columns)] == expected(columns)


@pytest.mark.parametrize("columns", CHOICES)
def test_slow_ways_of_reading_text_know_the_names_too(tmp_path, columns):
    """Quotes and a refused row turn the quick way off."""
    lines = [",".join(f'"{cell}"' for cell in row) for row in [NAMES, *ROWS]]
    (tmp_path / "posts.csv").write_text("\n".join([*lines, "broken"]))
    source = open_file(parse_location(str(tmp_path / "posts.csv")))
    assert chosen(source.read(columns), columns) == expected(columns)
    assert source.rejected == 1


def test_nested_values_and_times_under_such_names_are_read(tmp_path):
    """What becomes text on the way is that of its own column."""
    frame = pl.DataFrame([pl.Series("*", [[1], None]), pl.Series("^.*$", [{"a": 1}, None]), pl.Series("t", ["x", "y"])])
    frame.write_parquet(tmp_path / "posts.parquet")
    source = open_file(parse_location(str(tmp_path / "posts.parquet")))
    assert chosen(source.read(["^.*$", "*"]), ["^.*$", "*"]) == [('{"a":1}', "[1]"), (None, None)]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("columns", [None, *CHOICES])
def test_parts_are_joined_by_the_names(tmp_path, frame, ending, columns):
    frame.write_parquet(tmp_path / "part.parquet")
    concat_parts([tmp_path / "part.parquet"], tmp_path / f"out.{ending}", columns=columns)
    wanted = columns or NAMES
    assert chosen(open_file(parse_location(str(tmp_path / f"out.{ending}"))).read(wanted), wanted) == expected(wanted)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("defuse", [False, True])
def test_they_are_written_and_read_back(tmp_path, frame, ending, defuse):
    write_file(tmp_path / f"out.{ending}", [frame], frame.schema, defuse=defuse)
    assert chosen(open_file(parse_location(str(tmp_path / f"out.{ending}"))).read(NAMES), NAMES) == ROWS


@pytest.mark.parametrize("ending", FORMATS)
def test_a_pattern_that_is_no_name_is_no_column(tmp_path, frame, ending):
    """The error says which there are."""
    source = open_written(tmp_path, ending, frame)
    with pytest.raises(BadSource, match=r"'\^p\.\*\$'") as caught:
        list(source.read(["^p.*$"]))
    assert "^t.*$" in caught.value.way_out


@pytest.mark.parametrize("ending", FORMATS)
def test_a_column_is_asked_for_once(tmp_path, frame, ending):
    """A frame cannot have a name twice: an error of ours, from a file and from its spool."""
    source = open_written(tmp_path, ending, frame)
    spool(source, NAMES, tmp_path / "spool", 2)
    for each in (source, open_spool(tmp_path / "spool", source.table)):
        with pytest.raises(BadSource, match=r"'\*' is asked for twice") as caught:
            list(each.read(["*", "text", "*"]))
        assert caught.value.way_out


def test_a_column_that_parts_lack_is_named(tmp_path, frame):
    frame.write_parquet(tmp_path / "part.parquet")
    with pytest.raises(BadSource, match="'missing'"):
        concat_parts([tmp_path / "part.parquet"], tmp_path / "out.csv", columns=["missing"])
    with pytest.raises(BadSource, match="'missing'"):
        pick_columns(frame, ["missing"])


def test_tables_take_and_give_them(database_url, frame):
    """Into a table and out of it again."""
    engine = make_engine(database_url)
    table = sa.Table("posts", sa.MetaData(), *(sa.Column(name, sa.Text) for name in NAMES))
    table.create(engine)
    with engine.begin() as connection:
        insert_frame(connection, table, frame)
    with open_table(at_url(engine.url, table="posts")) as source:
        for columns in CHOICES:
            assert sorted(chosen(source.read(columns), columns)) == sorted(expected(columns))
    engine.dispose()


def test_numbers_and_times_of_tables_under_such_names(database_url):
    """Each kind of value goes its own way in and out."""
    engine = make_engine(database_url)
    at = sa.DateTime().with_variant(sa.dialects.mysql.DATETIME(fsp=6), "mysql")
    table = sa.Table("posts", sa.MetaData(), sa.Column("*", sa.Integer), sa.Column("^.*$", at), sa.Column("^r.*$", sa.Double))
    table.create(engine)
    frame = pl.DataFrame({"*": [1], "^.*$": [datetime(2020, 1, 2, 3, 4, 5)], "^r.*$": [0.5]})
    with engine.begin() as connection:
        insert_frame(connection, table, frame)
        with pytest.raises(BadInput, match="row 1"):
            insert_frame(connection, table, pl.DataFrame({"^r.*$": [float("nan")]}))
    with open_table(at_url(engine.url, table="posts")) as source:
        [(number, moment, real)] = chosen(source.read(["*", "^.*$", "^r.*$"]), ["*", "^.*$", "^r.*$"])
    assert (number, str(moment)[:19], real) == (1, "2020-01-02 03:04:05", 0.5)
    engine.dispose()


def test_a_refused_row_of_sqlite_leaves_the_others(tmp_path):
    """A text that is not UTF-8 takes its own row only, whatever the columns are named."""
    path = tmp_path / "posts.db"
    engine = make_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql('CREATE TABLE posts ("*" TEXT, "row index of this frame" TEXT)')
        connection.exec_driver_sql("INSERT INTO posts VALUES ('a', 1), (CAST(x'ff' AS TEXT), 2), ('c', 3)")
    engine.dispose()
    with open_table(parse_location(f"{path}::posts")) as source:
        columns = ["*", "row index of this frame"]
        assert chosen(source.read(columns), columns) == [("a", "1"), ("c", "3")]
        assert source.rejected == 1
