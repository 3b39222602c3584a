"""An archive from the first click to a verified file on the disk."""

from __future__ import annotations

import threading
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from labelmill.archives.verify import verify

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def dataset(served: Any) -> Any:
    made = served.lab.dataset(40, batch_size=1000)
    served.lab.answer_right(made, 20)
    served.lab.train(made)
    return made


def test_an_archive_is_requested_watched_downloaded_and_opened(
    open_page: Any, served: Any, dataset: Any, tmp_path: Path
) -> None:
    with open_page() as page:
        page.goto(f"/datasets/{dataset.id}/records")
        page.get_by_role("link", name="Archives").click()
        expect(page.get_by_text("No archives yet")).to_be_visible()
        page.check("input[name=pickle]")
        page.click("main form button.primary")
        row = page.locator("#archives tbody tr")
        expect(row).to_have_attribute("data-archive-state", "requested")
        worker = threading.Thread(target=served.lab.work, args=(("archiver",),))
        worker.start()
        # Nobody reloads the page.
        expect(row).to_have_attribute("data-archive-state", "available", timeout=300_000)
        worker.join()
        with page.expect_download() as download:
            row.get_by_role("link", name="Download").click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        row.get_by_role("button", name="Request again").click()
        expect(row.first).to_have_attribute("data-archive-state", "requested")
        row.first.get_by_role("button", name="Cancel").click()
        expect(row.first).to_have_attribute("data-archive-state", "failed")
        expect(row.first).to_contain_text("It was cancelled.")
    assert verify(path).members == 10
    with zipfile.ZipFile(path) as file:
        assert {"README.md", "records.parquet", "classifier.skops", "predict.py", "clf.p"} <= set(file.namelist())


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits(open_page: Any, dataset: Any, width: int, language: str) -> None:
    with open_page(language=language, viewport={"width": width, "height": 800}) as page:
        page.goto(f"/datasets/{dataset.id}/archives")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
