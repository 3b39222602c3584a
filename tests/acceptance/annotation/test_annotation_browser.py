"""Labelling with the keyboard in Chromium against a real server: nothing that was answered is lost or counted twice."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Error, Page, expect

from labelmill.accounts import service as accounts
from labelmill.annotation.tables import record_leases

RECORD = "[data-part=record]"
SAVED = "[data-part=saved]"
#: Milliseconds from the key to the painted answer.
PAINTED = """async (key) => {
  const before = document.querySelector("[data-part=record]").dataset.record;
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  return document.querySelector("[data-part=record]").dataset.record !== before;
}"""


def begin(page: Page, dataset: Any) -> None:
    with page.expect_response(lambda reply: reply.url.endswith("/next")):
        page.goto(f"/datasets/{dataset.id}/label")
    expect(page.locator("[data-label-page].live")).to_have_count(1)


def ahead(page: Page) -> None:
    """Wait until the next record is here: on a busy machine keys can be quicker than the server."""
    expect(page.locator("[data-label-page]")).not_to_have_attribute("data-ahead", "0")


def shown(page: Page) -> str:
    return page.locator(f"{RECORD} .record-text").inner_text()


def answer(page: Page, key: str) -> str:
    """Press a label's key and return the text of the record that it answered; the next one is there at once."""
    ahead(page)
    before = shown(page)
    page.keyboard.press(key)
    assert shown(page) != before
    return before


def all_saved(page: Page) -> None:
    expect(page.locator(SAVED)).to_have_text("all saved", timeout=20_000)


def test_l25_records_are_labelled_by_keys_alone_with_undo(page: Page, served: Any) -> None:
    """24 records, one key each; U and Ctrl+Z take the last ones back; what is stored is what was meant."""
    dataset = served.dataset(30)
    begin(page, dataset)
    keys = {"1": "a", "2": "b", "3": "c", "i": "ignored"}
    meant: dict[str, list[str]] = {}
    for number in range(24):
        key = list(keys)[number % 4]
        meant[answer(page, key)] = [keys[key]]
        if number == 11:
            all_saved(page)
            page.keyboard.press("u")
            page.keyboard.press("Control+z")
            assert shown(page) == "10"
            for text, again in (("10", "3"), ("11", "3")):
                assert answer(page, again) == text
                meant[text] += ["-", "c"]
    all_saved(page)
    assert served.given(dataset) == meant
    expect(page.locator("[data-part=today]")).to_have_text("24")
    assert shown(page) == "24"


def test_the_next_record_is_painted_with_the_next_frame(page: Page, served: Any) -> None:
    """It is here before the key is pressed, whatever the server does meanwhile: it does not answer until the end."""
    dataset = served.dataset(40)
    begin(page, dataset)
    ahead(page)
    page.route("**/answers", lambda _: None)
    assert [page.evaluate(PAINTED, key) for key in "123"] == [True] * 3
    assert served.given(dataset) == {}
    page.unroute("**/answers")  # what was held goes on
    all_saved(page)
    assert served.given(dataset) == {"0": ["a"], "1": ["b"], "2": ["c"]}


def test_what_is_answered_offline_is_kept_and_sent_once(page: Page, served: Any) -> None:
    dataset = served.dataset(20)
    begin(page, dataset)
    answer(page, "1")
    all_saved(page)
    page.wait_for_timeout(300)
    page.context.set_offline(True)
    for _ in range(4):
        answer(page, "2")
    expect(page.locator(SAVED)).to_have_text("offline: 4 kept here")
    assert list(served.given(dataset)) == ["0"]
    # What is here can be answered to the last one; then the page says why there is no more.
    while page.locator(f"{RECORD}").is_visible():
        page.keyboard.press("3")
    expect(page.locator("[data-pane=offline]")).to_be_visible()
    kept = page.evaluate("Object.keys(localStorage).filter((name) => name.includes('.outbox/')).length")
    page.context.set_offline(False)
    all_saved(page)
    expect(page.locator(RECORD)).to_be_visible()
    given = served.given(dataset)
    assert kept >= 5
    assert len(given) == kept + 1
    assert all(len(each) == 1 for each in given.values())


@pytest.mark.parametrize("offline", [True, False])
def test_who_has_nothing_to_answer_asks_the_server_now_and_then_only(page: Page, served: Any, offline: bool) -> None:
    """Offline, and when all is done: the page looks again after seconds, not in a loop."""
    dataset = served.dataset(2)
    begin(page, dataset)
    page.wait_for_timeout(300)
    page.context.set_offline(offline)
    for _ in range(2):
        page.keyboard.press("1")
    expect(page.locator(f"[data-pane={'offline' if offline else 'done'}]")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/next") else None)
    page.wait_for_timeout(2_500)
    assert len(asked) <= 2


def test_p02_answers_survive_a_reload_and_a_lost_reply_and_count_once(page: Page, served: Any) -> None:
    """The first reply is lost on its way, then the page is loaded again: the outbox sends the same keys."""
    dataset = served.dataset(20)
    begin(page, dataset)

    def lose(route: Any) -> None:
        with suppress(Error):  # the page was left meanwhile
            route.fetch()
            route.abort()

    page.route("**/answers", lose)
    answered = [answer(page, key) for key in "123"]
    expect(page.locator(SAVED)).to_have_text(re.compile("offline: . kept here"))
    page.reload()
    expect(page.locator("[data-label-page].live")).to_have_count(1)
    expect(page.locator(SAVED)).to_have_text(re.compile("3 "))
    assert shown(page) not in answered
    page.unroute("**/answers")
    all_saved(page)
    assert served.given(dataset) == {"0": ["a"], "1": ["b"], "2": ["c"]}


def test_undo_goes_on_after_a_reload(page: Page, served: Any) -> None:
    dataset = served.dataset(10)
    begin(page, dataset)
    for key in "123":
        answer(page, key)
    all_saved(page)
    page.reload()
    expect(page.locator("[data-label-page].live")).to_have_count(1)
    page.keyboard.press("u")
    page.keyboard.press("u")
    assert shown(page) == "1"
    all_saved(page)
    assert served.given(dataset) == {"0": ["a"], "1": ["b", "-"], "2": ["c", "-"]}
    answer(page, "1")
    answer(page, "1")
    all_saved(page)
    assert served.given(dataset) == {"0": ["a"], "1": ["b", "-", "a"], "2": ["c", "-", "a"]}


def test_answers_survive_a_restart_of_the_server(page: Page, served: Any) -> None:
    dataset = served.dataset(20)
    begin(page, dataset)
    answer(page, "1")
    all_saved(page)
    page.wait_for_timeout(300)
    served.stop()
    for _ in range(3):
        answer(page, "2")
    expect(page.locator(SAVED)).to_have_text("offline: 3 kept here")
    served.start()
    all_saved(page)
    assert [len(each) for each in served.given(dataset).values()] == [1, 1, 1, 1]


def test_an_undone_answer_that_was_never_sent_leaves_no_trace(page: Page, served: Any) -> None:
    dataset = served.dataset(10)
    begin(page, dataset)
    page.wait_for_timeout(300)
    page.context.set_offline(True)
    answer(page, "1")
    answer(page, "2")
    page.wait_for_timeout(200)
    page.keyboard.press("u")
    assert shown(page) == "1"
    answer(page, "3")
    page.context.set_offline(False)
    all_saved(page)
    given = served.given(dataset)
    assert given["0"] == ["a"]
    assert given["1"][-1] == "c"


def test_l16_a_record_that_others_filled_meanwhile_is_said_and_not_counted(page: Page, served: Any) -> None:
    """The lease ran out and somebody else answered: the page says so, and goes on."""
    dataset = served.dataset(10)
    begin(page, dataset)
    with served.app.database.write() as connection:
        connection.execute(record_leases.delete())
    served.lab.answer(dataset, served.lab.ids(dataset)[0], 9, "c")
    answer(page, "1")
    expect(page.locator("[data-part=refused]")).to_contain_text("Others had given all the answers")
    all_saved(page)
    assert served.given(dataset) == {}
    expect(page.locator("[data-part=today]")).to_have_text("0")
    answer(page, "2")
    all_saved(page)
    assert served.given(dataset) == {"1": ["b"]}


def test_who_is_signed_out_keeps_the_answers_until_signed_in_again(page: Page, served: Any) -> None:
    dataset = served.dataset(10)
    begin(page, dataset)
    page.wait_for_timeout(300)
    page.context.clear_cookies()
    answer(page, "1")
    expect(page.locator(SAVED)).to_have_text("signed out: 1 kept here")
    page.context.add_cookies([{"name": "labelmill_session", "value": served.session(served.me), "url": served.base}])
    all_saved(page)
    assert served.given(dataset) == {"0": ["a"]}


def test_who_is_let_out_is_told_and_keeps_the_answers(page: Page, served: Any) -> None:
    dataset = served.dataset(10)
    begin(page, dataset)
    page.wait_for_timeout(300)
    served.app.database.transact(accounts.remove_member, dataset.id, served.me)
    answer(page, "1")
    expect(page.locator(SAVED)).to_have_text("no permission: 1 kept here")
    while page.locator(RECORD).is_visible():
        page.keyboard.press("1")
    expect(page.locator("[data-pane=forbidden]")).to_be_visible()


def test_arrows_go_back_and_forth_and_an_earlier_answer_is_changed(page: Page, served: Any) -> None:
    dataset = served.dataset(10)
    begin(page, dataset)
    for key in "112":
        answer(page, key)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert shown(page) == "1"
    expect(page.locator("[data-part=note]")).to_contain_text("You answered this one")
    expect(page.locator("button[aria-pressed=true][data-label] .label-name")).to_have_text("a")
    answer(page, "3")
    assert shown(page) == "2"
    page.keyboard.press("ArrowRight")
    assert shown(page) == "3"
    page.keyboard.press("ArrowRight")
    assert shown(page) == "3"
    all_saved(page)
    assert served.given(dataset) == {"0": ["a"], "1": ["a", "c"], "2": ["b"]}
    page.keyboard.press("u")
    assert shown(page) == "1"
    all_saved(page)
    assert served.given(dataset)["1"] == ["a", "c", "a"]


def test_backspace_escape_and_a_held_key_destroy_nothing(page: Page, served: Any) -> None:
    dataset = served.dataset(10)
    begin(page, dataset)
    answer(page, "1")
    address = page.url
    for key in ("Backspace", "Escape", "Delete"):
        page.keyboard.press(key)
    assert page.url == address
    assert shown(page) == "1"
    page.keyboard.down("2")
    for _ in range(5):
        page.keyboard.down("2")
    page.keyboard.up("2")
    assert shown(page) == "2"
    all_saved(page)
    assert served.given(dataset) == {"0": ["a"], "1": ["b"]}


def test_skipped_records_come_again_after_all_others_and_then_all_is_done(page: Page, served: Any) -> None:
    dataset = served.dataset(3)
    begin(page, dataset)
    page.keyboard.press("s")
    assert [answer(page, "1") for _ in range(1)] == ["1"]
    page.keyboard.press("1")
    expect(page.locator(f"{RECORD} .record-text")).to_have_text("0")
    expect(page.locator(RECORD)).to_be_visible()
    page.keyboard.press("2")
    expect(page.locator("[data-pane=done]")).to_be_visible()
    all_saved(page)
    assert served.given(dataset) == {"0": ["b"], "1": ["a"], "2": ["a"]}


def test_keys_are_changed_kept_and_reserved_ones_say_so(page: Page, served: Any) -> None:
    dataset = served.dataset(10)
    begin(page, dataset)
    page.keyboard.press("?")
    field = page.get_by_label("Key for a", exact=True)
    field.focus()
    page.keyboard.press("Backspace")
    expect(page.locator(".key-said", has_text="reserved")).to_have_count(1)
    page.keyboard.press("2")
    expect(page.locator(".key-said", has_text="2 is taken")).to_have_count(1)
    page.keyboard.press("x")
    expect(field).to_have_value("X")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.reload()
    expect(page.locator("[data-label-page].live")).to_have_count(1)
    expect(page.locator("button[data-label] kbd").first).to_have_text("X")
    assert answer(page, "x") == "0"
    page.keyboard.press("1")
    assert shown(page) == "1"
    all_saved(page)
    assert served.given(dataset) == {"0": ["a"]}


def test_guidelines_search_and_bulk_are_one_key_away(page: Page, served: Any) -> None:
    dataset = served.guided()
    begin(page, dataset)
    page.keyboard.press("g")
    expect(page.locator(".guidelines-text h3")).to_have_text("How to label")
    page.keyboard.press("g")
    expect(page.locator(".guidelines-text")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("prai")
    expect(page.locator(".found").first).to_contain_text("praise")
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_have_count(0)
    all_saved(page)
    assert list(served.given(dataset).values()) == [["praise"]]
    page.keyboard.press("b")
    page.wait_for_url("**/bulk")


def test_a_search_leads_to_a_record(page: Page, served: Any) -> None:
    dataset = served.dataset(10)
    begin(page, dataset)
    page.keyboard.press("/")
    page.keyboard.type("7")
    page.locator(".found", has_text="7").first.click()
    expect(page.locator(f"{RECORD} .record-text")).to_have_text("7")
    answer(page, "2")
    all_saved(page)
    assert served.given(dataset) == {"7": ["b"]}


def test_a_suggestion_is_a_quiet_mark_that_can_be_switched_off(page: Page, served: Any) -> None:
    dataset = served.dataset(10)

    def suggest(route: Any) -> None:
        with suppress(Error):  # the page was left meanwhile
            reply = route.fetch()
            body = reply.json()
            for record in body["records"]:
                record["suggestion"] = {"label_id": served.lab.label(dataset, "b"), "confidence": 0.876}
            route.fulfill(response=reply, json=body)

    page.route("**/next", suggest)
    begin(page, dataset)
    page.wait_for_timeout(300)
    places = [box.bounding_box() for box in page.locator("[data-label]").all()]
    answer(page, "1")
    mark = page.locator("[data-label] [data-suggestion]:visible")
    expect(mark).to_have_text("87 %")
    # Nothing moves under the hand.
    assert [box.bounding_box() for box in page.locator("[data-label]").all()] == places
    page.keyboard.press("p")
    expect(mark).to_have_count(0)
    page.reload()
    expect(page.locator("[data-label-page].live")).to_have_count(1)
    expect(mark).to_have_count(0)


def test_several_labels_are_chosen_by_keys_and_saved_by_enter(page: Page, served: Any) -> None:
    dataset = served.dataset(10, several_labels=True)
    begin(page, dataset)
    for key in "132":
        page.keyboard.press(key)
    page.keyboard.press("3")
    expect(page.locator("[data-label] input:checked")).to_have_count(2)
    page.keyboard.press("Enter")
    assert shown(page) == "1"
    page.keyboard.press("Enter")
    assert shown(page) == "1"
    all_saved(page)
    assert served.given(dataset) == {"0": ["a+b"]}


def test_two_tabs_share_one_outbox_and_send_each_answer_once(page: Page, served: Any) -> None:
    dataset = served.dataset(20, labels_per_record=1)
    other = page.context.new_page()
    begin(page, dataset)
    begin(other, dataset)
    for _ in range(3):
        page.keyboard.press("1")
        other.keyboard.press("2")
    all_saved(page)
    all_saved(other)
    given = served.given(dataset)
    assert sum(len(each) for each in given.values()) == 6


def test_leaving_with_unsent_answers_asks(page: Page, served: Any) -> None:
    dataset = served.dataset(10)
    begin(page, dataset)
    page.wait_for_timeout(300)
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.type))
    page.route("**/answers", lambda route: route.abort())
    answer(page, "1")
    page.goto("/datasets")
    assert asked == ["beforeunload"]


def test_without_scripts_the_page_labels_by_forms(open_page: Any, served: Any) -> None:
    dataset = served.dataset(3)
    with open_page(java_script_enabled=False) as page:
        page.goto(f"/datasets/{dataset.id}/label")
        page.click("button[data-label] >> text=a")
        page.click("button[data-part=skip]")
        page.click("button[data-label] >> text=c")
        page.click("button[data-part=undo]")
        assert shown(page) == "2"
        page.click("button[data-label] >> text=b")
    assert served.given(dataset) == {"0": ["a"], "2": ["c", "-", "b"]}


@pytest.mark.parametrize(("x", "skips"), [(-140, True), (140, False)])
def test_a_finger_swipes_on_and_back(open_page: Any, served: Any, x: int, skips: bool) -> None:
    dataset = served.dataset(10)
    with open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True) as page:
        begin(page, dataset)
        page.locator("button[data-label]").first.tap()
        assert shown(page) == "1"
        swipe = """([frame, x]) => {
          const touch = (left) => new Touch({ identifier: 1, target: frame, clientX: left, clientY: 300 });
          frame.dispatchEvent(new TouchEvent("touchstart", { touches: [touch(180)], bubbles: true }));
          frame.dispatchEvent(new TouchEvent("touchend", { changedTouches: [touch(180 + x)], bubbles: true }));
        }"""
        page.evaluate(swipe, [page.locator(RECORD).element_handle(), x])
        assert shown(page) == ("2" if skips else "0")
        all_saved(page)
