"""Datasets in a browser: from a dropped file to the first label, settings by hand, the monitor's figures, every width and theme."""

from __future__ import annotations

import csv
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from labelmill.datasets import service
from looking import serious_faults

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CSV = "id,text,label\n" + "".join(f"{n},a text about something {n},{'spam' if n % 2 else 'ham'}\n" for n in range(40))
#: What a browser does when a file is dropped on the page.
DROP = """([name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, { type: "text/csv" }));
  document.querySelector("[data-drop]").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""
#: Each width with each theme and each language, each theme with each language.
WIDTHS = [
    (360, "light", "zh-Hant"), (360, "dark", "en"), (1280, "light", "en"), (1280, "dark", "zh-Hant"), (2560, "light", "zh-Hant"),
    (2560, "dark", "en"),
]  # fmt: skip


@contextmanager
def working(served: Any) -> Iterator[None]:
    """Run what is due in the background, as a worker process does."""
    end = threading.Event()

    def work() -> None:
        while not end.wait(0.1):
            served.lab.work(queues=("default", "learner", "predictor"))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(60)


def labels(served: Any, dataset_id: int) -> list[str]:
    with served.app.database.read() as connection:
        return [label.name for label in service.get(connection, dataset_id).labels]


def test_a_dropped_file_is_three_clicks_from_the_first_label(open_page: Any, served: Any) -> None:
    with working(served), open_page() as page:
        page.goto("/datasets")
        page.locator("main a", has_text="New dataset").first.click()  # 1
        page.wait_for_url("**/datasets/new")
        page.evaluate(DROP, ["mail.csv", CSV])
        page.wait_for_url(re.compile(r"/datasets/new\?upload="))
        expect(page.locator("input[name=name]")).to_have_value("mail")
        page.click("text=Import and label")  # 2
        page.wait_for_url(re.compile(r"/datasets/\d+/label"))
        page.locator("button", has_text="spam").first.click()  # 3
        dataset_id = int(page.url.split("/")[4])
        expect(page.locator("body")).to_contain_text("all saved")
        with served.app.database.read() as connection:
            assert service.counts(connection, dataset_id).annotations == 1


def test_without_scripts_a_file_is_imported_too(open_page: Any, served: Any, tmp_path: Path) -> None:
    file = tmp_path / "plain.csv"
    file.write_text(CSV)
    with working(served), open_page(java_script_enabled=False) as page:
        page.goto("/datasets/new")
        page.set_input_files("input[type=file]", file)
        page.click("text=Look at it")
        page.select_option("select[name=role-0]", "none")
        page.click("text=Import and label")
        for _ in range(100):
            if "/label" in page.url:
                break
            page.wait_for_timeout(200)
            page.reload()
        assert re.search(r"/datasets/\d+/label", page.url)


def test_a_file_that_cannot_be_read_is_told_on_the_page(open_page: Any, tmp_path: Path) -> None:
    file = tmp_path / "empty.csv"
    file.write_text("")
    with open_page() as page:
        page.goto("/datasets/new")
        page.set_input_files("input[type=file]", file)
        expect(page.locator("[role=alert]")).to_contain_text("The file is empty")


def test_rows_that_are_refused_are_seen_and_taken_away(open_page: Any, served: Any) -> None:
    with working(served), open_page() as page:
        page.goto("/datasets/new")
        page.evaluate(DROP, ["holes.csv", "text,label\na long enough text,x\n,y\n"])
        page.wait_for_url(re.compile(r"upload="))
        page.click("text=Import and label")
        expect(page.locator("main")).to_contain_text("its text is empty")
        with page.expect_download() as download:
            page.click("text=Download as CSV")
        rows = list(csv.reader(download.value.path().read_text("utf-8-sig").splitlines()))
        assert rows[1][1] == "its text is empty"
        page.click("text=Start labelling")
        page.wait_for_url(re.compile(r"/label"))


def test_labels_are_moved_and_renamed_by_hand_and_the_command_follows_the_columns(open_page: Any, served: Any) -> None:
    made = served.lab.dataset(5)
    with open_page() as page:
        page.goto(f"/datasets/{made.id}/settings")
        page.get_by_label("Move sport down").click()
        page.get_by_label("Move sport down").click()
        page.get_by_label("Name of food").fill("meals")
        page.get_by_label("Name of a new label").fill("art")
        page.click("text=Save labels")
        expect(page.locator("#labels [role=status]")).to_contain_text("Saved.")
        page.get_by_label("Markdown").fill("# New *rules*")
        expect(page.locator("#guidelines-preview h3")).to_have_text("New rules")
        page.goto("/datasets/new")
        page.evaluate(DROP, ["mail.csv", CSV])
        page.wait_for_url(re.compile(r"upload="))
        page.select_option("select[name=role-2]", "none")
        expect(page.locator("[data-command] pre")).to_contain_text("--no-labels")
        expect(page.locator("[data-label-use]")).to_be_hidden()
    assert labels(served, made.id) == ["meals", "music", "sport", "ignored", "art"]


def test_the_charts_say_their_figures_under_the_pointer_and_as_a_table(open_page: Any, lively: Any) -> None:
    with open_page() as page:
        page.goto(f"/datasets/{lively.id}/monitor")
        point = page.locator("#quality circle.chart-1").last
        point.hover()
        tip = page.locator("output.tip")
        expect(tip).to_contain_text("v6")
        page.locator("#quality summary", has_text="The figures").click()
        said = re.search(r"([\d.]+) %", tip.inner_text())
        assert said
        expect(page.locator("#quality table").first).to_contain_text(said[1])
        with page.expect_download() as download:
            page.get_by_label("Download as CSV: Classifiers").click()
        rows = list(csv.reader(download.value.path().read_text("utf-8-sig").splitlines()))
        assert [row[0] for row in rows] == ["version", *"654321"]


def test_the_charts_need_no_script(open_page: Any, lively: Any) -> None:
    with open_page(java_script_enabled=False) as page:
        page.goto(f"/datasets/{lively.id}/monitor")
        assert page.locator("#quality polyline").count() == 2
        assert "v6" in page.locator("#quality circle title").last.text_content()


def test_p29_records_and_monitor_of_who_answers_show_no_answers_of_others(open_page: Any, served: Any, lively: Any) -> None:
    from labelmill.accounts import service as accounts

    with served.app.database.read() as connection:
        ann = accounts.find_annotator(connection, "ann@example.org").id
    with open_page(person=ann) as page:
        page.goto(f"/datasets/{lively.id}/records")
        assert page.locator("th", has_text="Label").count() == 0
        page.goto(f"/datasets/{lively.id}/monitor?names=true")
        assert "Hardest records" not in page.content()
        assert "bob@example.org" not in page.content()


@pytest.mark.parametrize(("width", "theme", "language"), WIDTHS)
def test_every_page_fits_and_has_no_serious_fault_for_those_who_see_or_hear_it_otherwise(
    open_page: Any, served: Any, lively: Any, width: int, theme: str, language: str
) -> None:
    """At 360, 1280 and 2560 px, light and dark, in both languages, each pair of these: nothing sticks out, nothing serious is found by axe."""
    with served.app.database.read() as connection:
        record = service.list_records(connection, lively.id, limit=1)[0].id
    place = f"/datasets/{lively.id}"
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": theme, "bypass_csp": True}
    with open_page(language=language, **options) as page:
        for path in (
            "",
            f"{place}/records",
            f"{place}/records/{record}",
            f"{place}/monitor?names=true",
            f"{place}/settings",
            "mapping",
            f"{place}/import",
        ):
            if path == "mapping":
                page.goto("/datasets/new")
                page.evaluate(DROP, ["mail.csv", CSV])
                page.wait_for_url(re.compile(r"upload="))
            else:
                page.goto(path or "/datasets")
            for summary in page.locator("main details > summary").all():
                summary.click()
            assert serious_faults(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.evaluate("document.documentElement.lang") == language
