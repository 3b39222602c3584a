"""Tables of results that somebody made by hand, with types of their own, get the same rows as ours."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from labelmill.db.engine import make_engine

COLUMNS = "id varchar(255), task_id char(32), source_author name, panel text, create_time timestamptz, field_content text, match_content text, match_meta jsonb"


def test_t19_a_table_with_other_types_gets_the_same_rows(
    mill: Any, posts: Any, write: Any, source_map: Any, postgresql_database: str
) -> None:
    source = write(posts(500), mill.folder / "posts.csv")
    engine = make_engine(postgresql_database, foreign=True)
    rows = sa.text(
        'SELECT id, trim(task_id), source_author::text, panel, create_time::timestamp::text, match_content FROM "forum" ORDER BY id, panel'
    )
    try:
        ours = mill.label(source, postgresql_database, source_map=source_map)
        with engine.begin() as connection:
            expected = [(*row[:1], *row[2:]) for row in connection.execute(rows)]
            connection.execute(sa.text('DROP TABLE "forum"'))
            connection.execute(sa.text(f'CREATE TABLE "forum" ({COLUMNS})'))
        theirs = mill.label(source, postgresql_database, source_map=source_map)
        with engine.connect() as connection:
            found = [(*row[:1], *row[2:]) for row in connection.execute(rows)]
    finally:
        engine.dispose()
    assert expected
    assert found == expected
    assert theirs["production"] == ours["production"]
