"""From the list of records to a file on the disk, as somebody clicks it."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from playwright.sync_api import expect

from labelmill.annotation import service as annotation

if TYPE_CHECKING:
    from pathlib import Path

    from labelmill.datasets.service import Dataset


def saved(page: Any, folder: Path) -> Path:
    """Press the button and return the file that comes."""
    with page.expect_download() as download:
        page.click("main form button.primary")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_what_the_list_shows_is_what_is_exported(open_page: Any, lively: Dataset, served: Any, tmp_path: Path) -> None:
    with served.app.database.read() as connection:
        tied = annotation.progress(connection, lively)
    assert tied.annotators
    with open_page() as page:
        page.goto(f"/datasets/{lively.id}/records?state=labelled&q=goal")
        page.click("text=Export")
        expect(page.locator("input[name=text]")).to_have_value("goal")
        rows = list(csv.DictReader(saved(page, tmp_path).read_text(encoding="utf-8-sig").splitlines()))
        assert rows
        assert all("goal" in row["text"] and row["label"] for row in rows)
        page.check("input[value=parquet]")
        page.select_option("select[name=rows]", "answers")
        page.select_option("select[name=annotators]", "name")
        frame = pl.read_parquet(saved(page, tmp_path))
    assert set(frame["annotator"]) <= {"Ann", "Bob", "Chen"}
    assert frame.n_unique("record") == len(rows)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["Short-messages-answers.parquet", "Short-messages.csv"]


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits(open_page: Any, lively: Dataset, width: int, language: str) -> None:
    with open_page(language=language, viewport={"width": width, "height": 800}) as page:
        page.goto(f"/datasets/{lively.id}/export")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
