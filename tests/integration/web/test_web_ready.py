"""`/healthz` and `/readyz` tell the truth, name what is down and leak no secret (promise 26)."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import webapp
from labelmill.db import migrate
from labelmill.web import health

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from webapp import Site

PASSWORD = "hunter2-of-the-database"


def _parts(site: Site) -> tuple[int, dict[str, tuple[str, str]]]:
    answer = site.ask("GET", "/readyz")
    assert PASSWORD not in answer.text
    return answer.status_code, {part["name"]: (part["status"], part["reason"]) for part in answer.json()["parts"]}


def test_p26_a_healthy_site_says_so_on_every_database(stored_site: Site) -> None:
    assert _parts(stored_site) == (200, {"database": ("ok", ""), "files": ("ok", "")})


def test_p26_a_schema_of_another_version_is_named(stored_site: Site) -> None:
    migrate.downgrade(stored_site.app.database.engine, "base")
    status, parts = _parts(stored_site)
    assert status == 503
    assert parts["database"][0] == "failed"
    assert "revision" in parts["database"][1]
    assert parts["files"] == ("ok", "")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Give a port that accepts connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
    return port


def _with_database(site: Site, url: str) -> Site:
    from labelmill.db.database import Database
    from labelmill.db.engine import make_engine

    object.__setattr__(site.app, "database", Database(make_engine(url)))
    return site


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_p26_a_database_that_is_away_is_named_without_its_address(site: Site, kind: str, closed_port: int) -> None:
    broken = _with_database(site, f"{kind}://ann:{PASSWORD}@127.0.0.1:{closed_port}/shop")
    status, parts = _parts(broken)
    assert (status, parts["database"][0], parts["files"][0]) == (503, "failed", "ok")
    assert str(closed_port) not in parts["database"][1]
    assert broken.ask("GET", "/healthz").status_code == 200


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_p26_a_database_that_hangs_is_reported_within_seconds(site: Site, kind: str, silent_port: int) -> None:
    broken = _with_database(site, f"{kind}://ann:{PASSWORD}@127.0.0.1:{silent_port}/shop")
    started = time.monotonic()
    status, parts = _parts(broken)
    assert (status, parts["database"][0]) == (503, "failed")
    assert time.monotonic() - started < health.SECONDS + 2


def test_p26_a_missing_data_folder_is_named(site: Site) -> None:
    shutil.move(site.app.settings.data_dir, site.app.settings.data_dir.with_name("elsewhere"))
    status, parts = _parts(site)
    assert (status, parts["files"][0]) == (503, "failed")
    assert "cannot be written" in parts["files"][1]


def test_p26_a_data_folder_that_takes_no_file_is_named(site: Site) -> None:
    folder = site.app.settings.data_dir
    shutil.move(folder, folder.with_name("elsewhere"))
    folder.symlink_to("/proc")  # not even the administrator may write there
    status, parts = _parts(site)
    assert (status, parts["files"][0]) == (503, "failed")
    assert "cannot be written" in parts["files"][1]


def test_p26_a_full_disk_is_named_before_it_is_quite_full(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * 1024 * 1024))
    status, parts = _parts(site)
    assert (status, parts["files"][0]) == (503, "failed")
    assert "only 5 MB are free" in parts["files"][1]


def test_p26_looking_leaves_no_file_behind(site: Site) -> None:
    before = sorted(site.app.settings.data_dir.iterdir())
    _parts(site)
    assert sorted(path for path in site.app.settings.data_dir.iterdir() if not path.name.startswith("labelmill.db")) == [
        path for path in before if not path.name.startswith("labelmill.db")
    ]


@pytest.mark.parametrize("kind", ["amqp", "redis"])
def test_p26_a_broker_that_is_away_is_named_without_its_password(tmp_path: Path, kind: str, closed_port: int) -> None:
    with webapp.site(tmp_path, broker_url=f"{kind}://ann:{PASSWORD}@127.0.0.1:{closed_port}/0") as site:
        status, parts = _parts(site)
        assert (status, parts["broker"][0], parts["database"][0]) == (503, "failed", "ok")
        assert str(closed_port) not in parts["broker"][1]


def test_p26_a_broker_that_answers_is_well(tmp_path: Path, silent_port: int) -> None:
    with webapp.site(tmp_path, broker_url=f"redis://127.0.0.1:{silent_port}/0") as site:
        assert _parts(site)[1]["broker"] == ("ok", "")


def test_p26_checks_that_hang_are_asked_side_by_side(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(health, "SECONDS", 0.5)
    monkeypatch.setattr(health, "_database", lambda _: end.wait(20))
    monkeypatch.setattr(health, "_files", lambda _: end.wait(20))
    started = time.monotonic()
    assert _parts(site)[0] == 503
    assert time.monotonic() - started < 3
    end.set()


def test_the_figures_go_on_when_the_database_is_away(site: Site, closed_port: int) -> None:
    broken = _with_database(site, f"postgresql://ann:{PASSWORD}@127.0.0.1:{closed_port}/shop")
    broken.web.state.metrics = type(broken.web.state.metrics)(broken.app.database)
    answer = broken.ask("GET", "/metrics")
    assert answer.status_code == 200
    assert "labelmill_database_up 0.0" in answer.text
    assert PASSWORD not in answer.text
