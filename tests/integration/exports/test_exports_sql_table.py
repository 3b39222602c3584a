"""Exports into SQL tables on every database: new rows are added, changed ones changed, and all others stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from labelmill.datasets import RecordFilter, record_rows
from labelmill.datasets.tables import datasets as dataset_rows
from labelmill.db.bulk.location import Location, at_url
from labelmill.db.engine import make_engine
from labelmill.errors import BadSource, Conflict, Unavailable
from labelmill.exports import Format, Request, reading, sql_table
from labelmill.exports.service import Reading, TableExport, export_to_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from labelmill.datasets.service import Dataset

#: All columns, one of them of another type.
OTHER_TYPE = """record_key VARCHAR(32) PRIMARY KEY, id VARCHAR(9), text INTEGER, label VARCHAR(9), tied INTEGER, agreement FLOAT,
    answers INTEGER, votes VARCHAR(99), predicted VARCHAR(9), confidence FLOAT"""
TEXTS = {"one": "r1", "two, \"and\" 'more'": "r2", "line\nline \\N NULL": "r3", "志明 😀": "007", "": "r5", " Tom ": "r 6"}


@pytest.fixture
def outside(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[Engine]:
    """Give somebody's database, which is not labelmill's."""
    is_file = database_kind == "sqlite"
    engine = make_engine(f"sqlite:///{tmp_path}/theirs.db" if is_file else request.getfixturevalue(f"{database_kind}_database"))
    yield engine
    engine.dispose()


def place(outside: Engine, table: str | None = "labels", schema: str | None = None) -> Location:
    return at_url(outside.url, table=table, schema=schema)


def export(lab: Any, dataset: Dataset, location: Location, **where: Any) -> TableExport:
    request = Request(format=Format.PARQUET, where=RecordFilter(**where))
    told: list[int] = []
    done = export_to_table(
        Reading.begin(lab.database, lab.blobs, dataset.id, request), location, lambda rows, _total: told.append(rows)
    )
    assert told == sorted(told)
    return done


def counts(done: TableExport) -> tuple[int, int, int]:
    return done.added, done.changed, done.same


def rows(outside: Engine, name: str = "labels") -> list[dict[str, Any]]:
    table = outside.dialect.identifier_preparer.quote_identifier(name)
    with outside.connect() as connection:
        return [dict(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}").mappings()]


def run(outside: Engine, *statements: str) -> None:
    with outside.begin() as connection:
        for each in statements:
            connection.exec_driver_sql(each)


def test_a_table_is_made_and_follows_the_dataset(small_lab: Any, outside: Engine) -> None:
    lab = small_lab
    dataset = lab.filled("text", {text: given for text, given in TEXTS.items() if text}, labels=("spam", "ham"))
    ids = lab.ids(dataset)
    lab.answer(dataset, ids[0], 1, "spam")
    assert counts(export(lab, dataset, place(outside))) == (5, 0, 0)
    made = rows(outside)
    assert {row["text"]: row["id"] for row in made} == {text: given for text, given in TEXTS.items() if text}
    keys = lab.column(sa.select(record_rows.c.record_key).order_by(record_rows.c.record_key))
    assert sorted(row["record_key"] for row in made) == keys
    [first] = [row for row in made if row["id"] == "r1"]
    assert (first["label"], first["answers"], first["agreement"], bool(first["tied"])) == ("spam", 1, 1.0, False)
    assert (first["votes"], first["predicted"]) == ('{"spam":1}', None)
    assert counts(export(lab, dataset, place(outside))) == (0, 0, 5)
    lab.answer(dataset, ids[1], 1, "ham")
    lab.add(dataset, ["a new one"])
    assert counts(export(lab, dataset, place(outside))) == (1, 1, 4)
    assert {row["id"]: row["label"] for row in rows(outside) if row["label"]} == {"r1": "spam", "r2": "ham"}


def test_rows_and_columns_of_others_stay(small_lab: Any, outside: Engine) -> None:
    lab = small_lab
    dataset = lab.filled("text", {"one": "r1", "two": "r2"})
    export(lab, dataset, place(outside))
    lab.answer(dataset, lab.ids(dataset)[0], 1, "x")
    run(
        outside,
        "ALTER TABLE labels ADD COLUMN checked INTEGER DEFAULT 7",
        "UPDATE labels SET checked = 8",
        "INSERT INTO labels (record_key, text, answers, tied) VALUES ('theirs', 'of somebody else', 9, {})".format(
            "false" if outside.dialect.name == "postgresql" else "0"
        ),
    )
    assert counts(export(lab, dataset, place(outside), is_answered=True)) == (0, 1, 0)
    found = {row["text"]: (row["label"], row["checked"]) for row in rows(outside)}
    assert found == {"one": ("x", 8), "two": (None, 8), "of somebody else": (None, 7)}


def test_fields_of_every_kind_and_name_come_as_they_are(small_lab: Any, outside: Engine) -> None:
    """Reserved words, statements, patterns of polars and names of our own are names like any other."""
    contents = [
        '{"select": 1, "a\\"; DROP TABLE labels; --": "x", "*": 0.1, "^a$": true, "label": "theirs", "record_key": "k", "`": "y", "%s :x": 1.5}',
        '{"select": -9007199254740993, "*": 1e300, "^a$": false, "label": null, "nested": {"a": [1]}}',
    ]
    dataset = small_lab.filled("tabular", dict.fromkeys(contents))
    names = ["select", 'a"; DROP TABLE labels; --', "*", "^a$", "field.label", "field.record_key", "`", "%s :x", "nested"]
    assert counts(export(small_lab, dataset, place(outside))) == (2, 0, 0)
    first, second = sorted(rows(outside), key=lambda row: -row["select"])
    assert [first[each] for each in names] == [1, "x", 0.1, True, "theirs", "k", "y", 1.5, None]
    assert [second[each] for each in names] == [-9007199254740993, None, 1e300, False, None, None, None, None, '{"a":[1]}']
    assert counts(export(small_lab, dataset, place(outside))) == (0, 0, 2)


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "FIRST", 200)


@pytest.mark.usefixtures("small_slices")
def test_many_records_in_several_slices(small_lab: Any, outside: Engine) -> None:
    dataset = small_lab.filled("text", {f"text {number}": f"r{number}" for number in range(1_300)})
    assert counts(export(small_lab, dataset, place(outside))) == (1_300, 0, 0)
    run(outside, "UPDATE labels SET answers = 5 WHERE id LIKE 'r1%%'", "DELETE FROM labels WHERE id LIKE 'r2%%'")
    assert counts(export(small_lab, dataset, place(outside))) == (111, 411, 778)
    assert counts(export(small_lab, dataset, place(outside))) == (0, 0, 1_300)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("id INTEGER PRIMARY KEY, text VARCHAR(20)", "primary key is not record_key"),
        ("record_key VARCHAR(32), text VARCHAR(20)", "primary key is not record_key"),
        ("record_key VARCHAR(32) PRIMARY KEY, text VARCHAR(20)", "has no column 'id', 'label'"),
        (OTHER_TYPE, "its column 'text' is INT"),
    ],
)
def test_a_table_of_another_form_is_refused_and_stays(small_lab: Any, outside: Engine, columns: str, told: str) -> None:
    dataset = small_lab.filled("text", {"one": "r1"})
    run(outside, f"CREATE TABLE labels ({columns})")
    with pytest.raises(Conflict, match=told):
        export(small_lab, dataset, place(outside))
    assert rows(outside) == []


def test_a_value_that_does_not_fit_is_told_with_its_column(small_lab: Any, outside: Engine) -> None:
    if outside.dialect.name == "sqlite":
        pytest.skip("SQLite's texts are of any length")
    dataset = small_lab.filled("text", {"a text of more than twenty characters": "r1"})
    export(small_lab, dataset, place(outside))
    run(outside, "DELETE FROM labels")
    change = "ALTER COLUMN text TYPE VARCHAR(20)" if outside.dialect.name == "postgresql" else "MODIFY text VARCHAR(20)"
    run(outside, f"ALTER TABLE labels {change}")
    with pytest.raises(Exception, match=r"longer than the 20 characters|too long") as caught:
        export(small_lab, dataset, place(outside))
    assert "text" in str(getattr(caught.value, "where", ""))


def test_names_that_a_database_does_not_take_are_refused(small_lab: Any, outside: Engine) -> None:
    dataset = small_lab.filled("text", {"one": "r1"})
    with pytest.raises(BadSource, match="takes no table"):
        export(small_lab, dataset, place(outside, "x" * 2_000))
    with pytest.raises(BadSource, match="names no table"):
        export(small_lab, dataset, place(outside, None))
    if outside.dialect.name == "sqlite":
        with pytest.raises(BadSource, match="for itself"):
            export(small_lab, dataset, place(outside, "sqlite_labels"))
    else:
        with pytest.raises(BadSource, match="refuses"):
            export(small_lab, dataset, at_url(outside.url.set(database="nothing_there"), table="labels"))
    twins = small_lab.filled("tabular", {'{"Name": 1, "name": 2}': None})
    with pytest.raises(BadSource, match="would be one"):
        export(small_lab, twins, place(outside))


@pytest.mark.parametrize("table", ["select", "a b", "a.b", 'x"; DROP TABLE y; --', "%s :x ?"])
def test_any_other_name_is_only_a_name(small_lab: Any, outside: Engine, table: str) -> None:
    dataset = small_lab.filled("text", {"one": "r1"})
    assert counts(export(small_lab, dataset, place(outside, table))) == (1, 0, 0)
    assert counts(export(small_lab, dataset, place(outside, table))) == (0, 0, 1)
    assert [row["text"] for row in rows(outside, table)] == ["one"]


def test_a_user_without_the_right_to_write_is_told(small_lab: Any, postgresql_database: str) -> None:
    """Neither a table is made nor a row written."""
    dataset = small_lab.filled("text", {"one": "r1"})
    engine = make_engine(postgresql_database)
    role = f"reader_{make_url(postgresql_database).database}"[-60:]
    run(engine, f"CREATE ROLE {role} LOGIN PASSWORD 'pw'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    try:
        location = at_url(engine.url.set(username=role, password="pw"), table="labels")
        with pytest.raises(BadSource, match="permission denied"):
            export(small_lab, dataset, location)
        export(small_lab, dataset, place(engine))
        run(engine, f"GRANT SELECT ON labels TO {role}", "DELETE FROM labels")
        with pytest.raises(BadSource, match="permission denied"):
            export(small_lab, dataset, location)
        assert rows(engine) == []
    finally:
        run(engine, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
        engine.dispose()


def test_a_server_that_does_not_answer_is_told(small_lab: Any) -> None:
    dataset = small_lab.filled("text", {"one": "r1"})
    for url in ("postgresql://nobody@127.0.0.1:1/nothing", "mariadb://nobody@127.0.0.1:1/nothing"):
        with pytest.raises(Unavailable, match="does not answer"):
            export(small_lab, dataset, at_url(make_url(url), table="labels"))


@pytest.mark.usefixtures("small_slices")
def test_an_export_that_broke_off_is_finished_by_the_next(
    small_lab: Any, outside: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = small_lab.filled("text", {f"text {number}": None for number in range(450)})

    def fail(_place: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sql_table, "passing", fail)
    with pytest.raises(KeyboardInterrupt):
        export(small_lab, dataset, place(outside))
    monkeypatch.undo()
    there = len(rows(outside))
    assert 0 < there < 450
    assert counts(export(small_lab, dataset, place(outside))) == (450 - there, 0, there)


def test_records_that_are_imported_again_are_the_same_rows(small_lab: Any, outside: Engine) -> None:
    first = small_lab.filled("text", {"one": "r1", "two": None})
    export(small_lab, first, place(outside))
    with small_lab.database.write() as connection:
        connection.execute(sa.update(dataset_rows).values(name="old"))
    again = small_lab.filled("text", {"two": None, "one": "r1"})
    assert counts(export(small_lab, again, place(outside))) == (0, 0, 2)
