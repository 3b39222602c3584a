"""Servers, fresh databases and a browser for tests; and at the end of a run, what was left out because one was missing."""

from __future__ import annotations

import json
import logging
import os
import secrets
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

import fresh
import left_out
import lent
import testservers
import webapp
from labelmill import cli, logs
from labelmill.accounts import passwords
from labelmill.db.database import Database
from labelmill.db.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


pytest.register_assert_rewrite("label_crowd", "loop_crowd")  # before any test imports one
# A busy machine is no failure: properties are judged by what they find, not by how long one example takes.
settings.register_profile("labelmill", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("labelmill")


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hash passwords with little work: what a hash costs is the business of the tests of ``passwords`` alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "MEMORY", 64)
        patch.setattr(passwords, "PASSES", 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def shared_routes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        webapp.share_routes(patch)
        yield


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Take back what a verb run in this process set: its log lines would stand in the output of the tests that follow."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [each for each in root.handlers if each not in handlers and isinstance(each, logs.StderrHandler)]:
        root.removeHandler(handler)
    root.setLevel(level)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    lines = left_out.summary(terminalreporter.stats.get("skipped", []))
    if lines:
        terminalreporter.section("left out")
        for line in lines:
            terminalreporter.write_line(line)


def _server_url(kind: str) -> str:
    url = testservers.find(kind)
    if url is None:
        server = testservers.SERVERS[kind]
        left_out.leave_out(server.name, server.remedy)
    return url


@pytest.fixture(scope="session")
def postgresql_url() -> str:
    """Return the URL of a server that answers; make databases of your own on it."""
    return _server_url("postgresql")


@pytest.fixture(scope="session")
def mariadb_url() -> str:
    return _server_url("mariadb")


@pytest.fixture(scope="session")
def redis_url() -> str:
    return _server_url("redis")


@pytest.fixture(scope="session")
def rabbitmq_url() -> str:
    return _server_url("rabbitmq")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Return the path of a Chromium, for playwright's ``executable_path``."""
    path = testservers.find_browser()
    if path is None:
        left_out.leave_out(testservers.BROWSER, testservers.BROWSER_REMEDY)
    return path


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, database_kind: str) -> str:
    """Return the URL of an empty database that no other test sees; the test runs once for each kind."""
    return str(request.getfixturevalue(f"{database_kind}_database"))  # by name: a missing server leaves out its own tests only


@pytest.fixture
def migrated_url(request: pytest.FixtureRequest, database_kind: str) -> str:
    """Return the URL of a database with the newest schema and no rows; the test runs once for each kind."""
    return str(request.getfixturevalue(f"{database_kind}_migrated"))


@pytest.fixture
def sqlite_database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'labelmill.db'}"


@pytest.fixture
def postgresql_database(postgresql_url: str, worker_name: str) -> Iterator[str]:
    with fresh.database("postgresql", postgresql_url, worker_name) as url:
        yield url


@pytest.fixture
def mariadb_database(mariadb_url: str, worker_name: str) -> Iterator[str]:
    with fresh.database("mariadb", mariadb_url, worker_name) as url:
        yield url


@pytest.fixture
def sqlite_migrated(sqlite_database: str) -> str:
    lent.lay_down(sqlite_database)
    return sqlite_database


@pytest.fixture(scope="session")
def lender(worker_name: str) -> Iterator[lent.Lender]:
    with lent.Lender(worker_name) as made:
        yield made


@pytest.fixture
def postgresql_migrated(postgresql_url: str, lender: lent.Lender) -> Iterator[str]:
    with lender.lend("postgresql", postgresql_url) as url:
        yield url


@pytest.fixture
def mariadb_migrated(mariadb_url: str, lender: lent.Lender) -> Iterator[str]:
    with lender.lend("mariadb", mariadb_url) as url:
        yield url


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    """Give labelmill's own database, once on each kind."""
    with _opened(migrated_url) as opened:
        yield opened


@pytest.fixture
def embedded(sqlite_migrated: str) -> Iterator[Database]:
    """Give labelmill's own database on SQLite only."""
    with _opened(sqlite_migrated) as opened:
        yield opened


def _opened(url: str) -> closing[Database]:
    return closing(Database(make_engine(url, pool_size=20)))


@pytest.fixture
def redis_database(redis_url: str) -> Iterator[str]:
    """Give the URL of an empty Redis database that no other test uses."""
    with fresh.redis_database(redis_url) as url:
        yield url


@pytest.fixture(params=["rabbitmq", "redis"])
def broker_url(request: pytest.FixtureRequest) -> str:
    """Return a broker's URL, once for each kind. RabbitMQ is shared: begin every queue's name with ``queue_prefix``."""
    name = {"rabbitmq": "rabbitmq_url", "redis": "redis_database"}[request.param]
    return str(request.getfixturevalue(name))


@pytest.fixture
def queue_prefix(worker_name: str) -> str:
    """Return a beginning for names of queues and channels that no other test uses."""
    return f"labelmill-test-{worker_name}-{secrets.token_hex(6)}-"


@pytest.fixture(scope="session")
def worker_name() -> str:
    """Return the name of this pytest-xdist worker, ``main`` without it."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[webapp.Site]:
    """Give the whole web app on the embedded default."""
    with webapp.site(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def kept_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webapp.Site]:
    """Give the whole web app on the embedded default, one for all tests of a module: what they make there needs names of its own."""
    with webapp.site(tmp_path_factory.mktemp("kept"), login_attempts_per_minute=10_000) as made:
        yield made


@pytest.fixture
def stored_site(tmp_path: Path, migrated_url: str) -> Iterator[webapp.Site]:
    """Give the whole web app, once on each kind of database."""
    with webapp.site(tmp_path, database_url=migrated_url) as made:
        yield made


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, Any, str]]:
    """Run a verb in a folder of its own: exit code, what it printed (with ``--json`` as a value), what it said on stderr."""
    monkeypatch.setenv("LABELMILL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, Any, str]:
        code = cli.run(arguments)
        out, said = capsys.readouterr()
        return code, json.loads(out) if "--json" in arguments and out else out, said

    return command
