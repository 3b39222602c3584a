"""Rows of a SQL query, as `labelmill import --sql` reads them: the same from every database, and nothing is ever written."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from labelmill.datasets import imports
from labelmill.db.bulk.location import parse_location
from labelmill.db.engine import make_engine
from labelmill.errors import BadSource

ROWS = [(1, "a: b"), (2, None), (3, "100 % \u597d"), (4, "left out")]


@pytest.fixture
def posts(database_url: str) -> str:
    engine = make_engine(sa.make_url(database_url))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE posts (id INTEGER PRIMARY KEY, body VARCHAR(100))")
        connection.execute(sa.text("INSERT INTO posts VALUES (:id, :body)"), [{"id": id_, "body": body} for id_, body in ROWS])
    engine.dispose()
    return database_url


def test_the_rows_of_a_query_are_records(posts: str) -> None:
    query = "SELECT id, body AS text FROM posts WHERE body LIKE '%: b' OR body LIKE '100 %' OR body IS NULL ORDER BY id;"
    seen = imports.inspect(parse_location(posts), query=query)
    assert [column.name for column in seen.columns] == ["id", "text"]
    made = list(imports.read(parse_location(posts), imports.usual_mapping(seen), query=query))
    assert [row for each in made for row in each.frame.select("given_id", "content").rows()] == [
        ("1", "a: b"),
        ("3", "100 % \u597d"),
    ]
    assert [(reject.place, reject.reason) for each in made for reject in each.rejects] == [(2, "its text is empty")]


@pytest.mark.parametrize("query", ["DELETE FROM posts", "UPDATE posts SET body = 'x'", "SELEC 1", "SELECT nothing FROM posts"])
def test_what_is_no_reading_query_is_refused_and_changes_nothing(posts: str, query: str) -> None:
    with pytest.raises(BadSource):
        imports.inspect(parse_location(posts), query=query)
    engine = make_engine(sa.make_url(posts))
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT id, body FROM posts ORDER BY id")).all() == ROWS
    engine.dispose()
