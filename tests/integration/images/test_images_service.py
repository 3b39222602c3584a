"""What catalogues allow while jobs work with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from labelmill.errors import Conflict
from labelmill.images import service
from labelmill.jobs import service as jobs

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from webapp import Site

OTHERS = 60  # more than a list of jobs shows at once


def begin(connection: Connection, name: str) -> str:
    return service.load(connection, name, table={"file": "t.csv"}, images={"file": "i"}).id


def test_a_load_that_waits_is_seen_behind_many_newer_ones(site: Site) -> None:
    database = site.app.database
    waiting = database.transact(begin, "first")
    for number in range(OTHERS):
        database.transact(jobs.cancel, database.transact(begin, f"other {number}"))
    with pytest.raises(Conflict, match="is being loaded"):
        database.transact(begin, "first")
    with database.read() as connection:
        first = service.find(connection, "first")
    with pytest.raises(Conflict, match=waiting):
        database.transact(service.remove, first)
    database.transact(jobs.cancel, waiting)
    assert database.transact(service.remove, first) == []
