"""The labelling loop as people live it: invited in the browser, labelling by key, helped by a model that learns, settling a tie.

One test, for what matters is that it holds together: what was pressed on the keyboard is what the database holds at the end.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Page, expect

import learning_lab
from labelmill.accounts import Role
from labelmill.accounts import service as accounts
from labelmill.datasets import service as datasets
from labelmill.learning import service as learning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

RECORD, SAVED = "[data-part=record]", "[data-part=saved]"
KEYS = {"sport": "1", "food": "2", "music": "3"}
LABELS = {key: label for label, key in KEYS.items()}
RECORDS, BATCH = 40, 12
PATIENCE = 60_000


class Worker:
    """Somebody at the label page, and everything that they meant to answer, by record."""

    def __init__(self, page: Page, gold: dict[str, str]) -> None:
        self.page = page
        self.gold = gold
        self.meant: dict[str, list[str]] = {}
        #: The records that were shown, in their order, and what the model suggested for each, "" for nothing.
        self.seen: list[tuple[int, str]] = []

    def begin(self, dataset: int) -> None:
        self.page.goto(f"/datasets/{dataset}/label")
        expect(self.page.locator("[data-label-page].live")).to_have_count(1)

    def text(self) -> str:
        return self.page.locator(f"{RECORD} .record-text").inner_text()

    def press(self, key: str) -> str:
        """Answer what is shown and return its text; the next one is there at once."""
        expect(self.page.locator("[data-label-page]")).not_to_have_attribute("data-ahead", "0", timeout=PATIENCE)
        text = self.text()
        suggested = self.page.locator("[data-suggestion]:visible")
        self.seen.append(
            (int(self.page.locator(RECORD).get_attribute("data-record") or 0), " ".join(suggested.all_inner_texts()))
        )
        self.page.keyboard.press(key)
        assert self.text() != text
        self.meant.setdefault(text, []).append(LABELS[key])
        return text

    def label(self, count: int) -> None:
        """Answer records as they are meant."""
        for _ in range(count):
            self.press(KEYS[self.gold[self.text()]])

    def label_wrong(self) -> str:
        """Answer a record with another label than it is meant to have, and return its text."""
        return self.press(next(key for label, key in KEYS.items() if label != self.gold[self.text()]))

    def finish(self) -> None:
        """Answer the last record: then there is none."""
        text = self.text()
        self.page.keyboard.press(KEYS[self.gold[text]])
        self.meant[text] = [self.gold[text]]
        expect(self.page.locator("[data-pane=done]")).to_be_visible(timeout=PATIENCE)

    def saved(self) -> None:
        expect(self.page.locator(SAVED)).to_have_text("all saved", timeout=PATIENCE)


@contextmanager
def visitor(browser: Browser, served: Any) -> Iterator[Page]:
    """Give a browser of its own in which nobody is signed in."""
    context = browser.new_context(base_url=served.base, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def invite(chief: Page, dataset: int, emails: list[str]) -> list[str]:
    """Invite people to a dataset, and return the links that they are sent."""
    chief.goto(f"/datasets/{dataset}/members")
    chief.get_by_label("E-mail addresses").fill("\n".join(emails))
    chief.get_by_role("button", name="Make the invitations").click()
    links = chief.locator(".notice.good pre")
    expect(links).to_have_count(len(emails))
    return links.all_inner_texts()


def sign_up(page: Page, link: str, name: str) -> None:
    page.goto(link)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(f"seven green lamps of {name}")
    page.get_by_role("button", name="Make the account").click()
    expect(page.locator(".who-name")).to_have_text(name)


def queue(served: Any, dataset: int, who: str) -> list[int]:
    """Return the records that the learner would ask somebody next."""
    with served.app.database.read() as connection:
        return [each.record_id for each in learning.queue_page(connection, dataset, who, RECORDS)]


def versions(chief: Page, dataset: int) -> list[str]:
    """Return the classifiers that the monitor lists, the newest first."""
    chief.goto(f"/datasets/{dataset}/monitor")
    return chief.locator("#t-classifiers tbody tr td:first-child").all_inner_texts()


def first_batch(ann: Worker) -> None:
    """Label fourteen records, one of them wrongly, taken back and answered again."""
    ann.label(5)
    wrong = ann.label_wrong()
    ann.saved()
    ann.page.keyboard.press("u")
    assert ann.text() == wrong
    ann.meant[wrong].append("-")
    ann.label(9)
    ann.saved()


def second_batch(ann: Worker) -> None:
    """Label fourteen records, four of them without a network."""
    ann.label(5)
    ann.saved()
    ann.page.context.set_offline(True)
    ann.label(4)
    expect(ann.page.locator(SAVED)).to_have_text("offline: 4 kept here")
    ann.page.context.set_offline(False)
    ann.saved()
    ann.label(5)
    ann.saved()


def settle(chief: Page, dataset: int, text: str) -> None:
    """Settle the one tie by the key of the first label."""
    chief.goto(f"/datasets/{dataset}/ties")
    expect(chief.locator("[data-tie]")).to_have_count(1)
    expect(chief.locator("[data-tie]")).to_contain_text(text)
    chief.keyboard.press(KEYS["sport"])
    expect(chief.locator("[data-tie]")).to_have_count(0)
    expect(chief.locator(".badge")).to_have_count(0)


def test_l25_two_are_invited_label_sixty_records_by_key_and_a_tie_is_settled(browser: Browser, served: Any) -> None:
    """Undo, an offline spell, two trainings that change queue and monitor; the database holds exactly what was pressed."""
    lab = learning_lab.Lab(served.app)
    settings = {"labels_per_record": 2, "batch_size": BATCH, "warm_start": BATCH, "random_share": 0.3}
    known = lab.dataset(RECORDS, **settings)
    dataset = known.id
    with visitor(browser, served) as chief, visitor(browser, served) as one, visitor(browser, served) as other:
        chief.context.add_cookies([_cookie(served, served.person("chief", Role.MANAGER))])
        people = invite(chief, dataset, ["ann@example.org", "bob@example.org"])
        for page, link, name in zip((one, other), people, ("Ann", "Bob"), strict=True):
            sign_up(page, link, name)
        ann, bob = Worker(one, lab.gold), Worker(other, lab.gold)
        ann_id, bob_id = _ids(served)

        ann.begin(dataset)
        first_batch(ann)
        assert versions(chief, dataset) == []
        assert {suggested for _, suggested in ann.seen} == {""}
        lab.work()
        assert versions(chief, dataset) == ["v1"]
        for_bob, before = queue(served, dataset, bob_id), queue(served, dataset, ann_id)
        lay_there = {record for record, _ in served.lab.leases(known)}
        ann.begin(dataset)
        ann.seen.clear()
        expect(ann.page.locator(".model")).to_contain_text("model v1")
        second_batch(ann)
        asked = [record for record, suggested in ann.seen if suggested]
        assert len(asked) > 6
        fresh = [each for each in asked if each not in lay_there]
        assert len(fresh) > 2
        assert fresh == [each for each in before if each in fresh]

        lab.work()
        assert versions(chief, dataset) == ["v2", "v1"]
        expect(chief.locator("#t-annotators tbody tr")).to_have_count(1)
        now_for_bob = queue(served, dataset, bob_id)
        assert now_for_bob != [each for each in for_bob if each in now_for_bob]
        ann.label(RECORDS - 29)
        ann.finish()
        ann.saved()

        bob.begin(dataset)
        bob.label(8)
        disputed = bob.label_wrong()
        bob.label(11)
        bob.saved()
        settle(chief, dataset, disputed)
        chief.goto(f"/datasets/{dataset}/monitor?names=true&sort=annotators.answers")
        rows = chief.locator("#t-annotators tbody tr")
        assert [row.split()[:2] for row in rows.all_inner_texts()][:2] == [["Bob", "20"], ["Ann", "40"]]

    _assert_nothing_lost(served, dataset, {ann_id: ann.meant, bob_id: bob.meant})


def _assert_nothing_lost(served: Any, dataset: int, meant: dict[str, dict[str, list[str]]]) -> None:
    with served.app.database.read() as connection:
        known = datasets.get(connection, dataset)
        counts = datasets.counts(connection, dataset)
    for who, answers in meant.items():
        assert served.given(known, who) == answers
    assert sum(len(answers) for answers in meant.values()) == 60
    assert (counts.answered, counts.tied, counts.annotations) == (RECORDS, 0, 61)


def _cookie(served: Any, person: str) -> Any:
    return {"name": "labelmill_session", "value": served.session(person), "url": served.base}


def _ids(served: Any) -> list[str]:
    with served.app.database.read() as connection:
        found = {each.email: each.id for each in accounts.list_annotators(connection)}
    return [found[f"{name}@example.org"] for name in ("ann", "bob")]
