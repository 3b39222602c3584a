"""deploy/with_secrets.py, the container's ``labelmill``: secrets come from files into settings, and nowhere else."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from deployment import DEPLOY

SCRIPT = DEPLOY / "with_secrets.py"
SECRET = "0f7c1d9a4e6b8532c7d1a9e4f0b36285"


def _load():
    spec = importlib.util.spec_from_file_location("with_secrets", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


with_secrets = _load()


@pytest.fixture
def secret(tmp_path):
    """Return a function that writes a secret's file and returns its path."""

    def write(content, name="secret"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize("content", [SECRET, f"{SECRET}\n", f"  {SECRET} \r\n", f"{SECRET}\na second line\n"])
def test_the_first_line_takes_the_place_of_the_file(secret, content):
    path = secret(content)
    assert with_secrets.filled({"LABELMILL_SECRET": f"<{path}>"}) == {"LABELMILL_SECRET": SECRET}


def test_in_a_url_it_is_quoted(secret):
    """A password may hold what parts a URL; elsewhere it stays as it is."""
    path = secret("p@ss/w:rd%?#ü")
    url = f"postgresql://ann:<{path}>@db:5432/labels"
    assert with_secrets.filled({"LABELMILL_DATABASE_URL": url}) == {
        "LABELMILL_DATABASE_URL": "postgresql://ann:p%40ss%2Fw%3Ard%25%3F%23%C3%BC@db:5432/labels"
    }
    assert with_secrets.filled({"LABELMILL_INPUT_PASSWORD": f"<{path}>"}) == {"LABELMILL_INPUT_PASSWORD": "p@ss/w:rd%?#ü"}


def test_several_files_in_one_setting(secret):
    user, password = secret("ann", "user"), secret("</not/read/again>", "password")
    url = f"amqp://<{user}>:<{password}>@rabbitmq:5672//"
    assert with_secrets.filled({"LABELMILL_BROKER_URL": url})["LABELMILL_BROKER_URL"] == (
        "amqp://ann:%3C%2Fnot%2Fread%2Fagain%3E@rabbitmq:5672//"
    )


def test_what_is_no_setting_or_names_no_file_stays_as_it_is(secret):
    path = secret(SECRET)
    environment = {"OTHER": f"<{path}>", "LABELMILL_PORT": "8700", "LABELMILL_QUEUES": "a<b", "LABELMILL_LOG_LEVEL": "<info>"}
    assert with_secrets.filled(environment) == {}


@pytest.mark.parametrize(("content", "reason"), [("", "is empty"), ("\nlater\n", "is empty"), (b"\xff\xfe", "is not UTF-8")])
def test_a_file_without_a_secret_is_told_by_its_name(secret, content, reason):
    path = secret(content)
    with pytest.raises(with_secrets.NoSecret, match=f"LABELMILL_SECRET: the secret's file {path} {reason}"):
        with_secrets.filled({"LABELMILL_SECRET": f"<{path}>"})


def _run(*arguments, **settings):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LABELMILL_")}
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], env=environment | settings, capture_output=True, text=True, check=False
    )


def test_a_missing_file_ends_the_command_before_it_begins(tmp_path):
    done = _run("settings", LABELMILL_SECRET=f"<{tmp_path}/none>")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"error[bad-settings] LABELMILL_SECRET: the secret's file {tmp_path}/none cannot be read" in done.stderr


def test_the_command_is_labelmill_with_the_secret(secret, tmp_path):
    """Its settings are those of the files, and it shows none of them."""
    path = secret("a-password-from-a-file")
    done = _run(
        "settings",
        "--json",
        LABELMILL_DATA_DIR=str(tmp_path),
        LABELMILL_SECRET=f"<{secret(SECRET, 'key')}>",
        LABELMILL_DATABASE_URL=f"postgresql://ann:<{path}>@db/labels",
    )
    assert done.returncode == 0, done.stderr
    told = {row["name"]: row["value"] for row in json.loads(done.stdout)}
    assert told["LABELMILL_DATABASE_URL"] == "postgresql://ann:********@db/labels"
    assert SECRET not in done.stdout + done.stderr
    assert "a-password-from-a-file" not in done.stdout + done.stderr


def test_exit_codes_are_those_of_labelmill(tmp_path):
    done = _run("db", "upgrade", "no-such-revision", LABELMILL_DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "no-such-revision" in done.stderr
