"""People read state and results with SQL: by task_id, with keys and indexes, as the guide says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from labelmill.db.engine import make_engine

GUIDE = Path(__file__).parents[3] / "docs/how-to/label-a-table.md"


@pytest.fixture
def finished(mill: Any, posts: Any, write: Any, source_map: Any, database_url: str) -> tuple[sa.Engine, str]:
    """Two tasks into the same tables; gives the sink and the id of the first."""
    source = write(posts(300), mill.folder / "posts.csv")
    first = mill.label(source, database_url, source_map=source_map)
    mill.label(source, database_url, source_map=source_map)
    engine = make_engine(database_url, foreign=True)
    yield engine, first["id"]
    engine.dispose()


def test_t19_tables_have_a_key_and_an_index_by_task(finished: tuple[sa.Engine, str]) -> None:
    engine, _ = finished
    inspector = sa.inspect(engine)
    for table in ("forum", "board", "wh_panel_mapping_forum", "wh_panel_mapping_board"):
        indexes = inspector.get_indexes(table)
        assert ["task_id", "row_id"] in [index["column_names"] for index in indexes]
        keyed = inspector.get_pk_constraint(table)["constrained_columns"] == ["row_id"] or any(
            index["unique"] for index in indexes
        )
        assert keyed
    assert inspector.get_pk_constraint("state")["constrained_columns"] == ["task_id"]


def test_t19_the_rows_of_one_task_are_its_own(finished: tuple[sa.Engine, str]) -> None:
    engine, task_id = finished
    with engine.connect() as connection:
        own = sa.text("SELECT count(*), count(DISTINCT row_id) FROM forum WHERE task_id = :id")
        rows, distinct = connection.execute(own, {"id": task_id}).one()
        every = connection.scalar(sa.text("SELECT count(*) FROM forum"))
    assert rows == distinct
    assert every == 2 * rows


def test_t19_a_look_by_task_reads_the_index(finished: tuple[sa.Engine, str]) -> None:
    engine, task_id = finished
    if engine.dialect.name == "postgresql":
        explain = "SET enable_seqscan = off; EXPLAIN"
    else:
        explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    *settings, explain = explain.split("; ")
    with engine.connect() as connection:
        for setting in settings:
            connection.execute(sa.text(setting))
        query = f"{explain} SELECT row_id FROM wh_panel_mapping_forum WHERE task_id = '{task_id}' ORDER BY row_id LIMIT 5"
        plan = " ".join(str(row) for row in connection.execute(sa.text(query)))
    assert "ix_" in plan


def test_t19_the_statements_of_the_guide_run(finished: tuple[sa.Engine, str]) -> None:
    """Each ```sql block of the guide, with the task's id in the place of the one that stands there."""
    engine, task_id = finished
    blocks = re.findall(r"```sql\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    statements = [each.strip() for block in blocks for each in block.split(";") if each.strip()]
    assert statements
    with engine.connect() as connection:
        for statement in statements:
            known = statement.replace("'...'", f"'{task_id}'")
            connection.execute(sa.text(known)).all()
