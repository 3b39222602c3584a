"""No label is lost, and none is given in another's name: what may happen to a dataset or a browser while somebody labels (promise 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.datasets import service as datasets

if TYPE_CHECKING:
    from playwright.sync_api import Page

RECORD = "[data-part=record]"
SAVED = "[data-part=saved]"


def begin(page: Page, dataset: Any) -> None:
    """Open the page on which somebody labels, and wait until it has its next records."""
    page.goto(f"/datasets/{dataset.id}/label")
    expect(page.locator("[data-label-page].live")).to_have_count(1)
    page.wait_for_timeout(300)


def all_saved(page: Page) -> None:
    expect(page.locator(SAVED)).to_have_text("all saved", timeout=60_000)


def test_p01_answers_are_kept_for_who_gave_them_when_somebody_else_signs_in_beside(page: Page, served: Any) -> None:
    """Another tab of the same browser has signed somebody else in: the cookie is theirs, what lies here is not."""
    dataset = served.dataset(10, labels_per_record=0)
    other = served.person("other", Role.ANNOTATOR)
    served.app.database.transact(accounts.set_member, dataset.id, other, Role.ANNOTATOR)
    begin(page, dataset)
    page.context.add_cookies([{"name": "labelmill_session", "value": served.session(other), "url": served.base}])
    page.keyboard.press("1")
    expect(page.locator(SAVED)).to_have_text("signed out: 1 kept here")
    assert served.given(dataset, other) == {}
    page.context.add_cookies([{"name": "labelmill_session", "value": served.session(served.me), "url": served.base}])
    all_saved(page)
    assert (served.given(dataset), served.given(dataset, other)) == ({"0": ["a"]}, {})


def test_p01_answers_given_while_the_dataset_is_archived_wait_until_it_is_back(page: Page, served: Any) -> None:
    dataset = served.dataset(10)
    begin(page, dataset)
    served.app.database.transact(datasets.archive, dataset.id)
    page.keyboard.press("1")
    page.keyboard.press("2")
    expect(page.locator(SAVED)).to_have_text("dataset archived: 2 kept here")
    expect(page.locator("[data-part=refused]")).to_be_hidden()
    served.app.database.transact(datasets.restore, dataset.id)
    all_saved(page)
    assert served.given(dataset) == {"0": ["a"], "1": ["b"]}


def test_p01_the_same_page_after_going_away_and_back_sends_nothing_twice(page: Page, served: Any) -> None:
    dataset = served.dataset(10)
    begin(page, dataset)
    page.keyboard.press("1")
    all_saved(page)
    page.goto("/datasets")
    page.go_back()
    expect(page.locator("[data-label-page].live")).to_have_count(1)
    expect(page.locator(f"{RECORD} .record-text")).to_have_text("1")
    page.keyboard.press("2")
    all_saved(page)
    assert served.given(dataset) == {"0": ["a"], "1": ["b"]}


def test_p01_an_answer_whose_label_is_merged_while_it_waits_counts_for_the_other(page: Page, served: Any) -> None:
    dataset = served.dataset(10)
    begin(page, dataset)
    page.context.set_offline(True)
    page.keyboard.press("1")
    labels = {label.name: label.id for label in dataset.labels}
    served.app.database.transact(datasets.merge_labels, dataset.id, labels["a"], labels["b"])
    page.context.set_offline(False)
    all_saved(page)
    assert served.given(dataset) == {"0": ["b"]}


def test_p01_an_answer_whose_label_is_removed_while_it_waits_is_said_and_its_record_comes_again(
    page: Page, served: Any
) -> None:
    dataset = served.dataset(1)
    begin(page, dataset)
    page.context.set_offline(True)
    page.keyboard.press("1")
    labels = {label.name: label.id for label in dataset.labels}
    served.app.database.transact(datasets.remove_label, dataset.id, labels["a"])
    page.context.set_offline(False)
    expect(page.locator("[data-part=refused]")).to_contain_text("was removed")
    page.reload()
    expect(page.locator(f"{RECORD} .record-text")).to_have_text("0")
    page.keyboard.press("2")
    all_saved(page)
    assert served.given(dataset) == {"0": ["b"]}
