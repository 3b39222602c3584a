"""No secret is ever shown: not in the table, not in ``repr``, not in an error, not in what pydantic prints by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.settings import Settings, load_settings
from labelmill.settings.kinds import MASK, mask_url
from labelmill.settings.model import is_secret

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = "hunter2-kV3rT9mQ-2xLw8ZpN5yHc7BdG4s"
ENVIRON = {
    "LABELMILL_SECRET": HIDDEN,
    "INPUT_HOST": "in.example.org",
    "INPUT_PASSWORD": HIDDEN,
    "OUTPUT_HOST": "out.example.org",
    "OUTPUT_PASSWORD": HIDDEN,
    "LABELMILL_DATABASE_URL": f"postgresql://ann:{HIDDEN}@db.example.org/labels",
    "LABELMILL_BROKER_URL": f"redis://:{HIDDEN}@mq.example.org/0",
    "LABELMILL_PUBLIC_URL": f"https://ann:{HIDDEN}@labels.example.org",
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return load_settings({}, ENVIRON)


def test_secrets_are_those_that_open_something():
    assert [name for name in Settings.model_fields if is_secret(name)] == [
        "s3_access_key",
        "s3_secret_key",
        "secret",
        "input_password",
        "output_password",
    ]


def test_every_field_named_like_a_secret_is_one():
    telling = [name for name in Settings.model_fields if name.endswith(("secret", "password", "token", "key"))]
    assert all(is_secret(name) for name in telling)


def test_the_table_masks_secrets_and_passwords_in_urls(settings: Settings):
    values = {row.name: row.value for row in settings.table()}
    assert values["LABELMILL_SECRET"] == MASK
    assert values["LABELMILL_INPUT_PASSWORD"] == MASK
    assert values["LABELMILL_DATABASE_URL"] == f"postgresql://ann:{MASK}@db.example.org/labels"
    assert values["LABELMILL_BROKER_URL"] == f"redis://:{MASK}@mq.example.org/0"
    assert values["LABELMILL_PUBLIC_URL"] == f"https://ann:{MASK}@labels.example.org"
    assert HIDDEN not in str(settings.table())


def test_the_mask_does_not_tell_the_length(settings: Settings):
    short = {row.name: row.value for row in settings.table()}["LABELMILL_INPUT_PASSWORD"]
    assert (
        short == {row.name: row.value for row in load_settings({}, {"INPUT_PASSWORD": "x"}).table()}["LABELMILL_INPUT_PASSWORD"]
    )


def test_a_secret_that_is_not_set_shows_as_not_set(tmp_path: Path):
    values = {row.name: row.value for row in Settings(data_dir=tmp_path).table()}
    assert values["LABELMILL_SECRET"] == ""


def test_the_table_marks_its_secrets(settings: Settings):
    assert [row.name for row in settings.table() if row.secret] == [
        "LABELMILL_S3_ACCESS_KEY",
        "LABELMILL_S3_SECRET_KEY",
        "LABELMILL_SECRET",
        "LABELMILL_INPUT_PASSWORD",
        "LABELMILL_OUTPUT_PASSWORD",
    ]


@pytest.mark.parametrize("show", [repr, str, "{}".format, lambda settings: f"{[settings]}"])
def test_no_way_to_print_settings_shows_a_secret(settings: Settings, show):
    shown = show(settings)
    assert "db.example.org" in shown
    assert HIDDEN not in shown


@pytest.mark.parametrize("side", ["input_database", "output_database"])
def test_the_sides_urls_hide_their_password_when_printed(settings: Settings, side: str):
    url = getattr(settings, side)
    assert url.password == HIDDEN
    assert HIDDEN not in f"{url!r} {url}"


def test_what_a_child_process_gets_is_open(settings: Settings):
    """It is the one door through which secrets leave: a child could not work with a mask."""
    assert settings.environment()["LABELMILL_SECRET"] == HIDDEN
    assert settings.environment()["LABELMILL_DATABASE_URL"] == ENVIRON["LABELMILL_DATABASE_URL"]


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://ann:pw@db/x", f"postgresql://ann:{MASK}@db/x"),
        ("postgresql://ann:p@w@db/x", f"postgresql://ann:{MASK}@db/x"),
        ("postgresql://ann:p/w?x@db/x", f"postgresql://ann:{MASK}@db/x"),
        ("postgresql+psycopg://ann:pw@db/x", f"postgresql+psycopg://ann:{MASK}@db/x"),
        ("postgresql://db/x?user=ann&password=pw", f"postgresql://db/x?user=ann&password={MASK}"),
        ("postgresql://db/x?sslpassword=pw&sslmode=require", f"postgresql://db/x?sslpassword={MASK}&sslmode=require"),
        ("redis://:pw@mq/0", f"redis://:{MASK}@mq/0"),
        ("redis://mq/0", "redis://mq/0"),
        ("postgresql://ann@db:5432/x", "postgresql://ann@db:5432/x"),
        ("sqlite:////data/a:b@c.db", "sqlite:////data/a:b@c.db"),
        ("/data/a:b@c", "/data/a:b@c"),
    ],
)
def test_what_is_masked_in_a_url(url: str, masked: str):
    assert mask_url(url) == masked


@given(password=st.text(st.characters(exclude_categories=["Cs"]), min_size=9), user=st.from_regex(r"\A[a-z]{0,5}\Z"))
def test_no_password_in_front_of_the_host_survives(password: str, user: str):
    assert mask_url(f"postgresql://{user}:{password}@db/x") == f"postgresql://{user}:{MASK}@db/x"
