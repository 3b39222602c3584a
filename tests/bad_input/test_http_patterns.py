"""A pattern that is named over HTTP means files below the folder for files and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import http_tasks
from labelmill.accounts import Role

if TYPE_CHECKING:
    from pathlib import Path

    from webapp import Site

SECRET = "id,author\n1,Tom the secret\n"


@pytest.fixture
def folder(site: Site, tmp_path: Path) -> Path:
    """Two months of posts below the folder, a file beside it, hidden files, an upload on its way, and links."""
    folder = http_tasks.folder(site)
    for name in ("2024", ".hidden", "2024/.old"):
        (folder / name).mkdir()
    http_tasks.write(site, "2024/01.csv", http_tasks.rows(10))
    http_tasks.write(site, "2024/02.csv", http_tasks.rows(20))
    outside = tmp_path / "outside"
    outside.mkdir()
    for place in (
        outside / "03.csv",
        folder.parent / "04.csv",
        folder / ".hidden" / "05.csv",
        folder / "2024" / ".06.csv",
        folder / "2024" / ".old" / "07.csv",
        folder / "2024" / ".upload-0123.csv",
    ):
        place.write_text(SECRET)
    (folder / "out").symlink_to(outside)
    (folder / "2024" / "08.csv").symlink_to(outside / "03.csv")
    return folder


def columns(site: Site, path: str) -> Any:
    return site.ask("GET", "/v1/sources/columns", role=Role.MANAGER, params={"path": path})


@pytest.mark.parametrize(
    "path", ["2024/*.csv", "2024", "**/*.csv", "2024/**", "*/0?.csv", "2024/[!9]*.csv", "**/" * 90 + "*.csv"]
)
def test_p20_a_pattern_means_what_lies_below_the_folder(site: Site, folder: Path, path: str) -> None:
    """Nothing that is hidden, on its way, or reached through a link that leads out."""
    seen = columns(site, path)
    assert seen.status_code == 200, seen.text
    assert (seen.json()["format"], "secret" in seen.text) == ("csv", False)
    # A sink that the pattern would match is refused: another ending.
    task = http_tasks.labelled(site, http_tasks.body(path, "labels.tsv"))
    assert http_tasks.get(site, task)["rows_read"] == 30
    assert "secret" not in (folder / "labels.tsv").read_text()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../*.csv", "no path below"),
        ("2024/../../*.csv", "no path below"),
        ("*/../../*.csv", "no path below"),
        ("/*/*.csv", "no path below"),
        ("~/*.csv", "no path below"),
        ("C:\\*.csv", "no path below"),
        ("2024\\*.csv", "no path below"),
        ("file:///**/*.csv", "URLs"),
        ("out/*.csv", "leads out"),
        ("o*/*.csv", "No file matches"),
        ("[o]ut/03.csv", "No file matches"),
        ("2024/08.cs?", "No file matches"),
        (".hidden/*.csv", "No file matches"),
        ("[.]hidden/*.csv", "No file matches"),
        ("2024/.upload-*.csv", "No file matches"),
        ("2024/.old/*", "No file matches"),
        ("2023/*.csv", "no such folder"),
        ("*", "No file matches"),
        ("**/*.csv::posts", "URLs"),
        ("a" * 201 + "*.csv", "too long"),
    ],
)
def test_p20_a_pattern_leads_nowhere_else(site: Site, folder: Path, path: str, words: str) -> None:
    """Each is refused with what is wrong, and no folder of this machine is named."""
    for answer in (columns(site, path), http_tasks.start(site, http_tasks.body(path))):
        assert answer.status_code == 422, answer.text
        assert words in answer.text
        assert str(folder.parent) not in answer.text
        assert "secret" not in answer.text


def test_a_table_of_several_files_is_none(site: Site, folder: Path) -> None:
    """Files of rows have no tables."""
    answer = http_tasks.start(site, http_tasks.body() | {"source": {"path": "2024/*.csv", "table": "posts"}})
    assert (answer.status_code, "has no tables" in answer.text) == (422, True)


@pytest.mark.parametrize("sink", ["2024", "labels*", "lab?ls"])
def test_nothing_is_written_to_a_pattern_or_a_folder(site: Site, folder: Path, sink: str) -> None:
    """A sink has the ending of its format."""
    before = sorted(folder.rglob("*"))
    answer = http_tasks.start(site, http_tasks.body("2024/*.csv", sink))
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["where"] == "body.sink"
    assert sorted(folder.rglob("*")) == before


def test_a_file_that_became_a_link_out_after_the_plan_is_not_read(site: Site, folder: Path, tmp_path: Path) -> None:
    """The plan holds the names of files; what they lead to is looked at again by each step."""
    for name in ("1", "2"):
        http_tasks.write(site, f"2024/{name}.parquet", http_tasks.rows(10))
    (folder / "2024" / "2.parquet").replace(tmp_path / "outside" / "2.parquet")
    http_tasks.write(site, "2024/2.parquet", http_tasks.rows(10))
    task = http_tasks.start(site, http_tasks.body("2024/*.parquet")).json()["id"]
    http_tasks.work(site, task, steps=1)
    (folder / "2024" / "2.parquet").unlink()
    (folder / "2024" / "2.parquet").symlink_to(tmp_path / "outside" / "2.parquet")
    http_tasks.work(site, task)
    found = http_tasks.get(site, task)
    assert found["state"] == "failed"
    assert "leads out" in found["error"]["detail"]
    assert str(tmp_path) not in str(found["error"])


def test_an_uploaded_file_with_brackets_is_itself(site: Site, folder: Path) -> None:
    """A name that is there is no pattern."""
    http_tasks.write(site, "posts[1].csv", http_tasks.rows(7))
    http_tasks.write(site, "posts1.csv", http_tasks.rows(9))
    task = http_tasks.labelled(site, http_tasks.body("posts[1].csv", "labels.csv"))
    assert http_tasks.get(site, task)["rows_read"] == 7
