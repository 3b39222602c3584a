"""Wrong places, names, rights and rows on real servers, as source and as sink: a clear error within seconds, or a counted row."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

import fresh
import task_lab
from labelmill.errors import BadSource, LabelmillError, Unavailable
from labelmill.jobs import service as jobs
from labelmill.jobs.inline import run_or_watch
from labelmill.jobs.worker import WorkerProcess
from labelmill.labeltasks import service
from labelmill.labeltasks.report import report
from labelmill.rules import from_dict
from task_lab import TaskLab

PASSWORD = "hush-hush-4711"
SECONDS = 5.0
#: Names that mean something to a database, to a driver or to a shell.
HOSTILE = [
    "order", "select", 'a"b', "a`b", "a``b", "x; DROP TABLE posts", "x'y", "two words", "50%", "%s", "%(id)s", ":id", "a.b", "a\\b", "表",
    "naïve", "n" * 63, "Posts", "$1", "{}", "--", "/*",
]  # fmt: skip


class Server:
    """One server with a database of the test's own: its source table ``posts`` has ten rows."""

    def __init__(self, kind: str, admin: str, url: str) -> None:
        self.kind, self.admin, self.url = kind, admin, url
        self.posts = task_lab.make_table(url, task_lab.rows(10))

    def run(self, *statements: str, admin: bool = False) -> None:
        """Run statements, each committed by itself."""
        with fresh.administration(self.admin if admin else self.url) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def tables(self) -> set[str]:
        with task_lab.connected(self.url) as connection:
            return set(sa.inspect(connection).get_table_names())

    def together(self, *statements: str) -> None:
        """Run statements in one session."""
        with task_lab.connected(self.url) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def rows(self, table: str, columns: str = "*") -> list[dict[str, Any]]:
        with task_lab.connected(self.url) as connection:
            name = connection.dialect.identifier_preparer.quote_identifier(table)
            return [dict(row) for row in connection.exec_driver_sql(f"SELECT {columns} FROM {name}").mappings()]

    def altered(self, **changes: Any) -> str:
        """Return the URL with other parts."""
        return shown(make_url(self.url).set(**changes))

    @contextmanager
    def user(self, *grants: str) -> Iterator[str]:
        """Give the URL of a new user with these rights (``{}`` stands for the user) and nothing else; drop the user afterwards."""
        name = f"labelmill_test_{secrets.token_hex(4)}"
        spoken = f'"{name}"' if self.kind == "postgresql" else f"'{name}'@'%%'"
        word = "PASSWORD" if self.kind == "postgresql" else "IDENTIFIED BY"
        login = "LOGIN " if self.kind == "postgresql" else ""
        self.run(f"CREATE {'ROLE' if login else 'USER'} {spoken} {login}{word} '{PASSWORD}'", admin=True)
        try:
            self.run(*(grant.replace("{}", spoken) for grant in grants))
            yield self.altered(username=name, password=PASSWORD)
        finally:
            if self.kind == "postgresql":
                self.run(f"REASSIGN OWNED BY {spoken} TO CURRENT_USER", f"DROP OWNED BY {spoken}")
            self.run(f"DROP {'ROLE' if login else 'USER'} {spoken}", admin=True)


def shown(url: URL) -> str:
    return url.render_as_string(hide_password=False)


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    kind = request.param
    return Server(kind, request.getfixturevalue(f"{kind}_url"), request.getfixturevalue(f"{kind}_database"))


@pytest.fixture
def postgresql(postgresql_url: str, postgresql_database: str) -> Server:
    return Server("postgresql", postgresql_url, postgresql_database)


@pytest.fixture
def mariadb(mariadb_url: str, mariadb_database: str) -> Server:
    return Server("mariadb", mariadb_url, mariadb_database)


class Desk:
    """Asks for label tasks in this process and runs them."""

    def __init__(self, app: Any, folder: Path) -> None:
        self.app, self.folder = app, folder

    def begin(self, source: str, sink: str | None = None, **changes: Any) -> str:
        """Start a task, as the command does, and return its id; without a sink it writes to a file."""
        places = self.app.places
        values: dict[str, Any] = {"rules": from_dict(task_lab.RULES), "text_column": "author"}
        sink = sink or str(self.folder / "out.parquet")
        request = service.Request(source=places.reference(source), sink=places.reference(sink), **(values | changes))
        return service.begin(self.app.database, places, service.prepare(request, places)).id

    def run_steps(self, task_id: str, count: int) -> None:
        worker = WorkerProcess(self.app.runtime, worker_id="desk", queues=())
        for _ in range(count):
            assert worker.run_next(job_id=task_id)

    def end(self, task_id: str) -> Any:
        return run_or_watch(self.app.runtime, task_id)

    def label(self, source: str, sink: str | None = None, **changes: Any) -> dict[str, Any]:
        """Run a task to its end; it must succeed."""
        ended = self.end(self.begin(source, sink, **changes))
        assert ended.state == "succeeded", ended.error
        return self.report(ended.id)

    def results(self) -> pl.DataFrame:
        return pl.read_parquet(self.folder / "out.parquet")

    def report(self, task_id: str) -> dict[str, Any]:
        with self.app.database.read() as connection:
            return report(service.get(connection, task_id), jobs.list_steps(connection, task_id))

    def refused(
        self, kind: type[LabelmillError], words: str | None, source: str, sink: str | None = None, **changes: Any
    ) -> LabelmillError:
        """Ask for a task that must be refused quickly, with its place and a way out, and nothing left of it."""
        begun, before = time.monotonic(), self.count()
        with pytest.raises(kind, match=words) as caught:
            self.begin(source, sink, **changes)
        error = caught.value
        assert time.monotonic() - begun < SECONDS + 1  # a busy machine is no failure
        assert type(error) is kind
        assert error.way_out
        assert error.where
        assert PASSWORD not in f"{error} {error.as_problem()}"
        assert not (self.folder / "out.parquet").exists()
        assert self.count() == before
        return error

    def count(self) -> int:
        """Return how many tasks there are."""
        with self.app.database.read() as connection:
            return len(service.list_tasks(connection))

    def fails(self, words: str, source: str, sink: str | None = None, **changes: Any) -> dict[str, Any]:
        """Run a task that must fail at its first try, with a reason for people."""
        return self.failed(self.begin(source, sink, **changes), words)

    def failed(self, task_id: str, words: str, *, tries: int = 1) -> dict[str, Any]:
        begun = time.monotonic()
        job = self.end(task_id)
        assert job.state == "failed"
        assert time.monotonic() - begun < 2 * SECONDS
        error = dict(job.error or {})
        assert words in str(error)
        assert (error["code"] != "internal", bool(error["way_out"]), error["tries"] <= tries) == (True, True, True), error
        assert PASSWORD not in str(error)
        return error


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with TaskLab(tmp_path).app() as app:
        yield Desk(app, tmp_path)


# Places that are none.


@pytest.mark.parametrize("side", ["source", "sink"])
@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"port": 1}, Unavailable),
        ({"host": "no-such-host.invalid"}, Unavailable),
        ({"username": "nobody_of_that_name"}, BadSource),
        ({"database": "no_such_database"}, BadSource),
    ],
)
def test_a_wrong_part_of_a_url_is_told(
    server: Server, desk: Desk, side: str, changes: dict[str, Any], kind: type[LabelmillError]
) -> None:
    """Where nobody answers it may help to try again; a name that is wrong stays wrong."""
    wrong = server.altered(password=PASSWORD, **changes)
    ends = (f"{wrong}::posts", None) if side == "source" else (server.posts, wrong)
    before = server.tables()
    desk.refused(kind, None, *ends)
    assert server.tables() == before


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_wrong_password_is_told_and_not_repeated(mariadb: Server, desk: Desk, side: str) -> None:
    with mariadb.user() as url:
        wrong = shown(make_url(url).set(password=f"{PASSWORD}!"))
        error = desk.refused(BadSource, "denied", *((f"{wrong}::posts", None) if side == "source" else (mariadb.posts, wrong)))
    assert "password" in error.way_out


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_server_that_accepts_and_says_nothing_is_not_waited_for(desk: Desk, postgresql: Server, side: str, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{kind}://root:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/x"
        desk.refused(Unavailable, None, *((f"{url}::posts", None) if side == "source" else (postgresql.posts, url)))


def test_a_missing_table_and_a_missing_column_are_answered_with_those_there_are(server: Server, desk: Desk) -> None:
    error = desk.refused(BadSource, "postss", f"{server.url}::postss")
    assert "posts" in error.way_out
    error = desk.refused(BadSource, "autor", server.posts, text_column="autor")
    assert "author" in error.way_out
    assert server.tables() == {"posts"}


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_url_of_mariadb_without_a_database_is_told(mariadb: Server, desk: Desk, side: str) -> None:
    """Its server needs none to connect to; as a source, the way out names those there are."""
    parts = make_url(mariadb.url)
    nowhere = shown(URL.create("mariadb", parts.username, parts.password, parts.host, parts.port))
    error = desk.refused(
        BadSource, "No database", *((f"{nowhere}::posts", None) if side == "source" else (mariadb.posts, nowhere))
    )
    assert (str(parts.database) if side == "source" else "host/database") in error.way_out


# Names.


def test_p20_any_name_of_a_table_and_a_column_that_is_read_is_only_a_name(server: Server, desk: Desk) -> None:
    """Each is read as it is called, with the column to label called the same; nothing is made or changed beside it."""
    before = server.rows("posts")
    for name in HOSTILE:
        table = name[:60] + "_in"
        task_lab.make_table(server.url, task_lab.rows(10).rename({"author": name}), table)
        found = desk.label(f"{server.url}::{table}", text_column=name, author_column=name, overwrite=True)
        assert (found["rows_read"], desk.results().height) == (10, 6), name
    assert server.rows("posts") == before
    assert server.tables() == {"posts", *(name[:60] + "_in" for name in HOSTILE)}


def test_p20_any_name_of_results_is_only_a_name(server: Server, desk: Desk) -> None:
    """All of them in one task: each gets its rows and its production, and nothing else is made."""
    # MariaDB may be set to take capitals for small letters in names; posts is the table that is read.
    names = [name[:46] for name in HOSTILE if name != "Posts"]
    frame = task_lab.rows(len(names) * 6).with_columns(s_id=pl.Series([name for name in names for _ in range(6)]))
    source = task_lab.make_table(server.url, frame, "many")
    found = desk.label(source, server.url, source_map={name: [name] for name in names})
    assert found["results"] == dict.fromkeys(names, 4)
    assert [len(server.rows(name)) for name in names] == [4] * len(names)
    prefixed = {f"wh_panel_mapping_{name}" for name in names}
    assert server.tables() == {"posts", "many", "state", "labelmill_steps", *names, *prefixed}


@pytest.mark.parametrize("name", ["n" * 64, "n" * 65, "表" * 22])
def test_a_name_of_results_that_is_too_long_is_told(server: Server, desk: Desk, name: str) -> None:
    """PostgreSQL would cut it in silence, and two names could become one table."""
    error = desk.refused(BadSource, "longer than 63 bytes", server.posts, server.url, name=name)
    assert "shorter" in error.way_out
    assert server.tables() == {"posts"}


def test_a_source_id_that_is_no_name_of_a_table_goes_to_the_unknown(server: Server, desk: Desk) -> None:
    """Over-long ones and those with control characters: their rows are written, and counted under their own id."""
    ids = ["n" * 64, "a\nb", "", "F0", "labelmill_steps", "sqlite_x", "🌸", "F1 "]
    frame = task_lab.rows(16).with_columns(s_id=pl.Series([ids[number % 8] for number in range(16)]), author=pl.lit("Tom"))
    found = desk.label(task_lab.make_table(server.url, frame, "odd"), server.url, source_map={"forum": ["F0"]})
    assert found["results"] == {"forum": 2, "unknown": 14}
    assert len(server.rows("unknown")) == 14


# Rights.


def rights(server: Server, *on_posts: str) -> list[str]:
    """Return the grants that let a user look at the posts."""
    if server.kind == "postgresql":
        return [f"GRANT {right} ON posts TO {{}}" for right in on_posts]
    return [f"GRANT {right} ON `{make_url(server.url).database}`.posts TO {{}}" for right in on_posts]


def test_a_user_who_may_only_read_is_enough_for_the_source(server: Server, desk: Desk) -> None:
    with server.user(*rights(server, "SELECT")) as reader:
        assert desk.label(f"{reader}::posts", server.url)["rows_read"] == 10
        assert desk.label(f"{reader}::posts")["rows_read"] == 10


def test_a_user_who_may_not_read_is_told(server: Server, desk: Desk) -> None:
    with server.user(*rights(server, "INSERT")) as blind:
        desk.fails("denied", f"{blind}::posts")


def test_a_sink_in_which_nothing_may_be_made_is_told_before_anything_is_written(server: Server, desk: Desk) -> None:
    with server.user(*rights(server, "SELECT")) as reader:
        error = desk.refused(BadSource, "denied", server.posts, reader)
    assert "right" in error.way_out
    assert server.tables() == {"posts"}


def test_tables_of_the_sink_that_may_not_be_written_to_are_told_before_the_task_begins(server: Server, desk: Desk) -> None:
    """The tables are those of an earlier task of somebody else; its rows stay as they are."""
    desk.label(server.posts, server.url, name="mine")
    before = {table: server.rows(table) for table in server.tables()}
    place = "" if server.kind == "postgresql" else f"`{make_url(server.url).database}`."
    all_but_one = sorted(server.tables() - {"mine"})
    grants = [f"GRANT SELECT, INSERT, UPDATE ON {place}{table} TO {{}}" for table in all_but_one]
    with server.user(*grants, f"GRANT SELECT ON {place}mine TO {{}}") as user:
        error = desk.refused(BadSource, "denied", server.posts, user, name="mine")
        assert "rights" in error.way_out
        server.run(f"GRANT INSERT ON {place}mine TO {_spoken(user, server)}")
        assert desk.label(server.posts, user, name="mine")["rows_read"] == 10
    assert len(server.rows("mine")) == 2 * len(before["mine"])


def _spoken(url: str, server: Server) -> str:
    name = make_url(url).username
    return f'"{name}"' if server.kind == "postgresql" else f"'{name}'@'%%'"


# Rows.


def test_no_rows_are_a_success_with_empty_tables(server: Server, desk: Desk) -> None:
    server.run("DELETE FROM posts")
    found = desk.label(server.posts, server.url)
    assert (found["rows_read"], found["rows_labelled"], found["coverage"]) == (0, 0, None)
    assert [server.rows(table) for table in found["written"]] == [[], []]
    (state,) = server.rows("state")
    assert (state["stat"], state["prod_stat"], state["length_receive_table"], state["result"]) == ("SUCCESS", "no_data", 0, "")


def test_nulls_empty_texts_and_ids_that_repeat_are_rows_like_others(server: Server, desk: Desk) -> None:
    """A row without text is counted; of two rows with one id each has its result."""
    server.run(
        "CREATE TABLE twice (id VARCHAR(20), s_id VARCHAR(20), author VARCHAR(20), post_time VARCHAR(20))",
        "INSERT INTO twice VALUES ('a', 'F0', 'Tom', NULL), ('a', 'F0', 'Tom', NULL), (NULL, NULL, 'Tom', NULL), ('b', '', '', NULL), "
        "('c', 'F0', NULL, '2020-01-01'), ('d', 'F0', ' ', '2020-01-01'), ('A', 'F0', 'tom ', 'no time')",
    )
    found = desk.label(f"{server.url}::twice", server.url, name="all")
    assert (found["rows_read"], found["rows_labelled"], found["rows_without_text"]) == (7, 4, 2)
    assert sorted(row["id"] for row in server.rows("all")) == ["", "A", "a", "a"]
    assert {row["create_time"] for row in server.rows("all")} == {None}


def test_a_nul_is_a_listed_row_where_postgresql_cannot_store_it(postgresql: Server, desk: Desk) -> None:
    """In whichever text that would be written, labelled or not, however the rows are cut; a file and the others keep it."""
    ids = ["a", "b\0", "c", "d", "e", "f"]
    authors = ["Tom", "Tom", "Tom\0", "nobody\0", "Tom", "amy"]
    frame = pl.DataFrame({"id": ids, "s_id": ["F0"] * 4 + ["F\0", "F0"], "author": authors, "post_time": ["2020-01-01"] * 6})
    frame.write_parquet(desk.folder / "posts.parquet")
    source = str(desk.folder / "posts.parquet")
    for step_rows in (1, 4, 100):
        found = desk.label(source, postgresql.url, name=f"out{step_rows}", step_rows=step_rows)
        assert (found["rows_read"], found["rows_rejected"], found["authors"]) == (2, 4, {f"out{step_rows}": 2})
        assert {row["id"] for row in postgresql.rows(f"out{step_rows}")} == {"a", "f"}
        listed = service.rejects(desk.app.work_root, found["id"])
        assert [(row["place"], row["text"]) for row in listed] == [(2, "b"), (3, "c"), (4, "d"), (5, "e")]
        assert [str(row["reason"]).split()[1] for row in listed] == ["'id'", "'author'", "'author'", "'s_id'"]
    kept = desk.label(source)
    assert (kept["rows_read"], kept["rows_rejected"], desk.results()["id"].to_list()) == (6, 0, ["a", "b\0", "c", "e", "f"])


def test_an_id_that_is_longer_than_its_column_is_named(server: Server, desk: Desk) -> None:
    """Its place among the rows of a step would tell nobody which row it is."""
    frame = task_lab.rows(10).with_columns(id=pl.concat_str(pl.lit("record"), pl.int_range(10), pl.lit("x" * 300)))
    frame.write_parquet(desk.folder / "posts.parquet")
    error = dict(desk.end(desk.begin(str(desk.folder / "posts.parquet"), server.url, name="out")).error or {})
    assert "255 characters" in error["detail"]
    assert error["where"] == f"record 'record0{'x' * 53}...', column 'id' of the table 'out'"


def test_rules_that_are_missing_or_broken_are_told_before_a_server_is_asked(server: Server, tmp_path: Path) -> None:
    lab = TaskLab(tmp_path)
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    wrong = server.altered(port=1, password=PASSWORD)
    for rules, code in (("nowhere.json", 3), ("broken.json", 2)):
        run = lab.run("label", f"{wrong}::posts", "--rules", rules, "--out", server.url)
        assert (run.returncode, rules in run.stderr, PASSWORD in run.stderr) == (code, True, False), run.stderr
    run = lab.run("label", f"{wrong}::posts", "--rules", "rules.json", "--out", server.url)
    assert (run.returncode, run.stderr.count("\n"), PASSWORD in run.stderr) == (7, 1, False), run.stderr
    assert server.tables() == {"posts"}


# What becomes of a table while a task waits.


@pytest.mark.parametrize(
    ("statement", "words"),
    [("DROP TABLE posts", "posts"), ("ALTER TABLE posts DROP COLUMN author", "author")],
)
@pytest.mark.parametrize("steps", [0, 1])
def test_a_table_that_goes_or_changes_before_it_is_read_fails_the_task_soon(
    server: Server, desk: Desk, statement: str, words: str, steps: int
) -> None:
    """Before the plan or after it: one more look at the most, then the reason; nothing was written."""
    task_id = desk.begin(server.posts, server.url)
    desk.run_steps(task_id, steps)
    server.run(statement)
    desk.failed(task_id, words, tries=2)
    assert server.tables() - {"posts"} == {"state"}
    (state,) = server.rows("state")
    assert (state["stat"], words in state["error_message"]) == ("FAILURE", True)


def test_a_view_and_a_generated_column_are_read_like_others(server: Server, desk: Desk) -> None:
    upper = "GENERATED ALWAYS AS (upper(author)) STORED"
    server.run(
        f"CREATE TABLE made (id VARCHAR(20) PRIMARY KEY, author VARCHAR(20), loud VARCHAR(20) {upper})",
        "INSERT INTO made (id, author) VALUES ('a', 'tom'), ('b', 'nobody')",
        "CREATE VIEW seen AS SELECT id, loud FROM made",
    )
    assert desk.label(f"{server.url}::made", text_column="loud")["rows_labelled"] == 1
    assert desk.label(f"{server.url}::seen", text_column="loud", overwrite=True)["rows_labelled"] == 1
    assert desk.results().select("id", "match_content").rows() == [("a", "TOM")]


def test_t05_only_the_columns_that_are_needed_are_read(server: Server, desk: Desk) -> None:
    """A column that nobody asked for may even be one that cannot be read."""
    server.run("CREATE VIEW costly AS SELECT id, s_id, author, exp(1000 + length(author)) AS never FROM posts")
    with pytest.raises(DBAPIError, match="out of range"):
        server.rows("costly")
    assert desk.label(f"{server.url}::costly", server.url, name="out")["rows_read"] == 10
    assert len(server.rows("out")) == 6


# Times and zones.

DAY = ("2020-10-25T00:00:00+00:00", "2020-10-25T02:00:00+00:00")


def test_times_with_a_zone_are_moments_whatever_the_zone_of_server_and_session(postgresql: Server, desk: Desk) -> None:
    """Also in the hour that a clock goes through twice; results hold UTC."""
    name = make_url(postgresql.url).database
    postgresql.run(
        f"ALTER DATABASE {name} SET timezone = 'Europe/Amsterdam'",
        "CREATE TABLE zoned (id VARCHAR(9) PRIMARY KEY, author TEXT, post_time TIMESTAMPTZ)",
        "INSERT INTO zoned VALUES ('before', 'Tom', '2020-10-25 01:59:59+02'), ('first', 'Tom', '2020-10-25 02:30:00+02'), "
        "('second', 'Tom', '2020-10-25 02:30:00+01'), ('after', 'Tom', '2020-10-25 03:00:00+01'), ('none', 'Tom', 'infinity')",
    )
    start, end = map(datetime.fromisoformat, DAY)
    desk.label(f"{postgresql.url}::zoned", postgresql.url, name="out", start=start, end=end)
    rows = {row["id"]: row["create_time"].isoformat() for row in postgresql.rows("out")}
    assert rows == {"first": "2020-10-25T00:30:00", "second": "2020-10-25T01:30:00"}


def test_timestamps_of_mariadb_are_moments_and_its_datetimes_are_what_they_say(mariadb: Server, desk: Desk) -> None:
    """A session in another zone wrote them; 0000-00-00 is no time, and such rows are labelled where no range is asked for."""
    mariadb.run("CREATE TABLE zoned (id VARCHAR(9) PRIMARY KEY, author TEXT, at TIMESTAMP NULL, said DATETIME)")
    mariadb.together(
        "SET SESSION time_zone = '+08:00', sql_mode = ''",
        "INSERT INTO zoned VALUES ('a', 'Tom', '2020-01-01 08:00:00', '2020-01-01 08:00:00'), ('b', 'Tom', '2020-01-01 07:59:59', '0000-00-00')",
    )
    moments = {
        "start": datetime.fromisoformat("2020-01-01T00:00:00+00:00"),
        "end": datetime.fromisoformat("2020-01-02T00:00:00+00:00"),
    }
    desk.label(f"{mariadb.url}::zoned", mariadb.url, name="at", time_column="at", **moments)
    assert [(row["id"], str(row["create_time"])) for row in mariadb.rows("at")] == [("a", "2020-01-01 00:00:00")]
    desk.label(f"{mariadb.url}::zoned", mariadb.url, name="said", time_column="said")
    said = {row["id"]: str(row["create_time"]) for row in mariadb.rows("said")}
    assert said == {"a": "2020-01-01 08:00:00", "b": "None"}


# Character sets of MariaDB.


def test_tables_in_other_character_sets_are_read_and_ours_hold_every_character(mariadb: Server, desk: Desk) -> None:
    """The source's tables may be utf8 of three bytes or latin1, the sink's database too: our own tables are utf8mb4."""
    mariadb.run(f"ALTER DATABASE `{make_url(mariadb.url).database}` CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci")
    for name, charset, texts in [
        ("three", "utf8mb3", ["Tom 陳志明", "naïve"]),
        ("one", "latin1", ["Tom é", "naïve"]),
        ("four", "utf8mb4", ["Tom 🌸", "amy 👩‍🎓 amy"]),
    ]:
        mariadb.run(f"CREATE TABLE in_{name} (id INT PRIMARY KEY, author VARCHAR(50)) CHARACTER SET {charset}")
        mariadb.run(*(f"INSERT INTO in_{name} VALUES ({number}, '{text}')" for number, text in enumerate(texts)))
        desk.label(f"{mariadb.url}::in_{name}", mariadb.url, name=name)
        found = {row["match_content"] for row in mariadb.rows(name)}
        assert found == {text for text in texts if "naïve" not in text}
        assert {row["match_content"] for row in mariadb.rows(f"wh_panel_mapping_{name}")} == found
    with task_lab.connected(mariadb.url) as connection:
        query = "SELECT DISTINCT table_collation FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name NOT LIKE 'in%%'"
        assert set(connection.exec_driver_sql(query).scalars()) - {"utf8mb4_nopad_bin"} == {"utf8mb4_bin"}


def test_a_name_that_mariadb_cannot_store_is_told_before_anything_is_written(mariadb: Server, desk: Desk) -> None:
    """Its names are of characters of three bytes, and end in no space."""
    for name in ("🌸", "forum "):
        desk.refused(BadSource, "MariaDB", mariadb.posts, mariadb.url, name=name)
    assert mariadb.tables() == {"posts"}


def test_an_emoji_in_a_name_is_a_name_on_postgresql(postgresql: Server, desk: Desk) -> None:
    task_lab.make_table(postgresql.url, task_lab.rows(10).rename({"author": "👩‍🎓"}), "🌸")
    found = desk.label(f"{postgresql.url}::🌸", postgresql.url, text_column="👩‍🎓", name="👍")
    assert found["written"] == ["👍", "wh_panel_mapping_👍"][: len(found["written"])]
    assert len(postgresql.rows("👍")) == 6
