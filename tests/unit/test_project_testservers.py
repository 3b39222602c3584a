"""Servers for the tests are found, started, stopped or named as missing; nobody else's server is touched."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from sqlalchemy.engine import make_url

import left_out
import private_servers
import testservers

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "redis://127.0.0.1:1/0"  # port 1: nothing answers there
VARIABLES = ("LABELMILL_TEST_SERVERS", "LABELMILL_TEST_SERVER_DIR", "LABELMILL_TEST_CHROMIUM", "CI")


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch):
    """Take away what the shell or CI has set, and let nothing be installed."""
    for name in (*VARIABLES, *(server.variable for server in testservers.SERVERS.values())):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LABELMILL_TEST_INSTALL", "no")


@pytest.fixture
def folder(monkeypatch):
    """Give a home for private servers that their accounts may enter; pytest's own folders are closed to them."""
    path = Path(tempfile.mkdtemp(prefix="labelmill-"))
    path.chmod(0o755)
    monkeypatch.setenv("LABELMILL_TEST_SERVER_DIR", str(path))
    monkeypatch.setenv("LABELMILL_TEST_SERVERS", "private")
    yield path
    for kind, server in testservers.SERVERS.items():
        private_servers.stop(kind, server.folder)
    shutil.rmtree(path)


def _needs_program(kind: str) -> testservers.Server:
    server = testservers.SERVERS[kind]
    if private_servers.program(*server.programs) is None:
        left_out.leave_out(server.name, server.remedy)
    return server


@pytest.mark.parametrize("kind", testservers.SERVERS)
def test_a_private_server_starts_is_found_keeps_its_data_folder_and_stops(folder, kind):
    server = _needs_program(kind)
    assert testservers.find(kind) is None
    url = private_servers.start(kind, server.folder, server.probe)
    assert testservers.find(kind) == url
    pid = int((server.folder / "pid").read_text())
    assert private_servers.stop(kind, server.folder)
    assert not psutil.pid_exists(pid)
    assert testservers.find(kind) is None
    assert private_servers.start(kind, server.folder, server.probe) == url  # the same port and password again


@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "redis"])
def test_a_private_server_wants_its_password(folder, kind):
    server = _needs_program(kind)
    url = make_url(private_servers.start(kind, server.folder, server.probe))
    with pytest.raises(Exception, match=r"(?i)auth|password|denied"):
        server.probe(url.set(password="wrong").render_as_string(hide_password=False))


@pytest.mark.parametrize("name", ["url", "secret", "redis.conf"])
def test_files_with_a_password_are_for_their_owner_only(folder, name):
    server = _needs_program("redis")
    private_servers.start("redis", server.folder, server.probe)
    assert stat.S_IMODE((server.folder / name).stat().st_mode) == 0o600


def test_a_private_server_takes_another_port_when_its_own_was_taken_meanwhile(folder):
    server = _needs_program("redis")
    first = make_url(private_servers.start("redis", server.folder, server.probe))
    private_servers.stop("redis", server.folder)
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", first.port))
        thief.listen()
        second = make_url(private_servers.start("redis", server.folder, server.probe))
    assert second.port != first.port


def test_a_server_that_does_not_answer_is_reported_with_the_end_of_its_log_and_stopped(folder, monkeypatch):
    server = _needs_program("redis")
    monkeypatch.setattr(private_servers, "START_TIMEOUT", 1.0)

    def refuse(_url):
        raise ConnectionError("no")

    with pytest.raises(private_servers.ServerFailedError, match=r"(?s)does not answer \(no\).*log ends with.*Ready to accept"):
        private_servers.start("redis", server.folder, refuse)
    assert not (server.folder / "pid").exists()
    assert private_servers._is_free(int((server.folder / "port").read_text()))


def test_a_server_that_ends_at_once_is_reported_at_once(folder, monkeypatch):
    server = _needs_program("redis")
    monkeypatch.setattr(private_servers, "_needed", lambda *_names: "/bin/false")
    with pytest.raises(private_servers.ServerFailedError, match="does not answer"):
        private_servers.start("redis", server.folder, server.probe)


def test_a_program_that_is_not_installed_is_named(folder, monkeypatch):
    monkeypatch.setattr(private_servers, "program", lambda *_names: None)
    with pytest.raises(private_servers.ServerFailedError, match="initdb is not installed"):
        private_servers.start("postgresql", folder / "postgresql", print)


def test_stopping_never_ends_a_process_that_only_has_the_number(folder):
    """After a restart of the machine the remembered number may belong to anybody."""
    place = folder / "redis"
    place.mkdir()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd="/", start_new_session=True) as stranger:
        (place / "pid").write_text(str(stranger.pid))
        assert not private_servers.stop("redis", place)
        assert stranger.poll() is None
        stranger.kill()


def test_stopping_what_never_ran_is_no_error(folder, capsys):
    assert testservers.down() == 0
    assert capsys.readouterr().out == ""


def test_a_url_that_was_set_is_the_only_one_tried(monkeypatch):
    """A wrong URL must not be healed by another server that happens to answer: the tests would run against the wrong one."""
    monkeypatch.setenv("LABELMILL_TEST_REDIS_URL", NOBODY)
    assert testservers._candidates(testservers.SERVERS["redis"]) == [NOBODY]
    assert testservers.find("redis") is None


def test_a_started_server_is_tried_before_the_usual_place(folder, monkeypatch):
    (folder / "redis").mkdir()
    (folder / "redis/url").write_text(NOBODY)
    usual = testservers.SERVERS["redis"].default_url
    assert testservers._candidates(testservers.SERVERS["redis"]) == [NOBODY]
    monkeypatch.delenv("LABELMILL_TEST_SERVERS")
    assert testservers._candidates(testservers.SERVERS["redis"]) == [NOBODY, usual]


@pytest.fixture
def nothing_installed(folder, monkeypatch):
    """Make the machine look bare: no program, no browser, no root."""
    monkeypatch.setattr(private_servers, "program", lambda *_names: None)
    monkeypatch.setenv("LABELMILL_TEST_CHROMIUM", str(folder / "none"))


def test_what_is_missing_is_named_with_the_way_to_get_it(nothing_installed, capsys):
    assert testservers.up() == 0  # the run goes on without them
    assert capsys.readouterr().out.splitlines() == [
        "PostgreSQL is missing: its tests are left out. To get it: apt-get install postgresql",
        "MariaDB is missing: its tests are left out. To get it: apt-get install mariadb-server",
        "Redis is missing: its tests are left out. To get it: apt-get install redis-server",
        "RabbitMQ is missing: its tests are left out. To get it: apt-get install rabbitmq-server",
        "Chromium is missing: its tests are left out. To get it: apt-get install chromium fonts-noto-cjk",
    ]


def test_in_ci_something_missing_is_a_failure(nothing_installed, monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert testservers.up() == 1


def test_a_wrong_url_is_named_by_its_variable_and_its_server_is_not_started(nothing_installed, monkeypatch, capsys):
    monkeypatch.setenv("LABELMILL_TEST_REDIS_URL", "redis://:hush@127.0.0.1:1/0")
    testservers.up()
    output = capsys.readouterr().out
    assert "Redis does not answer at the URL in LABELMILL_TEST_REDIS_URL: correct it, or unset it" in output
    assert "hush" not in output


def test_only_packages_that_lack_would_be_installed(nothing_installed, monkeypatch):
    every = list(testservers.SERVERS.values())
    packages = ["postgresql", "mariadb-server", "redis-server", "rabbitmq-server", "chromium", "fonts-noto-cjk"]
    assert testservers._missing_packages(every) == packages
    monkeypatch.setattr(private_servers, "program", lambda *_names: "/bin/true")
    monkeypatch.setenv("LABELMILL_TEST_CHROMIUM", sys.executable)
    assert testservers._missing_packages(every) == []


def test_up_tells_the_address_but_no_password(folder, capsys, monkeypatch):
    server = _needs_program("redis")
    monkeypatch.setattr(testservers, "SERVERS", {"redis": server})
    assert testservers.up() == 0
    testservers.up()
    started, found = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Redis")]
    port = (folder / "redis/port").read_text()
    assert started.startswith(f"Redis was started for the tests at 127.0.0.1:{port}")
    assert found == f"Redis answers at 127.0.0.1:{port}"
    assert (folder / "redis/secret").read_text() not in started + found


def test_an_unknown_verb_shows_the_help():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/testservers.py", "sideways"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "testservers.py up" in done.stderr


# ---------------------------------------------------------------------------------------------- what a run says at its end


def _pytest(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


BROWSER_TEST = "tests/unit/test_project_fixtures.py::test_the_browser_exists"
DATABASE_TEST = "tests/unit/test_project_fixtures.py::test_a_database_is_empty_whatever_the_test_before_did"
WITHOUT = {
    "LABELMILL_TEST_CHROMIUM": "no-such-browser",
    "LABELMILL_TEST_MARIADB_URL": "mysql+pymysql://root@127.0.0.1:1/test",
    "LABELMILL_TEST_POSTGRESQL_URL": "postgresql+psycopg://postgres@127.0.0.1:1/test",
}


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_ends_by_naming_what_it_left_out(processes):
    done = _pytest(BROWSER_TEST, DATABASE_TEST, "-n", processes, **WITHOUT, CI="")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert "left out: 1 test that needs Chromium: apt-get install chromium fonts-noto-cjk" in lines
    assert "left out: 2 tests that need MariaDB: apt-get install mariadb-server" in lines
    assert "left out: 2 tests that need PostgreSQL: apt-get install postgresql" in lines
    assert "2 passed, 5 skipped in" in lines[-1]  # pytest's own line is the last one


def test_in_ci_a_test_whose_server_is_missing_fails():
    done = _pytest(BROWSER_TEST, **WITHOUT, CI="true")
    assert done.returncode == 1
    assert "in CI nothing may be left out. To get it: apt-get install chromium" in done.stdout


def test_a_test_that_was_skipped_for_another_reason_is_not_counted():
    class Report:
        longrepr = ("file.py", 1, "Skipped: needs Windows: buy it")

    assert left_out.summary([Report()]) == []
