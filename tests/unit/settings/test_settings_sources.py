"""Where a value comes from: which place wins, under which names, and that each value knows its origin."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from labelmill.errors import BadSettings
from labelmill.settings import Settings, load_settings
from labelmill.settings.model import about_field, env_name

#: For each field a value that is accepted and not the default.
OTHER_VALUES = {
    "data_dir": "elsewhere",
    "database_url": "mariadb://ann@db/labels",
    "broker_url": "amqp://broker:5672//",
    "redis_url": "redis://channels:6379/3",
    "blob_dir": "files",
    "blobs_url": "s3://files/kept?endpoint=https://s3.example.org",
    "secret": "kV3rT9mQ-2xLw8ZpN5yHc7BdG4sJf6uAe",
    "host": "0.0.0.0",
    "port": "9001",
    "public_url": "https://labels.example.org",
    "log_level": "warning",
    "log_format": "json",
    "queues": "heavy,light",
    "lease_seconds": "60",
    "rules_dir": ".",
    "source_map": "map.json",
    "input_url": "postgresql://ann@db/posts",
    "output_url": "postgresql://ann@db/labels",
    "compat_status": "200",
    "compat_trusted_networks": "10.0.0.0/8,::1/128",
    "input_port": "3307",
    "output_port": "3308",
    "active_learning": "false",
    "no_vote": "true",
    "uncertainty_threshold": "0.5",
}
TEXTS = {
    "state_table",
    "input_host",
    "input_user",
    "input_password",
    "input_schema",
    "output_host",
    "output_user",
    "output_password",
    "output_schema",
}


def other_value(name: str) -> str:
    if name in OTHER_VALUES:
        return OTHER_VALUES[name]
    if name in TEXTS or name.endswith("_path"):
        return "something"
    return "2" if name == "heartbeat_seconds" else "777"


def value_of(settings: Settings, name: str) -> str:
    return settings.environment().get(env_name(name), "")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs in a folder of its own without an env file."""
    monkeypatch.chdir(tmp_path)
    Path("map.json").write_text("{}")


def test_an_empty_world_gives_the_defaults():
    settings = load_settings({}, {})
    assert settings.port == 8700
    assert settings.host == "127.0.0.1"
    assert settings.queues == ("default", "learner", "predictor", "archiver")
    assert settings.broker_url is None
    assert settings.secret is None
    assert settings.lease_seconds == 15
    assert settings.active_learning is True
    assert settings.warnings == ()
    assert {row.origin for row in settings.table()} == {"default"}


def test_the_process_environment_is_read_unless_another_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LABELMILL_PORT", "9100")
    assert load_settings().port == 9100
    assert load_settings(environ={}).port == 8700


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_is_understood_in_the_environment(name: str):
    settings = load_settings({}, {env_name(name): other_value(name)})
    assert value_of(settings, name) == other_value(name)
    assert settings.origin(name) == "environment"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_is_understood_on_the_command_line(name: str):
    settings = load_settings({name: other_value(name)}, {})
    assert value_of(settings, name) == other_value(name)
    assert settings.origin(name) == "command line"


ALONE = [
    (name, other)
    for name in Settings.model_fields
    for other in about_field(name).also
    if name not in {"database_url", "broker_url"}
]


@pytest.mark.parametrize(("name", "other"), ALONE)
def test_each_name_of_the_predecessors_is_understood(name: str, other: str):
    settings = load_settings({}, {other: other_value(name)})
    assert value_of(settings, name) == other_value(name)
    assert settings.origin(name) == f"environment ({other})"


def test_the_predecessors_names_are_those_of_their_documents():
    names = {other for name in Settings.model_fields for other in about_field(name).also}
    sides = {f"{side}_{part}" for side in ("INPUT", "OUTPUT") for part in ("HOST", "PORT", "USER", "PASSWORD", "SCHEMA")}
    postgres = {"PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"}
    loop = {"BATCH_SIZE", "MIN_LABEL_COUNT", "ACTIVE_LEARNING", "NO_VOTE", "UNCERTAINTY_THRESHOLD", "NODE_PORT", "JWT_SECRET"}
    files = {"DATA_PATH", "LABEL_PATH", "ACCESSOR_PATH", "INIT_DATA_PATH"}
    images = {f"DB_{part}" for part in ("HOST", "PORT", "USER", "PASSWORD", "NAME")}
    rabbit = {f"RBMPQ_{part}" for part in ("HOST", "PORT", "USER", "PASS")}
    assert names == sides | postgres | loop | files | images | rabbit | {"REDIS_HOST", "REDIS_PORT"}


@pytest.mark.parametrize("written", ["port", "PORT", "LABELMILL_PORT", "labelmill_port"])
def test_a_setting_may_be_written_in_several_ways_on_the_command_line(written: str):
    assert load_settings({written: "9000"}, {}).port == 9000


def test_a_dash_on_the_command_line_is_an_underscore():
    assert load_settings({"log-level": "ERROR"}, {}).log_level == "error"


#: From the first to win to the last.
PLACES = ("command line", "environment", "environment (NODE_PORT)", ".env", ".env (NODE_PORT)")


@pytest.mark.parametrize("first", range(len(PLACES)))
def test_the_first_place_that_has_a_value_wins(first: int):
    """Of the five places all from ``first`` on hold a port, each another one."""
    ports = [str(9000 + number) if number >= first else "" for number in range(len(PLACES))]
    Path(".env").write_text(f"LABELMILL_PORT={ports[3]}\nNODE_PORT={ports[4]}\n")
    overrides = {"port": ports[0]} if ports[0] else {}
    settings = load_settings(overrides, {"LABELMILL_PORT": ports[1], "NODE_PORT": ports[2]})
    assert settings.port == 9000 + first
    assert settings.origin("port") == PLACES[first]


def test_an_empty_variable_counts_as_not_set():
    settings = load_settings({}, {"LABELMILL_BROKER_URL": "", "LABELMILL_PORT": "", "INPUT_HOST": ""})
    assert settings.broker_url is None
    assert settings.port == 8700
    assert settings.origin("port") == "default"


class TestEnvFile:
    """What ``.env`` may hold."""

    def test_it_is_read_from_the_working_directory(self):
        Path(".env").write_text("LABELMILL_PORT=9002\nINPUT_HOST=db\n")
        settings = load_settings({}, {})
        assert (settings.port, settings.input_host) == (9002, "db")
        assert settings.origin("input_host") == ".env (INPUT_HOST)"

    def test_another_file_may_be_named(self, tmp_path: Path):
        (tmp_path / "prod.env").write_text("LABELMILL_PORT=9003\n")
        assert load_settings({}, {}, tmp_path / "prod.env").port == 9003

    def test_comments_quotes_export_and_windows_line_ends_are_understood(self):
        Path(".env").write_bytes(b"\xef\xbb\xbf# a comment\r\nexport LABELMILL_PORT='9004'\r\n\r\nINPUT_USER=\"ann\" # her\r\n")
        settings = load_settings({}, {})
        assert (settings.port, settings.input_user) == (9004, "ann")

    def test_nothing_is_put_in_for_a_dollar(self):
        Path(".env").write_text("INPUT_PASSWORD=a${HOME}b$c\n")
        password = load_settings({}, {"HOME": "/home/ann"}).input_password
        assert password is not None
        assert password.get_secret_value() == "a${HOME}b$c"

    def test_other_programs_variables_are_left_alone(self):
        Path(".env").write_text("COMPOSE_PROJECT_NAME=shop\nDJANGO_SECRET_KEY=x\n")
        assert load_settings({}, {}).warnings == ()

    def test_a_name_without_a_value_is_not_set(self):
        Path(".env").write_text("LABELMILL_PORT\n")
        assert load_settings({}, {}).port == 8700

    def test_a_file_that_was_named_must_exist(self, tmp_path: Path):
        with pytest.raises(BadSettings, match=r"gone\.env cannot be read: No such file"):
            load_settings({}, {}, tmp_path / "gone.env")

    def test_a_line_that_is_no_assignment_is_told_with_its_number(self):
        Path(".env").write_text("LABELMILL_PORT=9000\n'unclosed=\nINPUT_HOST=db\n")
        with pytest.raises(BadSettings, match=r"Line 2 of \.env is not of the form NAME=VALUE"):
            load_settings({}, {})

    def test_another_encoding_is_told(self):
        Path(".env").write_bytes("INPUT_USER=Müller".encode("latin-1"))
        with pytest.raises(BadSettings, match=r"\.env cannot be read: it is not UTF-8"):
            load_settings({}, {})

    def test_a_folder_of_that_name_is_told(self):
        Path(".env").mkdir()
        with pytest.raises(BadSettings, match=r"\.env cannot be read: Is a directory"):
            load_settings({}, {})


class TestUnknownNames:
    """A name that nobody knows is never passed over in silence."""

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("LABELMILL_PROT", "LABELMILL_PORT"),
            ("LABELMILL_DATABSE_URL", "LABELMILL_DATABASE_URL"),
            ("labelmill_port", "LABELMILL_PORT"),
        ],
    )
    def test_the_environment_gives_a_warning_with_the_close_match(self, written: str, meant: str):
        (sentence,) = load_settings({}, {written: "1"}).warnings
        assert sentence == f"{written} (environment) is no setting and is not used; {meant} is meant, perhaps."

    def test_without_a_close_match_the_list_is_named(self):
        (sentence,) = load_settings({}, {"LABELMILL_ZZZZZZ": "1"}).warnings
        assert sentence == "LABELMILL_ZZZZZZ (environment) is no setting and is not used; `labelmill settings` lists them all."

    def test_the_env_file_gives_a_warning_too(self):
        Path(".env").write_text("LABELMILL_WORKER=2\n")
        (sentence,) = load_settings({}, {}).warnings
        assert sentence == "LABELMILL_WORKER (.env) is no setting and is not used; LABELMILL_WORKERS is meant, perhaps."

    def test_on_the_command_line_it_is_a_mistake(self):
        with pytest.raises(BadSettings, match=r"prot \(command line\) is no setting; LABELMILL_PORT is meant, perhaps\."):
            load_settings({"prot": "1"}, {})

    def test_names_of_the_test_suite_are_no_settings(self):
        assert load_settings({}, {"LABELMILL_TEST_POSTGRESQL_URL": "x"}).warnings == ()


class TestPostgresNames:
    """PGHOST ... PGDATABASE make one URL together."""

    ALL: ClassVar = {"PGHOST": "db", "PGPORT": "5433", "PGUSER": "ann", "PGPASSWORD": "p@ss/w:rd", "PGDATABASE": "labels"}

    def test_all_of_them(self):
        settings = load_settings({}, self.ALL)
        url = make_url(settings.database_url)
        assert (url.get_backend_name(), url.host, url.port) == ("postgresql", "db", 5433)
        assert (url.username, url.password, url.database) == ("ann", "p@ss/w:rd", "labels")
        assert settings.origin("database_url") == "environment (PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE)"

    def test_without_a_host_they_mean_nothing(self):
        assert load_settings({}, {**self.ALL, "PGHOST": ""}).database_url.startswith("sqlite:///")

    def test_our_own_name_wins(self):
        settings = load_settings({}, {**self.ALL, "LABELMILL_DATABASE_URL": "sqlite:///x.db"})
        assert settings.database_url == "sqlite:///x.db"
        assert settings.origin("database_url") == "environment"

    def test_the_database_is_the_users_unless_named(self):
        assert load_settings({}, {"PGHOST": "db", "PGUSER": "ann"}).database_url == "postgresql://ann@db/ann"
        assert load_settings({}, {"PGHOST": "db"}).database_url == "postgresql://db/postgres"

    def test_an_ipv6_host_gets_its_brackets(self):
        assert make_url(load_settings({}, {"PGHOST": "::1"}).database_url).host == "::1"

    def test_a_host_that_is_a_folder_means_a_socket(self):
        url = make_url(load_settings({}, {"PGHOST": "/var/run/postgresql", "PGUSER": "ann"}).database_url)
        assert url.host is None
        assert url.query["host"] == "/var/run/postgresql"

    def test_a_port_that_is_no_number_is_told_with_their_names(self):
        with pytest.raises(BadSettings, match=r"PGHOST, PGPORT \(environment\): it must be written .* a port that is a number"):
            load_settings({}, {"PGHOST": "db", "PGPORT": "abc"})

    @given(user=st.text(min_size=1).filter(lambda text: "\0" not in text), password=st.text(min_size=1))
    def test_any_user_and_password_arrive_as_they_were(self, user: str, password: str):
        url = make_url(load_settings({}, {"PGHOST": "db", "PGUSER": user, "PGPASSWORD": password}).database_url)
        assert (url.username, url.password) == (user, password)

    def test_bytes_that_are_not_utf8_do_not_stop_the_reading(self):
        assert load_settings({}, {"PGHOST": "db", "PGUSER": "a\udcff"}).database_url.startswith("postgresql://a%FF@db/")


class TestRedisNames:
    """REDIS_HOST and REDIS_PORT make the broker's URL."""

    def test_host_and_port(self):
        settings = load_settings({}, {"REDIS_HOST": "redis", "REDIS_PORT": "6380"})
        assert settings.broker_url == "redis://redis:6380/0"
        assert settings.origin("broker_url") == "environment (REDIS_HOST, REDIS_PORT)"

    def test_the_port_has_a_default(self):
        assert load_settings({}, {"REDIS_HOST": "::1"}).broker_url == "redis://[::1]:6379/0"

    def test_a_port_alone_means_nothing(self):
        assert load_settings({}, {"REDIS_PORT": "6380"}).broker_url is None

    def test_a_wrong_port_is_told_with_their_names(self):
        with pytest.raises(BadSettings, match=r"REDIS_HOST, REDIS_PORT \(environment\): it must hold a host and a port"):
            load_settings({}, {"REDIS_HOST": "redis", "REDIS_PORT": "70000"})


class TestSides:
    """INPUT_* and OUTPUT_* make a URL each."""

    NAMES = ("HOST", "PORT", "USER", "PASSWORD", "SCHEMA")

    @pytest.mark.parametrize("side", ["input", "output"])
    @pytest.mark.parametrize("prefix", ["", "LABELMILL_"])
    def test_all_of_them(self, side: str, prefix: str):
        values = ("db", "3310", "ann", "p@ss", "wh_bbs_01")
        settings = load_settings(
            {}, {f"{prefix}{side.upper()}_{name}": value for name, value in zip(self.NAMES, values, strict=True)}
        )
        url = settings.input_database if side == "input" else settings.output_database
        assert url is not None
        assert (url.get_backend_name(), url.host, url.port) == ("mariadb", "db", 3310)
        assert (url.username, url.password, url.database) == ("ann", "p@ss", "wh_bbs_01")

    def test_without_a_host_there_is_no_url(self):
        settings = load_settings({}, {"INPUT_USER": "ann", "OUTPUT_PORT": "3310"})
        assert settings.input_database is None
        assert settings.output_database is None

    def test_a_host_is_enough(self):
        url = load_settings({}, {"OUTPUT_HOST": "db"}).output_database
        assert url is not None
        assert url.render_as_string(hide_password=False) == "mariadb://db:3306"


class TestDerived:
    """Defaults that are made of other settings."""

    def test_database_and_files_lie_in_the_data_folder(self, tmp_path: Path):
        settings = load_settings({"data_dir": str(tmp_path / "data")}, {})
        assert settings.database_url == f"sqlite:///{tmp_path}/data/labelmill.db"
        assert settings.blob_dir == tmp_path / "data" / "blobs"
        assert settings.origin("database_url") == "default"

    def test_a_tilde_is_the_home_directory(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert load_settings({}, {}).data_dir == tmp_path / ".labelmill"

    def test_a_child_process_sees_the_same(self, tmp_path: Path):
        """Whatever came from where: its environment carries all that is not a default."""
        mine = load_settings(
            {"data_dir": str(tmp_path), "queues": "a,b"}, {"PGHOST": "db", "PGPASSWORD": "x y", "NO_VOTE": "yes"}
        )
        child = load_settings({}, mine.environment())
        assert child.model_dump() == mine.model_dump()
        assert set(mine.environment()) == {
            "LABELMILL_DATA_DIR",
            "LABELMILL_QUEUES",
            "LABELMILL_DATABASE_URL",
            "LABELMILL_NO_VOTE",
        }


def test_settings_made_by_hand_read_nothing_of_the_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("LABELMILL_PORT", "1")
    Path(".env").write_text("LABELMILL_PORT=2\nPORT=2\n")
    settings = Settings(data_dir=tmp_path)
    assert settings.port == 8700
    assert settings.origin("data_dir") == "given"
    assert settings.origin("port") == "default"


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load_settings({}, {}).port = 1
