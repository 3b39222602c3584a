"""The secret, and the keys made of it."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import InvalidToken

from labelmill.accounts.secret import Keys, load_keys
from labelmill.errors import BadSettings
from labelmill.settings import Settings

STRONG = "0f7c1d9a4e6b8532c7d1a9e4f0b36285"


def test_the_embedded_default_makes_a_secret_once_and_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    first = load_keys(settings).derive("x")
    path = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_keys(settings).derive("x") == first
    assert [found.name for found in path.parent.iterdir()] == ["secret.key"]


def test_processes_that_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: load_keys(settings).derive("x"), range(32)))
    assert len(set(keys)) == 1


def test_a_given_secret_goes_before_the_kept_one(tmp_path: Path) -> None:
    given = load_keys(Settings(data_dir=tmp_path, secret=STRONG))
    assert given.derive("x") == Keys(STRONG).derive("x")
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.parametrize("url", ["postgresql://ann@127.0.0.1/x", "mariadb://ann@127.0.0.1/x"])
def test_other_databases_need_a_given_secret(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadSettings, match="openssl rand"):
        load_keys(Settings(data_dir=tmp_path, database_url=url))


def test_a_damaged_secret_is_told_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_text("short\n")
    with pytest.raises(BadSettings, match="damaged"):
        load_keys(Settings(data_dir=tmp_path))
    assert path.read_text() == "short\n"


def test_keys_for_different_purposes_have_nothing_in_common() -> None:
    keys = Keys(STRONG)
    assert len({keys.derive("a"), keys.derive("b"), Keys(STRONG + "1").derive("a")}) == 3
    with pytest.raises(InvalidToken):
        keys.fernet("b").decrypt(keys.fernet("a").encrypt(b"x"))


def test_keys_do_not_show_the_secret() -> None:
    assert STRONG not in repr(Keys(STRONG))
