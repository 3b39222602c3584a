"""``labelmill archive`` as somebody types it."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, Any, str]]


def test_an_archive_is_written_checked_and_listed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "posts.csv").write_text("text\none\ntwo\nthree\n")
    code, _, said = run("import", "posts.csv", "--into", "posts", "--new", "--text-column", "text")
    assert code == 0, said
    code, made, _ = run("archive", "posts", "--out", "posts.zip", "--json")
    assert (code, made["file"], made["classifier"]) == (0, "posts.zip", None)
    with zipfile.ZipFile(tmp_path / "posts.zip") as file:
        assert file.testzip() is None
    assert made["bytes"] == (tmp_path / "posts.zip").stat().st_size
    code, checked, _ = run("archive", "verify", "posts.zip", "--json")
    assert (code, checked["archive"], checked["members"]) == (0, made["archive"], 6)
    code, listed, _ = run("archive", "list", "posts", "--json")
    assert (code, [each["state"] for each in listed]) == (0, ["available"])
    code, _, said = run("archive", "posts", "--out", "posts.zip")
    assert (code, "This file is there already." in said) == (4, True)
    assert run("archive", "posts", "--out", "posts.zip", "--force")[0] == 0
    assert run("archive", "posts", "--classifier", "3", "--out", "other.zip")[0] == 2
    (tmp_path / "posts.zip").write_bytes((tmp_path / "posts.zip").read_bytes()[:-50])
    code, _, said = run("archive", "verify", "posts.zip")
    assert (code, "its end is missing" in said) == (2, True)
    assert run("archive", "verify", "nowhere.zip")[0] == 2
    assert run("archive", "nothing")[0] == 3
    assert run("archive", "posts", "extra")[0] == 2
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == ["posts.csv", "posts.zip"]
