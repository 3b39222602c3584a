"""The rules' page in Chromium against a real server: what is typed is checked, tried and counted while it is typed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from playwright.sync_api import expect

POSTS = "author,gold\nMister Tom,/male\nAmy,/female\nnobody,\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Give the address of a server and a token of its administrator."""
    data = tmp_path_factory.mktemp("rules-browser")
    (data / "files").mkdir()
    (data / "files/posts.csv").write_text(POSTS, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LABELMILL_")}
    environment |= {"LABELMILL_DATA_DIR": str(data), "LABELMILL_PORT": str(port)}
    command = [sys.executable, "-m", "labelmill"]
    token = subprocess.run(
        [*command, "token", "create"], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    with subprocess.Popen([*command, "web"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        base = f"http://127.0.0.1:{port}"
        _wait_for(f"{base}/healthz", running)
        yield base, token
        running.terminate()


def _wait_for(address: str, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while running.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the server did not start")


@pytest.fixture
def page(server, browser):
    """Give a signed-in page; whatever the browser complains about fails the test."""
    base, token = server
    complaints = []
    with browser.new_context(base_url=base, viewport={"width": 1280, "height": 900}) as context:
        opened = context.new_page()
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.goto("/sign-in")
        opened.click("details summary")
        opened.fill("input[name=token]", token)
        opened.keyboard.press("Enter")
        opened.wait_for_url(lambda address: "sign-in" not in address)
        yield opened
    assert complaints == []


def test_a_rule_set_is_written_with_the_keyboard_and_its_effect_is_seen(page):
    """Findings, marks, hits and changes follow the typing; Enter goes on to the next line; saving leads to the stored set."""
    page.goto("/rules/new")
    page.fill("[name=name]", "authors")
    page.locator("[name=label]").first.focus()
    page.keyboard.type("/male")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("tom")
    page.locator("#live-changes").get_by_text("/male partially:tom").wait_for()
    page.fill("textarea[name=text]", "Tom and Tom")
    expect(page.locator("#live-try mark")).to_have_count(2)
    page.fill("[name=source]", "posts.csv")
    expect(page.locator("#columns option")).to_have_count(2)
    page.fill("[name=text_column]", "author")
    page.locator("#hits-n1").get_by_text("1", exact=True).wait_for()
    page.locator("[name=content]").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('tr').dataset.key") == "n2"
    page.keyboard.type("(")
    page.locator("[name=label]").nth(1).fill("/male")
    page.locator("[name=type]").nth(1).select_option("regex")
    page.locator("#found-n2").get_by_text("The engine does not take this pattern").wait_for()
    page.locator("[name=remove]").nth(1).check()
    expect(page.locator("#found-n2 li")).to_have_count(0)
    page.click("button[value=save].primary")
    page.wait_for_url("**/rules/authors?saved=1")
    assert page.locator("[name=content]").first.input_value() == "tom"


def test_lines_are_added_and_no_change_is_lost_by_leaving(page):
    """The button takes label and match of the line before; leaving asks."""
    page.goto("/rules/new")
    for place, value in (("label", "/x"), ("content", "a")):
        page.locator(f"[name={place}]").first.fill(value)
    for _ in range(4):
        page.click("[data-add-rule]")
        page.keyboard.type("more")
    keys = page.eval_on_selector_all("tr.rule", "rows => rows.map((row) => row.dataset.key)")
    assert len(set(keys)) == len(keys) == 5
    assert page.eval_on_selector_all("[name=label]", "inputs => inputs.map((input) => input.value)") == ["/x"] * 5
    page.locator("#live-findings").get_by_text("Stands here twice").first.wait_for()
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto("/rules")
    assert asked == ["beforeunload"]


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out_of_the_page(page, width):
    """No page is wider than its window, whatever is shown on it."""
    page.set_viewport_size({"width": width, "height": 740})
    page.goto("/rules/new")
    page.locator("[name=label]").first.fill("/x")
    page.locator("[name=content]").first.fill("tom " + "y" * 300)
    page.fill("textarea[name=text]", "tom " + "y" * 300)
    expect(page.locator("#live-try mark")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/rules")
    assert page.evaluate("document.documentElement.scrollWidth") == width
