"""Rows of a task at random places of the tables in its sink: never none, all alike, few looked at."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from labelmill.db.bulk.location import Location, at_url
from labelmill.db.engine import make_engine
from labelmill.errors import BadFile, BadSource, Unavailable
from labelmill.labeltasks import table_sample
from labelmill.labeltasks.frames import RESULT_COLUMNS
from labelmill.labeltasks.result_tables import ResultTables
from labelmill.labeltasks.table_sample import sample_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MINE, OTHERS = "a" * 32, "b" * 32
MOMENT = datetime(2020, 1, 1, 0, 0, 3)


def _place(url: str) -> Location:
    return at_url(sa.make_url(url), table=None)


def _row(number: int, task_id: str, **more: Any) -> dict[str, Any]:
    return {
        "row_id": number, "id": f"p{number}", "task_id": task_id, "source_author": f"F1_林淑芬🌸 {number}", "panel": "/female",
        "create_time": MOMENT, "field_content": "F1", "match_content": "林淑芬🌸", "match_meta": "[]",
    } | more  # fmt: skip


@pytest.fixture
def fill(database_url: str) -> Callable[..., None]:
    """Return a function that adds rows of tasks to a table of results, which it makes."""
    tables = ResultTables(None)

    def add(name: str, rows: Iterator[tuple[int, str]] | list[tuple[int, str]], **more: Any) -> None:
        engine = make_engine(database_url, foreign=True)
        table = tables.results(name)
        with engine.begin() as connection:
            table.create(connection, checkfirst=True)
            found = [_row(number, task_id, **more) for number, task_id in rows]
            for start in range(0, len(found), 2000):
                connection.execute(sa.insert(table), found[start : start + 2000])
        engine.dispose()

    return add


def _numbers(rows: list[dict[str, Any]]) -> list[int]:
    return [int(row["id"][1:]) for row in rows]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Make few mean 100 rows, so that a table of thousands is a large one."""
    monkeypatch.setattr(table_sample, "FEW", 100)
    return 100


@pytest.mark.parametrize("count", [1, 7, 50, 51, 400])
def test_a_sample_has_as_many_rows_as_there_are_and_at_most_those_asked_for(
    database_url: str, fill: Callable[..., None], count: int
) -> None:
    fill("wh_a", [(number, MINE) for number in range(1, count + 1)])
    drawn = sample_tables(_place(database_url), MINE, ["a"], prefix="wh_")
    assert len(drawn) == min(50, count)
    assert len(set(_numbers(drawn))) == len(drawn)
    assert list(drawn[0]) == list(RESULT_COLUMNS)
    assert drawn[0] == {name: value for name, value in _row(_numbers(drawn)[0], MINE).items() if name != "row_id"}


def test_the_same_seed_draws_the_same_rows_and_another_others(database_url: str, fill: Callable[..., None], few: int) -> None:
    fill("a", [(number, MINE) for number in range(1, 3001)])
    fill("small", [(number, MINE) for number in range(1, few)])
    draws = {seed: sample_tables(_place(database_url), MINE, ["a", "small"], seed=seed) for seed in (1, 2)}
    assert draws[1] == sample_tables(_place(database_url), MINE, ["a", "small"], seed=1)
    assert draws[1] != draws[2]
    assert [len(drawn) for drawn in draws.values()] == [100, 100]
    without = [_numbers(sample_tables(_place(database_url), MINE, ["a"])) for _ in range(3)]
    assert len({tuple(numbers) for numbers in without}) > 1


def test_rows_of_a_large_table_come_from_all_over_it(database_url: str, fill: Callable[..., None], few: int) -> None:
    """Of 20 draws of 50, each tenth of the table has its share: 100 rows, give or take what chance gives and takes."""
    fill("a", [(number, MINE) for number in range(1, 3001)])
    tenths = Counter(
        (number - 1) // 300
        for seed in range(20)
        for number in _numbers(sample_tables(_place(database_url), MINE, ["a"], seed=seed))
    )
    assert set(tenths) == set(range(10))
    assert all(60 <= count <= 145 for count in tenths.values()), tenths


def test_only_the_tasks_own_rows_are_drawn_however_thin_they_lie(
    database_url: str, fill: Callable[..., None], few: int
) -> None:
    """Every seventh row of the table, and in another one three clumps far from each other."""
    fill("a", [(number, MINE if number % 7 == 0 else OTHERS) for number in range(1, 3001)])
    clumps = [*range(1, 200), *range(10_000_000, 10_000_050), *range(2_000_000_000, 2_000_000_005)]
    fill("b", [(number, MINE) for number in clumps])
    for seed in range(5):
        thin = sample_tables(_place(database_url), MINE, ["a"], seed=seed)
        assert (len(thin), {number % 7 for number in _numbers(thin)}) == (50, {0})
        clumped = _numbers(sample_tables(_place(database_url), MINE, ["b"], seed=seed))
        assert (len(clumped), len(set(clumped)), set(clumped) <= set(clumps)) == (50, 50, True)


def test_t16_a_table_without_production_yet_gives_what_is_to_become_it(database_url: str, fill: Callable[..., None]) -> None:
    fill("a", [(1, MINE), (2, MINE)], panel="/result")
    fill("wh_a", [(1, OTHERS)], panel="/production")
    fill("b", [(1, MINE)], panel="/result")
    fill("wh_b", [(1, MINE)], panel="/production")
    fill("c", [(1, OTHERS)])
    drawn = sample_tables(_place(database_url), MINE, ["a", "b", "c", "nothing"], prefix="wh_")
    assert [row["panel"] for row in drawn] == ["/result", "/result", "/production"]


@pytest.mark.parametrize("rows", [3, 300])
def test_a_table_that_numbers_no_rows_is_drawn_from_too(database_url: str, rows: int) -> None:
    """The predecessor's own tables: no key, no index, short texts, no match_meta."""
    engine = make_engine(database_url, foreign=True)
    columns = [sa.Column(each, sa.DateTime() if each == "create_time" else sa.String(200)) for each in RESULT_COLUMNS[:-1]]
    table = sa.Table("old", sa.MetaData(), *columns, mysql_charset="utf8mb4")
    kept = set(RESULT_COLUMNS[:-1])
    made = [{name: value for name, value in _row(n, MINE if n % 3 else OTHERS).items() if name in kept} for n in range(rows)]
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(sa.insert(table), made)
    engine.dispose()
    drawn = sample_tables(_place(database_url), MINE, ["old"])
    assert len(drawn) == min(50, rows * 2 // 3)
    assert {row["task_id"] for row in drawn} == {MINE}
    assert list(drawn[0]) == list(RESULT_COLUMNS[:-1])
    assert drawn[0]["create_time"] == MOMENT


def test_a_table_of_something_else_and_names_that_are_statements_give_nothing(
    database_url: str, fill: Callable[..., None]
) -> None:
    fill("a", [(1, MINE)])
    engine = make_engine(database_url, foreign=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE other (task_id VARCHAR(32), secret VARCHAR(20))"))
        connection.execute(sa.text(f"INSERT INTO other VALUES ('{MINE}', 'hunter2')"))
    engine.dispose()
    hostile = ["other", 'a"; DROP TABLE a; --', "a` WHERE 1=1 --", "", "x" * 500]
    assert sample_tables(_place(database_url), MINE, hostile) == []
    assert sample_tables(_place(database_url), "' OR '1'='1", ["a"]) == []
    assert len(sample_tables(_place(database_url), MINE, ["a"])) == 1


def test_of_a_large_table_few_rows_are_looked_at(
    database_url: str, fill: Callable[..., None], few: int, monkeypatch: Any
) -> None:
    """What is read is counted by what the database was asked for: rounds of points, never the whole table."""
    fill("a", [(number, MINE) for number in range(1, 3001)])
    asked: list[str] = []
    make = table_sample.make_engine

    def watched(*arguments: Any, **options: Any) -> sa.Engine:
        engine = make(*arguments, **options)
        sa.event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
        return engine

    monkeypatch.setattr(table_sample, "make_engine", watched)
    sample_tables(_place(database_url), MINE, ["a"], seed=1)
    looks = [statement for statement in asked if re.search(r"\btask_id = .+|\brow_id IN", statement)]
    assert 3 <= len(looks) <= 3 + table_sample.ROUNDS
    assert all("LIMIT" in statement or " IN (" in statement for statement in looks), looks


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "out.db"
    assert sample_tables(_place(f"sqlite:///{path}"), MINE, ["a"]) == []
    assert not path.exists()


def test_what_is_no_database_or_does_not_answer_is_told(tmp_path: Path) -> None:
    (tmp_path / "out.db").write_text("this is no database at all")
    with pytest.raises(BadFile):
        sample_tables(_place(f"sqlite:///{tmp_path}/out.db"), MINE, ["a"])
    with pytest.raises(BadSource):
        sample_tables(Location(format="csv", path=tmp_path / "out.csv"), MINE, ["a"])
    with pytest.raises(Unavailable) as raised:
        sample_tables(_place("mariadb://ann:hunter2@127.0.0.1:1/out"), MINE, ["a"])
    assert "hunter2" not in str(raised.value)
