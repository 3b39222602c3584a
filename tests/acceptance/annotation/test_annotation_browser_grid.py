"""The grid and the ties in Chromium, and how all pages of labelling look to everybody."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from labelmill.accounts import Role
from labelmill.annotation import service
from labelmill.datasets import NewLabel, RecordKind
from labelmill.datasets import service as datasets
from looking import serious_faults

#: Each width with each theme and each language, each theme with each language.
LOOKS = [(360, "light", "zh-Hant"), (360, "dark", "en"), (1280, "light", "en"), (1280, "dark", "zh-Hant")]


def test_many_records_are_selected_with_shift_and_answered_by_one_key(page: Any, served: Any) -> None:
    dataset = served.dataset(20)
    page.goto(f"/datasets/{dataset.id}/bulk")
    boxes = page.locator("input[name=record]")
    boxes.nth(2).click()
    boxes.nth(6).click(modifiers=["Shift"])
    expect(page.locator("[data-count]")).to_have_text("5")
    page.keyboard.press("2")
    expect(page.locator(".notice.good")).to_contain_text("5 records labelled.")
    assert served.given(dataset) == {str(number): ["b"] for number in range(2, 7)}
    # They want no answer any more: the grid shows the others.
    expect(boxes).to_have_count(15)
    page.keyboard.press("u")
    expect(page.locator(".notice.good")).to_contain_text("5 taken back.")
    expect(boxes).to_have_count(20)
    assert served.given(dataset) == {str(number): ["b", "-"] for number in range(2, 7)}


def test_the_grid_is_walked_and_filled_with_the_keyboard_alone(page: Any, served: Any) -> None:
    dataset = served.dataset(12)
    page.goto(f"/datasets/{dataset.id}/bulk")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("[data-count]")).to_have_text("2")
    page.keyboard.press("Control+a")
    expect(page.locator("[data-count]")).to_have_text("12")
    page.get_by_label("All", exact=True).uncheck()
    expect(page.locator("[data-count]")).to_have_text("0")
    page.keyboard.press("1")
    assert served.given(dataset) == {}
    page.keyboard.press("/")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    expect(page.locator("input[name=record]")).to_have_count(3)


def test_ties_are_settled_by_one_key_each_and_opened_again(open_page: Any, served: Any) -> None:
    dataset = served.dataset(3, labels_per_record=2)
    for record in served.lab.ids(dataset):
        served.lab.answer(dataset, record, 1, "a")
        served.lab.answer(dataset, record, 2, "b")
    with open_page(person=served.person("chief", Role.MANAGER)) as page:
        page.goto(f"/datasets/{dataset.id}/ties")
        expect(page.locator("[data-tie]")).to_have_count(3)
        page.keyboard.press("2")
        expect(page.locator("[data-tie]")).to_have_count(2)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("3")
        expect(page.locator("[data-tie]")).to_have_count(1)
        majorities = [served.lab.row(each)["majority_id"] for each in served.lab.ids(dataset)]
        assert majorities == [served.lab.label(dataset, "b"), None, served.lab.label(dataset, "c")]
        page.keyboard.press("u")
        expect(page.locator("[data-tie]")).to_have_count(2)


@pytest.mark.parametrize(("width", "theme", "language"), LOOKS)
def test_every_page_of_labelling_fits_and_has_no_serious_fault(
    open_page: Any, served: Any, width: int, theme: Any, language: str
) -> None:
    """At 360 and 1280 px, light and dark, in both languages, each pair of these: nothing sticks out, nothing serious is found by axe."""
    text = served.guided(settings=datasets.DatasetSettings(labels_per_record=2))
    for record in served.lab.ids(text)[:2]:
        served.lab.answer(text, record, 1, "praise")
        served.lab.answer(text, record, 2, "complaint")
    rows = served.app.database.transact(
        datasets.create, name="Rows", kind=RecordKind.TABULAR, labels=[NewLabel(name=f"label {each}") for each in range(30)]
    )
    served.lab.add(rows, ['{"name": "' + "Tom " * 200 + '", "price": 3}'])
    empty = served.app.database.transact(datasets.create, name="Empty", kind=RecordKind.TEXT)
    done = served.dataset(1)
    served.app.database.transact(
        service.answer, done, served.lab.ids(done)[0], served.me, label_ids=[served.lab.label(done, "a")], key="k"
    )
    chief = served.person("chief", Role.MANAGER)
    places = [f"{text.id}/label", f"{text.id}/bulk", f"{text.id}/ties", f"{rows.id}/label", f"{rows.id}/bulk"]
    places += [f"{empty.id}/label", f"{done.id}/label", f"{empty.id}/bulk", f"{done.id}/ties", f"{text.id}/bulk?like=1"]
    options: dict[str, Any] = {"viewport": {"width": width, "height": 760}, "color_scheme": theme, "bypass_csp": True}
    with open_page(person=chief, **options) as page:
        page.context.add_cookies([{"name": "labelmill_language", "value": language, "url": served.base}])
        for place in places:
            page.goto(f"/datasets/{place}")
            _look(page, width, place)
        page.goto(f"/datasets/{text.id}/label")
        expect(page.locator("[data-label-page].live")).to_have_count(1)
        for key in ("g", "?"):
            page.keyboard.press(key)
            _look(page, width, key)
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        _look(page, width, "/")


@pytest.mark.parametrize("width", [360, 901, 1440, 1920])
def test_nothing_moves_when_the_network_goes_and_every_button_holds_its_words(open_page: Any, served: Any, width: int) -> None:
    dataset = served.dataset(12)
    with open_page(viewport={"width": width, "height": 800}) as page:
        page.goto(f"/datasets/{dataset.id}/label")
        expect(page.locator("[data-label-page]")).not_to_have_attribute("data-ahead", "0")
        tight = (
            "() => [...document.querySelectorAll('.move, .label-button')].filter((e) => e.scrollWidth > e.clientWidth).length"
        )
        assert page.evaluate(tight) == 0
        before = page.locator("[data-part=record]").bounding_box()
        page.context.set_offline(True)
        page.keyboard.press("1")
        expect(page.locator("[data-part=saved]")).to_have_text("offline: 1 kept here")
        assert page.locator("[data-part=record]").bounding_box() == before
        page.context.set_offline(False)
        expect(page.locator("[data-part=saved]")).to_have_text("all saved", timeout=20_000)


def _look(page: Any, width: int, place: str) -> None:
    assert serious_faults(page) == [], place
    assert page.evaluate("document.documentElement.scrollWidth") <= width, place
