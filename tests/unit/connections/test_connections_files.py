"""Files that are named over HTTP lie below one folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.connections import below_data_dir, files_folder
from labelmill.errors import BadSource
from labelmill.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(data_dir=tmp_path / "data")
    files_folder(made).mkdir(parents=True)
    return made


@pytest.mark.parametrize("path", ["posts.csv", "2024/posts.csv", "文章.parquet", "a b.csv", "./x.csv", "...csv", "a//b.csv"])
def test_paths_below_the_folder_are_found_there(settings: Settings, path: str) -> None:
    found = below_data_dir(settings, path)
    assert found.is_relative_to(files_folder(settings))


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "..", "../x.csv", "a/../../x.csv", "a/../b.csv", "/etc/passwd", "//etc/passwd", "~/x.csv", "~root", "a\0b.csv",
        "a\nb.csv", "..\\x.csv", "C:\\x.csv", "C:x.csv", "\\\\host\\share", "x" * 2000, "x/" * 600, "a\u202ecsv.b", "./",
    ],
)  # fmt: skip
def test_every_way_out_of_the_folder_is_refused(settings: Settings, path: str) -> None:
    with pytest.raises(BadSource) as caught:
        below_data_dir(settings, path)
    assert caught.value.way_out
    assert caught.value.where.isprintable()


@given(st.text(st.sampled_from("./\\ab~:\0"), max_size=12))
def test_whatever_is_written_leads_nowhere_else(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    settings = Settings(data_dir=tmp_path_factory.getbasetemp() / "any")
    try:
        found = below_data_dir(settings, path)
    except BadSource:
        return
    assert found.is_relative_to(files_folder(settings).resolve())
    assert found != files_folder(settings).resolve()


def test_a_link_that_leaves_is_refused_and_one_that_stays_is_followed(settings: Settings, tmp_path: Path) -> None:
    folder = files_folder(settings)
    (tmp_path / "secret.csv").write_text("x")
    (folder / "real.csv").write_text("x")
    (folder / "out.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "away").symlink_to(tmp_path, target_is_directory=True)
    (folder / "in.csv").symlink_to(folder / "real.csv")
    for path in ("out.csv", "away/secret.csv", "away/new.csv"):
        with pytest.raises(BadSource):
            below_data_dir(settings, path)
    assert below_data_dir(settings, "in.csv") == (folder / "real.csv").resolve()


def test_a_circle_of_links_is_refused(settings: Settings) -> None:
    folder = files_folder(settings)
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    with pytest.raises(BadSource):
        below_data_dir(settings, "a/x.csv")


def test_the_folder_itself_may_be_behind_a_link(tmp_path: Path) -> None:
    """As on a machine whose data lies on another disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk", target_is_directory=True)
    settings = Settings(data_dir=tmp_path / "data")
    assert below_data_dir(settings, "x.csv") == tmp_path / "disk" / "files" / "x.csv"
