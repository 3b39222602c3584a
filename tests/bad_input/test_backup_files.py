"""Files that are no backups, or no whole ones, and places with no room: a clear error each, and nothing is changed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

import backup_lab
import webapp
from labelmill import cli
from labelmill.backup import service
from labelmill.bootstrap import build, opened_as_is
from labelmill.db import migrate
from labelmill.errors import BadFile, BadInput, Conflict, LabelmillError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from labelmill.bootstrap import App

BLOB = os.urandom(600_000)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a good backup, of an installation that lies beside it."""
    folder = tmp_path_factory.mktemp("good")
    app = build(backup_lab.settings_for(folder, f"sqlite:///{folder}/labelmill.db"))
    backup_lab.add_texts(app.database, "first", [f"text {number}" for number in range(100)])
    app.blobs.put("images/aa/a.png", BLOB)
    service.backup(app, folder / "good.labelmill", backup_lab.quiet)
    app.close()
    return folder / "good.labelmill"


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[App]:
    with opened_as_is(backup_lab.settings_for(tmp_path / "target", f"sqlite:///{tmp_path}/target.db")) as app:
        yield app


def require_refused(app: App, file: Path, kind: type[LabelmillError], told: str) -> None:
    """Require that neither verb takes the file, and that nothing was made of it."""
    for verb in (service.verify, lambda path, tell: service.restore(app, path, tell)):
        with pytest.raises(kind, match=told) as caught:
            verb(file, lambda _done, _total: None)
        assert caught.value.way_out
    assert migrate.current(app.database.engine) is None
    assert not app.work_root.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no backup of labelmill"),
        (b"id,text\n1,a\n", "no backup of labelmill"),
        (b"PK\x03\x04" + b"\0" * 50, "no backup of labelmill"),
    ],
)
def test_what_is_no_zip_is_refused(tmp_path: Path, empty: App, content: bytes, told: str) -> None:
    (tmp_path / "file").write_bytes(content)
    require_refused(empty, tmp_path / "file", BadFile, told)


def test_what_is_not_there_or_a_folder_is_refused(tmp_path: Path, empty: App) -> None:
    require_refused(empty, tmp_path / "nothing", BadInput, "no such file")
    require_refused(empty, tmp_path, BadFile, "no backup of labelmill")


def test_another_zip_is_refused(tmp_path: Path, empty: App) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    require_refused(empty, tmp_path / "other.zip", BadFile, "This ZIP is no backup")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, good: Path, empty: App, share: float) -> None:
    whole = good.read_bytes()
    (tmp_path / "cut").write_bytes(whole[: int(len(whole) * share)])
    require_refused(empty, tmp_path / "cut", BadFile, "its end is missing")


@pytest.mark.parametrize("share", [step / 16 for step in range(16)])
def test_a_flipped_byte_anywhere_is_found(tmp_path: Path, good: Path, empty: App, share: float) -> None:
    content = bytearray(good.read_bytes())
    content[int(len(content) * share)] ^= 0x55
    (tmp_path / "flipped").write_bytes(content)
    require_refused(empty, tmp_path / "flipped", BadFile, "damaged|no backup|makes no sense|does not hold")


def change_manifest(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | changes).encode()

    return change


def test_a_changed_table_is_found_although_the_zip_is_whole(tmp_path: Path, good: Path, empty: App) -> None:
    def change(members: dict[str, bytes]) -> None:
        name = "tables/records/000000.parquet"
        members[name] = members[name][:-1] + b"X"

    file = backup_lab.rewritten(good, tmp_path / "changed", change)
    require_refused(empty, file, BadFile, "records/000000.parquet is not as it was written")


def test_a_missing_or_additional_member_is_found(tmp_path: Path, good: Path, empty: App) -> None:
    less = backup_lab.rewritten(good, tmp_path / "less", lambda members: members.pop("blobs/images/aa/a.png"))
    require_refused(empty, less, BadFile, "does not hold what its manifest says")
    more = backup_lab.rewritten(good, tmp_path / "more", lambda members: members.update({"blobs/b": b""}))
    require_refused(empty, more, BadFile, "does not hold what its manifest says")


def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path, good: Path, empty: App) -> None:
    newer = backup_lab.rewritten(good, tmp_path / "newer", change_manifest(format=2, labelmill="9.1"))
    require_refused(empty, newer, Conflict, "format 2")
    revision = backup_lab.rewritten(good, tmp_path / "revision", change_manifest(revision="9999", labelmill="9.1"))
    with pytest.raises(Conflict, match="revision 9999") as caught:
        service.restore(empty, revision, backup_lab.quiet)
    assert "9.1" in caught.value.way_out
    assert migrate.current(empty.database.engine) is None


@pytest.mark.parametrize(
    "name", ["work/../../evil", "/etc/evil", "work//evil", "tables/customers/000000.parquet", "other/a", "work/a\\..\\b"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, good: Path, empty: App, name: str) -> None:
    def change(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        [blob] = [each for each in manifest["members"] if each["name"].startswith("blobs/")]
        blob["name"] = name
        members[name] = members.pop("blobs/images/aa/a.png")
        members["manifest.json"] = json.dumps(manifest).encode()

    require_refused(empty, backup_lab.rewritten(good, tmp_path / "evil", change), BadFile, "makes no sense")


def test_a_table_that_is_not_ours_is_refused(tmp_path: Path, good: Path, empty: App) -> None:
    def change(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        manifest["tables"]["customers"] = 0
        members["manifest.json"] = json.dumps(manifest).encode()

    with pytest.raises(BadFile, match="customers"):
        service.restore(empty, backup_lab.rewritten(good, tmp_path / "foreign", change), backup_lab.quiet)


def test_an_installation_that_is_in_use_is_refused_and_stays(tmp_path: Path, good: Path) -> None:
    app = build(backup_lab.settings_for(tmp_path / "used", f"sqlite:///{tmp_path}/used.db"))
    backup_lab.add_texts(app.database, "mine", ["a"])
    before = backup_lab.rows_of(app.database)
    with pytest.raises(Conflict, match="no empty installation"):
        service.restore(app, good, backup_lab.quiet)
    assert backup_lab.rows_of(app.database) == before
    assert not (app.work_root / "kept").exists()
    app.close()


def test_another_file_under_a_blobs_name_is_refused(good: Path, empty: App) -> None:
    empty.blobs.put("images/aa/a.png", b"another")
    with pytest.raises(Conflict, match="another file with this name"):
        service.restore(empty, good, backup_lab.quiet)
    assert empty.blobs.get("images/aa/a.png") == b"another"


def labelmill(*arguments: str, most_bytes: int | None = None, **environ: str) -> tuple[int, str]:
    """Run a verb as a process, which may write no file larger than ``most_bytes``; return its exit code and what it said."""

    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    done = subprocess.run(
        [sys.executable, "-m", "labelmill", *arguments], env={**os.environ, **environ}, preexec_fn=limit, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_p12_a_disk_without_room_is_told_and_the_next_try_with_room_works(tmp_path: Path, good: Path) -> None:
    source = {
        "LABELMILL_DATA_DIR": str(good.parent / "data"),
        "LABELMILL_DATABASE_URL": f"sqlite:///{good.parent}/labelmill.db",
    }
    old = tmp_path / "out" / "all.labelmill"
    old.parent.mkdir()
    old.write_text("the last one")
    code, said = labelmill("backup", str(old), "--force", most_bytes=400_000, **source)
    assert (code, "no room" in said) == (7, True), said
    assert [each.name for each in old.parent.iterdir()] == ["all.labelmill"]
    assert old.read_text() == "the last one"
    onto = {"LABELMILL_DATA_DIR": str(tmp_path / "data"), "LABELMILL_DATABASE_URL": f"sqlite:///{tmp_path}/new.db"}
    code, said = labelmill("restore", str(good), most_bytes=400_000, **onto)
    assert (code, "cannot be stored" in said or "does not answer" in said) == (7, True), said
    with opened_as_is(backup_lab.settings_for(tmp_path, onto["LABELMILL_DATABASE_URL"])) as app:
        assert service.restore(app, good, backup_lab.quiet).summary.blobs == 1


def test_a_database_that_does_not_answer_is_told(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LABELMILL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LABELMILL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    for arguments in (("backup", str(tmp_path / "all")), ("restore", str(good))):
        assert cli.run(arguments) == 7
        assert "does not answer" in capsys.readouterr().err
    assert not (tmp_path / "all").exists()


def test_the_verbs_as_they_are_typed(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int, Any, str]:
        code = cli.run(arguments)
        out, said = capsys.readouterr()
        return code, json.loads(out) if "--json" in arguments and out else out, said

    monkeypatch.setenv("LABELMILL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LABELMILL_SECRET", webapp.SECRET)
    assert run("backup", str(tmp_path / "all"))[0] == 4, "there is nothing to back up"
    code, told, _ = run("restore", str(good), "--json")
    assert (code, told["blobs"], told["jobs_begun_again"], told["connections_locked"]) == (0, 1, 0, 0)
    code, made, _ = run("backup", "--json", str(tmp_path / "all"))
    assert (code, made["rows"], made["bytes"]) == (0, told["rows"], (tmp_path / "all").stat().st_size)
    assert run("backup", str(tmp_path / "all"))[0] == 4, "it is there already"
    assert run("backup", "make", str(tmp_path / "all"), "--force")[0] == 0
    code, seen, _ = run("backup", "verify", str(tmp_path / "all"), "--json")
    assert (code, seen["rows"], seen["tables"]) == (0, made["rows"], made["tables"])
    assert run("restore", str(tmp_path / "all"))[0] == 4, "this is no empty installation"
    assert run("backup", str(tmp_path / "none" / "all"))[0] != 0
