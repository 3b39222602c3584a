"""Workers that need the same tables at the same moment all get them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import sqlalchemy as sa

from labelmill.db.engine import make_engine
from labelmill.labeltasks.result_tables import ResultTables

WORKERS = 6
ROUNDS = 4


def make_all(url: str, names: list[str], together: Barrier) -> None:
    engine = make_engine(url, foreign=True)
    tables = ResultTables(None)
    wanted = [tables.ledger, tables.state("state"), *map(tables.results, names)]
    with engine.connect() as connection:
        together.wait(30)
        tables.make(connection, wanted, "sink")
        assert connection.scalar(sa.select(sa.func.count()).select_from(wanted[-1])) == 0
        connection.rollback()
        together.wait(30)
        tables.seal(connection, wanted[2:])
    engine.dispose()


def test_p08_workers_that_make_the_same_tables_at_once_all_find_them(database_url: str) -> None:
    """Whoever comes second finds what the first made, with its indexes; nobody's step fails for it."""
    for number in range(ROUNDS):
        names, together = [f"forum{number}", f"wh_panel_mapping_forum{number}"], Barrier(WORKERS)
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda _, names=names, together=together: make_all(database_url, names, together), range(WORKERS)))
        engine = make_engine(database_url, foreign=True)
        inspector = sa.inspect(engine)
        assert all(len(inspector.get_indexes(name)) == 1 for name in names)
        engine.dispose()
