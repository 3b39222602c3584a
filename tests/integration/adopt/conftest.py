"""An Audience API's output database on each kind of server, users with few rights, and an app of labelmill beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

import lent
from audience_tables import (
    RESULT_ROWS,
    RESULTS_21,
    RESULTS_24,
    STATE_21,
    STATE_24,
    STATE_ROWS_21,
    STATE_ROWS_24,
    UTF8MB4,
    Predecessor,
)
from labelmill import bootstrap
from labelmill.db.engine import make_engine
from labelmill.settings import Settings


@pytest.fixture
def place(database_url: str) -> Iterator[Predecessor]:
    made = Predecessor(database_url)
    if made.kind == "sqlite":
        made.run("CREATE TABLE unrelated (number INTEGER)")
    yield made
    made.engine.dispose()


@pytest.fixture
def mariadb_place(mariadb_database: str) -> Iterator[Predecessor]:
    made = Predecessor(mariadb_database)
    yield made
    made.engine.dispose()


@pytest.fixture
def v21() -> Callable[[Predecessor], None]:
    """Fills a database as v2.1 leaves it."""

    def fill(place: Predecessor, options: str = UTF8MB4) -> None:
        place.make("state", STATE_21, STATE_ROWS_21, options=options)
        place.make("fbfans", RESULTS_21, RESULT_ROWS, options=options)
        place.make("wh_panel_mapping_fbfans", RESULTS_21, RESULT_ROWS[:2], options=options)
        place.make("dump", "source_author {text}, panel VARCHAR(200), create_time {time}", options=options)

    return fill


@pytest.fixture
def v24() -> Callable[[Predecessor], None]:
    """Fills a database as v2.4 leaves it."""

    def fill(place: Predecessor) -> None:
        place.make("state", STATE_24, STATE_ROWS_24)
        for name in ("fbfans", "Ptt", "wh_panel_mapping_fbfans", "wh_panel_mapping_Ptt"):
            place.make(name, RESULTS_24, [(*row, "['志明']") for row in RESULT_ROWS])

    return fill


@pytest.fixture
def app(tmp_path: Path) -> Iterator[bootstrap.App]:
    made = lent.build(Settings(data_dir=tmp_path / "data", heartbeat_seconds=0.2, lease_seconds=2.0))
    yield made
    made.close()


@pytest.fixture
def server_user(request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Makes users of a server who may do no more than they are told, and removes them afterwards."""
    made: list[tuple[str, str]] = []

    def make(place: Predecessor, *grants: str) -> str:
        name = f"labelmill_test_{len(made)}_{make_url(place.url).database.rpartition('_')[2]}"
        account = f"'{name}'@'%%'" if place.kind == "mysql" else name
        word, how = ("USER", "IDENTIFIED BY") if place.kind == "mysql" else ("ROLE", "LOGIN PASSWORD")
        place.run(f"CREATE {word} {account} {how} 'hunter2-{name}'")
        made.append((place.url, account))
        for grant in grants:
            place.run(f"GRANT {grant} TO {account}")
        return make_url(place.url).set(username=name, password=f"hunter2-{name}").render_as_string(hide_password=False)

    yield make
    for url, account in made:
        # The database of the test is gone by now.
        engine = make_engine(make_url(url).set(database="mysql" if "mysql" in url else "postgres"))
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP {'USER' if engine.dialect.name == 'mysql' else 'ROLE'} {account}")
        engine.dispose()
