"""Each mistake has its sentence; all are told at once, and none as a traceback of the library below."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from labelmill.errors import BadSettings
from labelmill.settings import Settings, load_settings
from labelmill.settings.model import accepted_words, env_name

LARGEST = "1000000000"
GOOD_SECRET = "kV3rT9mQ-2xLw8ZpN5yHc7BdG4sJf6uAe"


def mistakes(environ: dict[str, str], overrides: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(BadSettings) as caught:
        load_settings(overrides or {}, environ)
    return list(caught.value.details["mistakes"])


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


WHOLE = f"it must be a whole number from 1 to {LARGEST}"
SECONDS = f"it must be a number of seconds from 0.01 to {LARGEST}"
SCHEMES = "it must begin with sqlite://, postgresql://, mysql:// or mariadb://"
SHOWN = [
    ("PORT", "abc", "it must be a port: a whole number from 1 to 65535"),
    ("PORT", "0", "it must be a port: a whole number from 1 to 65535"),
    ("PORT", "65536", "it must be a port: a whole number from 1 to 65535"),
    ("PORT", "80.5", "it must be a port: a whole number from 1 to 65535"),
    ("INPUT_PORT", "-1", "it must be a port: a whole number from 1 to 65535"),
    ("WORKERS", "-1", "it must be a whole number from 0 to 1024"),
    ("MAX_TRIES", "0", WHOLE),
    ("MAX_TRIES", "three", WHOLE),
    ("BODY_LIMIT_MB", "1" * 5000, WHOLE),
    ("SESSION_DAYS", "1000000001", WHOLE),
    ("MEMORY_MB", "1", f"it must be a whole number from 128 to {LARGEST}"),
    ("POLL_SECONDS", "0", SECONDS),
    ("POLL_SECONDS", "nan", SECONDS),
    ("STEP_SECONDS", "inf", SECONDS),
    ("STOP_SECONDS", "-5", SECONDS),
    ("LEASE_SECONDS", "2.9", "it must be at least 3 times LABELMILL_HEARTBEAT_SECONDS (1)"),
    ("UNCERTAINTY_THRESHOLD", "1.1", "it must be a number from 0 to 1"),
    ("ACTIVE_LEARNING", "perhaps", "it must be true or false"),
    ("LOG_LEVEL", "loud", "it must be debug, info, warning or error"),
    ("LOG_FORMAT", "xml", "it must be console or json"),
    ("QUEUES", "a,,b", "it must be names of queues (letters, digits, `_`, `-`, `.`) with commas between them"),
    ("QUEUES", "a b", "it must be names of queues (letters, digits, `_`, `-`, `.`) with commas between them"),
    ("HOST", "local host", "it must be text without spaces"),
    ("HOST", "a\nb", "it must be text without spaces"),
    ("RULES_DIR", "gone", "there is no such folder"),
    ("SOURCE_MAP", "gone.json", "there is no such file"),
    ("DATA_DIR", "x" * 300, "the path cannot be used (File name too long)"),
    ("DATA_DIR", "what?", "it must not hold a question mark, which would end the path in the database's URL"),
    ("DATA_DIR", "~nobody-of-that-name/x", "it begins with ~ and there is no home directory; write the path in full"),
]


@pytest.mark.parametrize(("name", "text", "reason"), SHOWN, ids=[f"{name}={text[:20]!r}" for name, text, _ in SHOWN])
def test_a_wrong_value_is_told_with_name_place_value_and_what_is_accepted(name: str, text: str, reason: str):
    assert mistakes({f"LABELMILL_{name}": text}) == [f"LABELMILL_{name} (environment) is {text[:100]!r}: {reason}."]


HIDDEN = [
    ("DATABASE_URL", "oracle://ann:hunter2@db/x", SCHEMES),
    ("DATABASE_URL", "postgresql:/ann:hunter2@db/x", SCHEMES),
    ("DATABASE_URL", "hunter2", SCHEMES),
    (
        "DATABASE_URL",
        "postgresql://ann:hunter2@db:port/x",
        "it must be written scheme://user:password@host:port/database, with a port that is a number",
    ),
    ("DATABASE_URL", "postgresql://ann:hunter2@/x", "it must name the host"),
    ("DATABASE_URL", "mariadb://ann:hunter2@db", "it must name the database after the host"),
    ("DATABASE_URL", "mysql+pymysql://ann:hunter2@db/", "it must name the database after the host"),
    (
        "DATABASE_URL",
        "sqlite:///:memory:",
        "it must name a file, as in sqlite:////data/labelmill.db: a database in memory is seen by one process only",
    ),
    ("BROKER_URL", "http://ann:hunter2@mq", "it must begin with amqp://, amqps://, redis:// or rediss://"),
    ("BROKER_URL", "redis://:hunter2@", "it must name the host"),
    ("BROKER_URL", "redis://:hunter2@mq:99999", "it must hold a host and a port from 0 to 65535"),
    ("BROKER_URL", "amqp://[::1", "it must hold a host and a port from 0 to 65535"),
    ("PUBLIC_URL", "labels.example.org", "it must begin with http:// or https://"),
    ("PUBLIC_URL", "javascript://x", "it must begin with http:// or https://"),
    ("SECRET", "hunter2", "it has 7 characters and must have at least 32; `openssl rand -hex 32` makes one"),
    ("SECRET", "hunter2-my-secret-for-everything-0", "it can be guessed; `openssl rand -hex 32` makes one that cannot"),
    ("SECRET", "hunter2" * 5, "it can be guessed; `openssl rand -hex 32` makes one that cannot"),
]


@pytest.mark.parametrize(("name", "text", "reason"), HIDDEN)
def test_a_value_that_may_hold_a_password_is_never_repeated(name: str, text: str, reason: str):
    told = mistakes({f"LABELMILL_{name}": text})
    assert told == [f"LABELMILL_{name} (environment): {reason}."]
    assert "hunter2" not in str(told)


@pytest.mark.parametrize(
    "text", ["sqlite:////data/l.db", "sqlite:///l.db", "postgresql+psycopg://db/x", "mysql://u@db:3306/x", "mariadb://db/x"]
)
def test_databases_that_are_accepted(text: str):
    assert load_settings({}, {"LABELMILL_DATABASE_URL": text}).database_url == text


@pytest.mark.parametrize("text", ["amqp://mq", "amqps://u:p@mq:5671/vhost", "redis://mq:6379/0", "rediss://:p@mq"])
def test_brokers_that_are_accepted(text: str):
    assert load_settings({}, {"LABELMILL_BROKER_URL": text}).broker_url == text


def test_a_public_url_loses_its_last_slash():
    assert load_settings({}, {"LABELMILL_PUBLIC_URL": "https://l.example.org/"}).public_url == "https://l.example.org"


def test_the_predecessors_shipped_secret_is_refused_under_its_name():
    assert mistakes({"JWT_SECRET": "need_a_better_secret"})[0].startswith("JWT_SECRET (environment): it has 20 characters")
    assert mistakes({"JWT_SECRET": "need_a_better_secret_0123456789xyz"}) == [
        "JWT_SECRET (environment): it can be guessed; `openssl rand -hex 32` makes one that cannot."
    ]


def test_a_good_secret_is_accepted():
    secret = load_settings({}, {"LABELMILL_SECRET": GOOD_SECRET}).secret
    assert secret is not None
    assert secret.get_secret_value() == GOOD_SECRET


def test_the_name_that_was_used_is_the_name_that_is_told():
    Path(".env").write_text("BATCH_SIZE=many\n")
    assert mistakes({"NODE_PORT": "x"}, {"max-tries": "0"}) == [
        "NODE_PORT (environment) is 'x': it must be a port: a whole number from 1 to 65535.",
        f"max-tries (command line) is '0': {WHOLE}.",
        f"BATCH_SIZE (.env) is 'many': {WHOLE}.",
    ]


def test_all_mistakes_of_all_kinds_are_told_at_once():
    Path(".env").write_text("'broken=\n")
    told = mistakes(
        {"LABELMILL_PORT": "x", "LABELMILL_LOG_LEVEL": "loud", "LABELMILL_SECRET": "short"}, {"prot": "1", "host": ""}
    )
    assert len(told) == 6
    assert told[:3] == [
        "Line 1 of .env is not of the form NAME=VALUE.",
        "prot (command line) is no setting; LABELMILL_PORT is meant, perhaps.",
        "host (command line) has no value.",
    ]


def test_the_error_is_one_of_ours_with_a_way_out():
    with pytest.raises(BadSettings) as caught:
        load_settings({"port": "x"}, {})
    error = caught.value
    assert (error.code, error.exit_code) == ("bad-settings", 2)
    assert error.way_out == "Correct it, or take it out to use the default."
    assert error.as_problem()["mistakes"] == ["port (command line) is 'x': it must be a port: a whole number from 1 to 65535."]


def test_a_wrong_data_folder_is_one_mistake_and_not_three():
    """Database and files lie in it by default; they have no sentences of their own."""
    Path("file").write_text("")
    assert mistakes({"LABELMILL_DATA_DIR": "file"}) == [
        "LABELMILL_DATA_DIR (environment) is 'file': it must be a folder, and there is a file at that path."
    ]


def test_a_data_folder_that_does_not_exist_yet_is_fine(tmp_path: Path):
    assert load_settings({"data_dir": str(tmp_path / "a" / "b")}, {}).data_dir == tmp_path / "a" / "b"
    assert not (tmp_path / "a").exists()


def test_a_data_folder_that_may_not_be_written_to_is_refused(tmp_path: Path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    tmp_path.chmod(0o755)
    with _nobody():
        told = mistakes({"LABELMILL_DATA_DIR": str(folder)})
    assert told[0].endswith(
        (
            "it must be a folder that may be written to; change its permissions or name another.",
            "the path cannot be used (Permission denied).",
        )
    )


class _nobody:  # noqa: N801 - reads as a word
    """Gives root's rights away for a moment, as root may write everywhere."""

    def __enter__(self) -> None:
        self.root = os.geteuid() == 0
        if self.root:
            os.seteuid(65534)

    def __exit__(self, *_: object) -> None:
        if self.root:
            os.seteuid(0)


def test_a_wrong_default_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".labelmill").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert mistakes({}) == ["LABELMILL_DATA_DIR (default): it must be a folder, and there is a file at that path."]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_accepts(name: str):
    assert accepted_words(name)


@pytest.mark.parametrize("name", Settings.model_fields)
@hypothesis_settings(max_examples=25)
@given(text=st.text(max_size=400) | st.from_regex(r"[a-z+]{1,12}://?[^/]{0,10}(:[^@]{0,5}@)?[^/]{0,10}/[^?]{0,5}(\?.{0,9})?"))
def test_whatever_is_written_gives_settings_or_sentences(name: str, text: str):
    """No text makes anything but Settings or BadSettings, and each sentence is one line."""
    try:
        load_settings({}, {env_name(name): text})
    except BadSettings as error:
        for sentence in error.details["mistakes"]:
            assert sentence.startswith(f"{env_name(name)} (environment)")
            assert sentence.endswith(".")
            assert len(sentence.splitlines()) == 1
